"""Why the account refuses us, in one line, with what to do about it."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from sensor_tui.errors import SinkError, SinkRefused, SinkUnreachable
from sensor_tui.sync.contract import Verdict
from sensor_tui.sync.sinks.cosmos.answers import judge, reason_of
from sensor_tui.sync.sinks.cosmos.connection import Unanswered
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions

_ALLOWED_SKEW: Final = 300.0
"""Seconds; the service refuses signatures that are 15 minutes off, and a clock this far off is wrong."""
_TIME_REFUSED: Final = "not valid at the current time"
_FIREWALL: Final = ("firewall", "ip address", "originated from", "virtual network", "public network")
_READ_ONLY: Final = ("read-only", "readonly", "read only")
_ROLE: Final = (
    "Give it the role 'Cosmos DB Built-in Data Contributor' on this account, or use a key (cosmos.key)"
)
_NOT_BY_IDENTITY: Final = 5300
"""403: what is asked for is not among the things an Azure identity may do with data."""


def explained(
    options: CosmosOptions,
    status: int,
    substatus: int,
    message: str,
    *,
    headers: Mapping[str, str],
    now: float,
) -> SinkError:
    """The error for an answer that is of no use; `now` is our wall time, in seconds."""
    judgement = judge(status, substatus, message=message)
    if judgement is None or judgement.verdict is not Verdict.REJECTED:
        return SinkUnreachable(
            f"{options.host} cannot serve us now ({reason_of(status, substatus, message)})",
            fix="Try again later",
        )
    host = options.host
    skew = _skew(headers, now)
    if status in {401, 403} and (abs(skew) > _ALLOWED_SKEW or _TIME_REFUSED in message):
        ahead = "ahead of" if skew > 0 else "behind"
        return SinkRefused(
            f"{host} refuses our signature: the clock here is {abs(skew) / 60:.0f} min {ahead} its own",
            fix="Set this machine's clock (turn on time synchronisation)",
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return _unauthorized(options)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(options, substatus, message)
    if status == HTTPStatus.NOT_FOUND:
        return missing(options, "database or container")
    return SinkRefused(
        f"{host} refuses {options.database}/{options.container} ({reason_of(status, substatus, message)})",
        fix="Check the names in cosmos.database and cosmos.container, and the account's state in the portal",
    )


def missing(options: CosmosOptions, what: str) -> SinkRefused:
    """The error for a database or container that is not there."""
    name = options.database if what == "database" else f"{options.database}/{options.container}"
    return SinkRefused(
        f"The {what} {name} does not exist in {options.host}",
        fix=f"Create it with the partition key {options.partition_key}, or allow it to be created "
        "(cosmos.create_if_missing: true)",
    )


def wrong_partition_key(options: CosmosOptions, paths: list[str]) -> SinkRefused:
    """The error for a container that is partitioned by another field than ours."""
    theirs = ", ".join(paths) or "nothing"
    one = len(paths) == 1
    return SinkRefused(
        f"The container {options.database}/{options.container} is partitioned by {theirs}, "
        f"the configuration says {options.partition_key}",
        fix=(f"Set cosmos.partition_key to {theirs}, or name" if one else "Name")
        + " another container in cosmos.container; a partition key cannot be changed",
    )


def unreachable(options: CosmosOptions, error: Unanswered) -> SinkUnreachable:
    """The error for an account that does not answer."""
    fix = (
        "Check cosmos.endpoint, or name the file of the authority that signed it (cosmos.ca_file)"
        if error.trust
        else "Check cosmos.endpoint, the name servers, and that this machine may connect there"
    )
    return SinkUnreachable(f"{options.host} does not answer: {error.reason}", fix=fix)


def _unauthorized(options: CosmosOptions) -> SinkRefused:
    if options.key is None:
        return SinkRefused(f"{options.host} does not accept this Azure identity (401)", fix=_ROLE)
    return SinkRefused(
        f"{options.host} does not accept the key (401)",
        fix="Check that cosmos.key (COSMOS_KEY, COSMOS_KEY_FILE) is a current key of this very account",
    )


def _forbidden(options: CosmosOptions, substatus: int, message: str) -> SinkRefused:
    host, lowered = options.host, message.lower()
    if substatus == _NOT_BY_IDENTITY or (options.key is None and "aad" in lowered):
        return SinkRefused(
            f"This Azure identity may not do that in {host} ({reason_of(403, substatus, message)})",
            fix=f"{_ROLE}; databases and containers have to be created beforehand",
        )
    if any(word in lowered for word in _FIREWALL):
        return SinkRefused(
            f"The firewall of {host} keeps this machine out ({reason_of(403, substatus, message)})",
            fix="Add this machine's address under Networking of the account, or use a private endpoint",
        )
    if any(word in lowered for word in _READ_ONLY):
        return SinkRefused(
            f"{host} does not let this key write ({reason_of(403, substatus, message)})",
            fix="Use a read-write key in cosmos.key",
        )
    return SinkRefused(
        f"{host} forbids it ({reason_of(403, substatus, message)})",
        fix="Check that the key may write, and the account's network rules",
    )


def _skew(headers: Mapping[str, str], now: float) -> float:
    """Seconds that our clock is ahead of the server's; 0 where it does not tell."""
    try:
        return now - parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0

"""Checks of the Cosmos DB endpoint, from its name to a document written and deleted."""

import asyncio
import os
import secrets
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

from sensor_tui.service.diagnostics.context import Context, Finding, failed, failed_by, fine, skipped, warning
from sensor_tui.service.diagnostics.dns import ask, name_servers
from sensor_tui.service.diagnostics.reach import (
    Endpoint,
    container_path,
    expiry_of,
    is_address,
    json_of,
    proxy_of,
    shake_hands,
)

SKEW_WARNING: Final = 60.0
SKEW_FAILED: Final = 900.0
"""Seconds; signatures that are further off are refused."""
_EXPIRES_SOON: Final = 14 * 86400.0
_PORTS: Final = {"https": 443, "http": 80}
_PROBE: Final = "sensor-tui-diagnostics"
_DATABASE_PART: Final = 8
"""Characters of a resource id that name the database."""
_KNOWN_ANSWERS: Final = frozenset(
    {HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
)
_REACH: Final = "Check that this machine may connect there: firewall, private endpoint, proxy"
_SET_CLOCK: Final = "Turn on time synchronisation on this machine (timedatectl set-ntp true)"
_OPEN_UDP: Final = (
    "Allow outbound UDP 53 to the name servers, which a host firewall or network rules may block, for example"
    " to 1.1.1.1 and 1.0.0.1; or set `dns` in the Docker daemon's configuration"
)


async def configured(_: Context, endpoint: Endpoint) -> Finding:
    """Whether endpoint and key are given."""
    options = endpoint.options
    way = "an account key" if options.key is not None else "an Azure identity"
    return fine(f"{options.host}, {options.database}/{options.container}, {way}")


async def name(context: Context, endpoint: Endpoint) -> Finding:
    """Whether the name of the endpoint leads to an address."""
    parts = urlsplit(endpoint.options.endpoint)
    host = parts.hostname or ""
    if is_address(host):
        return fine(f"{host} is an address")
    if (proxy := proxy_of(parts.scheme, host)) is not None:
        return fine(f"{host} is resolved by the proxy {proxy}")
    addresses, reason = await context.resolve(host)
    if addresses:
        return fine(f"{host} is {', '.join(addresses[:3])}")
    servers = name_servers(context.name_servers)
    answers = await asyncio.gather(*(ask(server, host) for server in servers))
    said = "; ".join(f"name server {each.server}: {each.said}" for each in answers) or "no name server is set"
    if answers and not any(each.answered for each in answers):
        return failed(f"{host} does not resolve ({reason}); {said}", _OPEN_UDP)
    return failed(f"{host} does not resolve ({reason}); {said}", "Check cosmos.endpoint for typing errors")


async def connect(context: Context, endpoint: Endpoint) -> Finding:
    """Whether a connection comes about, and whose certificate is shown."""
    options = endpoint.options
    parts = urlsplit(options.endpoint)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    seen = f"{host}:{port}"
    soon = ""
    if proxy_of(parts.scheme, host) is None:
        began = context.clock.monotonic()
        try:
            certificate, version = await shake_hands(options, host, port)
        except ssl.SSLError as error:
            cause = getattr(error, "verify_message", "") or error.reason or error
            return failed(
                f"{seen} answers, and its certificate or TLS cannot be trusted: {cause}",
                "Name the authority that signed it (cosmos.connection.ca_file), which may be that of a proxy",
            )
        except TimeoutError:
            return failed(f"{seen}: no connection within {options.connect_timeout:g} s", _REACH)
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            return failed(f"{seen}: {reason}", _REACH)
        took = (context.clock.monotonic() - began) * 1000
        seen += f" in {took:.0f} ms" + (f", {version}" if version else ", not encrypted")
        until = expiry_of(certificate)
        if until is not None:
            seen += f", certificate until {datetime.fromtimestamp(until, UTC):%Y-%m-%d}"
            if until - context.clock.now() < _EXPIRES_SOON:
                soon = "Have the certificate renewed"
    reply = await endpoint.anybody()
    if reply.status not in _KNOWN_ANSWERS:
        return warning(
            f"{seen}; it answers {reply.status}, which is unlike Cosmos DB",
            "Check cosmos.endpoint and the proxy",
        )
    return warning(seen, soon) if soon else fine(seen)


async def clock(context: Context, endpoint: Endpoint) -> Finding:
    """How far the clock here is from the endpoint's."""
    reply = await endpoint.anybody()
    now = context.clock.now()
    try:
        skew = now - parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return warning("the endpoint does not tell the time", "Compare the clock here with another one")
    ahead = "ahead of" if skew > 0 else "behind"
    seen = f"{abs(skew):.0f} s {ahead} the endpoint's"
    if abs(skew) > SKEW_FAILED:
        return failed(f"{abs(skew) / 60:.0f} min {ahead} the endpoint's: signatures are refused", _SET_CLOCK)
    if abs(skew) > SKEW_WARNING:
        return warning(seen, _SET_CLOCK)
    return fine("within a second of the endpoint's" if abs(skew) < 1.5 else seen)  # noqa: PLR2004


async def authentication(_: Context, endpoint: Endpoint) -> Finding:
    """Whether the key, or the identity, is accepted."""
    reply = await endpoint.get("/", "", "", account=True)
    if reply.status != HTTPStatus.OK:
        return failed_by(endpoint.refused(reply))
    account = json_of(reply)
    if account is None:
        return failed(f"what answers at {endpoint.options.host} is not Cosmos DB", "Check cosmos.endpoint")
    regions = [
        str(each.get("name")) for each in account.get("writableLocations") or () if isinstance(each, dict)
    ]
    return fine(
        f"accepted by {account.get('id', 'the account')}, written in {', '.join(regions) or 'one region'}"
    )


async def database(_: Context, endpoint: Endpoint) -> Finding:
    """Whether the database is there."""
    options = endpoint.options
    reply = await endpoint.get(f"/dbs/{quote(options.database, safe='')}", "dbs", f"dbs/{options.database}")
    if reply.status == HTTPStatus.NOT_FOUND:
        return _missing(endpoint, "database")
    if reply.status != HTTPStatus.OK:
        return failed_by(endpoint.refused(reply))
    return fine(f"{options.database} is there")


async def container(_: Context, endpoint: Endpoint) -> Finding:
    """Whether the container is there."""
    options = endpoint.options
    endpoint.container = None
    reply = await endpoint.get(container_path(options), "colls", options.link)
    if reply.status == HTTPStatus.NOT_FOUND:
        return _missing(endpoint, "container")
    if reply.status != HTTPStatus.OK:
        return failed_by(endpoint.refused(reply))
    endpoint.container = json_of(reply) or {}
    return fine(f"{options.database}/{options.container} is there")


async def partition_key(_: Context, endpoint: Endpoint) -> Finding:
    """Whether the container is partitioned as configured."""
    from sensor_tui.sync.sinks.cosmos.account import check_partition_key

    if endpoint.container is None:
        return skipped("there is no container yet")
    version = check_partition_key(endpoint.options, endpoint.container)
    if version == 1:
        return warning(
            f"{endpoint.options.partition_key}, of version 1: bulk requests cannot be used, which is slower",
            "Use a container made with a partition key of version 2",
        )
    return fine(f"{endpoint.options.partition_key}, version {version}")


async def throughput(context: Context, endpoint: Endpoint) -> Finding:
    """What the container gives a second."""
    if endpoint.container is None:
        return skipped("there is no container yet")
    reply = await endpoint.get("/offers", "offers", "")
    budget = context.settings().performance.max_ru_per_second
    held = f"; held under {budget:,.0f} by performance.max_ru_per_second" if budget else ""
    if reply.status == HTTPStatus.FORBIDDEN:
        return fine(f"not told to an Azure identity{held}")
    offers = (json_of(reply) or {}).get("Offers") if reply.status == HTTPStatus.OK else None
    if not isinstance(offers, list):
        return fine(f"serverless, or not told (answer {reply.status}){held}")
    mine = {str(endpoint.container.get("_rid")), str(endpoint.container.get("_rid"))[:_DATABASE_PART]}
    fitting = [each for each in offers if isinstance(each, dict) and str(each.get("offerResourceId")) in mine]
    contents = [content for each in fitting if isinstance(content := each.get("content"), dict)]
    if not contents:
        return fine(f"serverless: paid by the request{held}")
    content = contents[0]
    scale = content.get("offerAutopilotSettings")
    if isinstance(scale, dict) and scale.get("maxThroughput"):
        return fine(f"autoscale up to {_told(scale['maxThroughput'])} RU/s{held}")
    return fine(f"{_told(content.get('offerThroughput'))} RU/s{held}")


async def write(context: Context, endpoint: Endpoint) -> Finding:
    """A document written and deleted, only where that is asked for."""
    if not context.write:
        return skipped("not asked for: --write writes a document and deletes it again")
    if endpoint.container is None:
        return skipped("there is no container yet")
    options = endpoint.options
    document = f"{_PROBE}-{secrets.token_hex(8)}"
    body = {"id": document, options.key_field: _PROBE, "sensorId": _PROBE}
    began = context.clock.monotonic()
    reply = await endpoint.create(body, _PROBE)
    if reply.status != HTTPStatus.CREATED:
        return failed_by(endpoint.refused(reply))
    took = (context.clock.monotonic() - began) * 1000
    units = reply.headers.get("x-ms-request-charge", "?")
    deleted = await endpoint.delete(document, _PROBE)
    if deleted not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
        return warning(
            f"the document {document} was written and could not be deleted (answer {deleted})",
            f"Delete it by hand; its partition key is {_PROBE}",
        )
    return fine(f"a document was written in {took:.0f} ms for {units} RU, and deleted")


def _missing(endpoint: Endpoint, what: str) -> Finding:
    from sensor_tui.sync.sinks.cosmos import refusal

    if endpoint.options.create_if_missing:
        return warning(f"the {what} does not exist yet", "Nothing need be done: the first upload creates it")
    return failed_by(refusal.missing(endpoint.options, what))


def _told(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "an unknown number of"

"""What went wrong with an engine, in one clear line with what to do about it."""

import errno
import os
import pwd
import re
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import FleetError

if TYPE_CHECKING:
    from sensor_tui.fleet.docker_host import DockerAddress

_LONGEST: Final = 300
_NOT_TEXT: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_PORT_TAKEN: Final = re.compile(r"port is already allocated|address already in use", re.IGNORECASE)
_NO_IMAGE: Final = re.compile(r"no such image:? *(\S+)", re.IGNORECASE)
_GONE: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR, errno.ENOTSOCK, errno.EPROTOTYPE})
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


class EngineAway(FleetError):
    """The engine does not answer; what it was asked may be asked again once it does."""


class NotThere(FleetError):
    """The engine does not know what it is asked about."""


def one_line(text: object, *, longest: int = _LONGEST) -> str:
    """Somebody else's words without control characters, cut where they are too long."""
    words = _NOT_TEXT.sub(" ", str(text)).strip(" .")
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def told(error: BaseException, address: "DockerAddress", *, unit: str = "") -> FleetError:
    """The error as a person is told it; `unit` is the name of what it is about."""
    if isinstance(error, FleetError):
        return error
    refusal = _refusal(error)
    if refusal is not None:
        return _refused(*refusal, address, unit)
    return _away(error, address)


def _refusal(error: BaseException) -> tuple[int, str] | None:
    """Status and words of an answer that is a refusal."""
    # An attribute of docker.errors.APIError, which is not imported for it.
    for each in _chain(error):
        status = getattr(each, "status_code", None)
        if isinstance(status, int):
            return status, one_line(getattr(each, "explanation", None) or each)
    return None


def _refused(status: int, words: str, address: "DockerAddress", unit: str) -> FleetError:
    about = f"{unit} on {address.name}" if unit else address.name
    if "HTTP request to an HTTPS server" in words:
        return _no_tls(address, "it wants TLS")
    if found := _NO_IMAGE.search(words):
        return FleetError(
            f"{about}: the image {found.group(1)} is missing",
            fix="Make it with 'sensor-tui build --tag VERSION', or pull it",
        )
    if _PORT_TAKEN.search(words):
        return FleetError(
            f"{about}: a port it needs is taken: {words}", fix="End what uses it, or choose another port"
        )
    if status == _NOT_FOUND:
        return NotThere(f"{about}: the engine does not know it: {words}", fix="See 'sensor-tui units'")
    if status == _CONFLICT:
        return FleetError(f"{about}: the engine refuses: {words}", fix="See what else uses it, and try again")
    return FleetError(f"{about}: the engine reports: {words}", fix="'docker info' and its log may say more")


def _away(error: BaseException, address: "DockerAddress") -> EngineAway:
    chain = list(_chain(error))
    codes = {each.errno for each in chain if isinstance(each, OSError)}
    words = " ".join(str(each) for each in chain)
    if any(isinstance(each, ssl.SSLError) for each in chain) or "SSL" in words or "TLS" in words:
        return _no_tls(address, _reason(chain))
    if errno.EACCES in codes or errno.EPERM in codes:
        return EngineAway(
            f"no permission on the Docker socket {address.socket or address.url}",
            fix=f"Add {_user()} to the group 'docker' and log in again, or use sudo",
        )
    if any(isinstance(each, TimeoutError) for each in chain) or "timed out" in words:
        return EngineAway(
            f"the engine {address.url} does not answer in time", fix="See whether it hangs, and the network"
        )
    if codes & _GONE:
        start = "Start it (sudo systemctl start docker)" if address.scheme == "unix" else "Start it there"
        return EngineAway(f"no Docker engine answers at {address.url}", fix=f"{start}, or name another host")
    return EngineAway(
        f"the engine {address.url} cannot be reached: {_reason(chain)}", fix="See whether it runs"
    )


def _no_tls(address: "DockerAddress", why: str) -> EngineAway:
    return EngineAway(
        f"the engine {address.url} cannot be spoken to by TLS: {why}",
        fix="See DOCKER_CERT_PATH or the context: ca.pem, cert.pem and key.pem belong to this engine",
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it is about, and what led to it, each once."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _reason(chain: list[BaseException]) -> str:
    """The innermost words there are."""
    words = [text for each in chain if (text := one_line(each, longest=160))]
    return min(words, key=len) if words else type(chain[0]).__name__


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"

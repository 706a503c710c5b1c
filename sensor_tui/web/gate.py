"""Who may use the dashboard in a browser: the names it goes by, a token once, a cookie from then on.

A page of somebody else's may send a browser to any address, also to one that only looks like ours (a name
that was made to point at 127.0.0.1), and a browser sends its cookies to every port of a host. So every
request has to call us by a name we know, what comes from a page has to come from a page of ours, and the
cookie is worth nothing where either is wrong.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address
from typing import Final

from multidict import MultiMapping

from sensor_tui.errors import UsageError

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "[::1]", "localhost"})

SHORTEST_TOKEN: Final = 16
"""Characters; a shorter one can be guessed."""
LONGEST_TOKEN: Final = 512

_LOGINS: Final = 64
"""Browsers that are remembered; the one that came first is forgotten for one more."""

_NAME: Final = re.compile(
    r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?)(?P<port>:[0-9]{1,5})?"
)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Refused(Exception):
    """A request that is not answered, and why: one line for whoever asked."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How a request called us: a host with its port, and whether it came by TLS."""

    host: str
    secure: bool | None
    """None where no proxy said so."""


def new_token() -> str:
    """A token nobody can guess."""
    return secrets.token_urlsafe(32)


def host_name(text: str) -> str:
    """A name to allow, as browsers write it: a host with or without a port, lower case.

    Raises:
        UsageError: it is none.
    """
    name = text.strip().lower()
    if name.count(":") > 1 and not name.startswith("["):
        try:
            return f"[{IPv6Address(name)}]"
        except ValueError:
            pass
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"--allow-host {text!r} is not the name of a host",
            fix="Give what stands between // and / in the browser's address, for example sensors.example.org",
        )
    return name


class Gate:
    """Decides about requests by their headers alone. What is secret is compared by its digest."""

    def __init__(self, token: str, *, hosts: Iterable[str] = ()) -> None:
        self._token = _digest(token)
        self._hosts = LOOPBACK_NAMES | frozenset(hosts)
        self._cookies: dict[bytes, None] = {}

    def visit(self, headers: MultiMapping[str], *, from_page: bool) -> Visit:
        """Look at names; `from_page` where only a page of ours can have asked, as for a WebSocket.

        Raises:
            Refused: it called us by a name we do not go by, or comes from a page of somebody else's.
        """
        host = self._host(headers.getall("Host", []))
        secure = _secure(headers)
        origins = headers.getall("Origin", [])
        if not origins and from_page:
            raise Refused(
                "Only a page of this server may open this, and the request does not say where it is from."
            )
        if origins and not _same(origins, host, secure):
            raise Refused(
                "The request comes from a page of another server."
                " A proxy in front has to pass on the Host header as the browser sent it."
            )
        return Visit(host, secure)

    def is_token(self, given: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(_digest(given), self._token)

    def admit(self) -> str:
        """A cookie for a browser that had the token; it says nothing about the token."""
        cookie = new_token()
        while len(self._cookies) >= _LOGINS:
            del self._cookies[next(iter(self._cookies))]
        self._cookies[_digest(cookie)] = None
        return cookie

    def knows(self, cookie: str | None) -> bool:
        """Whether this cookie was given out by this server."""
        return cookie is not None and _digest(cookie) in self._cookies

    def _host(self, given: list[str]) -> str:
        host = given[0].strip().lower() if len(given) == 1 else ""
        found = _NAME.fullmatch(host)
        if found is None or not ({host, found["name"]} & self._hosts):
            raise Refused(
                "This server does not go by that name. Start it with --allow-host NAME if it should."
            )
        return host


def token_in(query: MultiMapping[str]) -> str | None:
    """The token of an address; one given twice is none at all."""
    given = query.getall("token", [])
    return None if not given else given[0] if len(given) == 1 else ""


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogatepass")).digest()


def _secure(headers: MultiMapping[str]) -> bool | None:
    """What a proxy says; who says so without one only makes its own cookie stricter."""
    said = headers.get("X-Forwarded-Proto", "").strip().lower()
    return {"https": True, "http": False}.get(said)


def _same(origins: list[str], host: str, secure: bool | None) -> bool:
    scheme, separator, rest = origins[0].strip().lower().partition("://")
    if len(origins) > 1 or not separator or scheme not in _DEFAULT_PORTS:
        return False
    if secure is not None and secure != (scheme == "https"):
        return False
    default = _DEFAULT_PORTS[scheme]
    return rest.removesuffix(default) == host.removesuffix(default)

"""HTTP to one account: signed requests over kept-alive HTTP/1.1 connections, shared with the SDK."""

import asyncio
import io
import os
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from sensor_tui import __version__
from sensor_tui.errors import ConfigError
from sensor_tui.sync.sinks.cosmos.auth import Signer
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions

API_VERSION: Final = "2020-07-15"
USER_AGENT: Final = f"sensor-tui/{__version__}"

_KEEP_ALIVE: Final = 55.0
"""Seconds a connection may idle; below what the gateway and the load balancers before it allow."""
_LOOK_SECONDS: Final = 15.0
"""A look at account, container or ranges that takes longer has failed: a person may be waiting."""
_LARGE: Final = 1024 * 1024
"""Bytes of a body from which on aiohttp wants it as a file, to write it piece by piece."""
_MAX_HEADER: Final = 64 * 1024
"""Session tokens grow with the number of ranges, past what aiohttp takes by default."""
_NO_AUTO_HEADERS: Final = ("Accept-Encoding",)
_PRIMED: Final[Mapping[str, str]] = {
    "Accept": "application/json",
    "Cache-Control": "no-cache",
    "User-Agent": USER_AGENT,
    "x-ms-version": API_VERSION,
}


class Unanswered(Exception):
    """There was no whole answer; the message is the cause in a few words."""

    def __init__(self, reason: str, *, trust: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.trust = trust
        """The certificate is what went wrong."""


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            Unanswered: it is none, so that something else than Cosmos DB answered.
        """
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise Unanswered("what answers there is not Cosmos DB")
        return found


class Connection:
    """The HTTP side of one account. Open it on the event loop that uses it."""

    def __init__(self, options: CosmosOptions, signer: Signer) -> None:
        self._options = options
        self._signer = signer
        self._account = URL(options.endpoint).with_path("/").with_query(None)
        self._write_region = self._account
        self._session: aiohttp.ClientSession | None = None
        self._look_timeout = aiohttp.ClientTimeout(
            total=min(_LOOK_SECONDS, options.read_timeout) + options.connect_timeout,
            sock_connect=options.connect_timeout,
            sock_read=min(_LOOK_SECONDS, options.read_timeout),
        )
        self._documents = URL()
        self._point_at(self._account)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections; open them first."""
        assert self._session is not None
        return self._session

    @property
    def write_region(self) -> str:
        """Host and port that documents are written to."""
        return self._write_region.authority

    async def open(self) -> None:
        """Get ready to connect; nothing is sent.

        Raises:
            ConfigError: the file of trusted authorities cannot be used.
        """
        if self._session is not None:
            return
        options = self._options
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the engine bounds what is under way
                ssl=_trust(options),
                keepalive_timeout=_KEEP_ALIVE,
                ttl_dns_cache=60,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=_proxy(self._account),
            timeout=aiohttp.ClientTimeout(
                total=options.connect_timeout + 2 * options.read_timeout,
                sock_connect=options.connect_timeout,
                sock_read=options.read_timeout,
            ),
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(
        self,
        path: str,
        kind: str,
        link: str,
        headers: Mapping[str, str] | None = None,
        *,
        account: bool = False,
    ) -> Reply:
        """GET a resource of the write region, or of the account's own endpoint.

        Raises:
            Unanswered: no whole answer.
            SinkError: no token to sign with.
        """
        base = self._account if account else self._write_region
        url = base.with_path(path, encoded=True)
        return await self._request("GET", url, await self._headers("get", kind, link, headers or {}), None)

    async def post_documents(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """POST to the documents of the container.

        Raises:
            Unanswered: no whole answer.
            SinkError: no token to sign with.
        """
        signed = await self._headers("post", "docs", self._options.link, headers)
        return await self._request("POST", self._documents, signed, body)

    async def find_write_region(self) -> Reply:
        """Read the account and point at its write region; gives the account's answer.

        Raises:
            Unanswered: no whole answer.
            SinkError: no token to sign with.
        """
        reply = await self.get("/", "", "", account=True)
        if reply.status == HTTPStatus.OK and self._options.endpoint_discovery:
            endpoint = write_endpoint(reply.json(), self._options.preferred_regions)
            self._point_at(URL(endpoint) if endpoint else self._account)
        return reply

    def _point_at(self, endpoint: URL) -> None:
        self._write_region = endpoint
        path = f"{container_path(self._options)}/docs"
        self._documents = endpoint.with_path(path, encoded=True)

    async def _headers(
        self, method: str, kind: str, link: str, headers: Mapping[str, str]
    ) -> CIMultiDict[str]:
        await self._signer.prepare()
        authorization, date = self._signer.sign(method, kind, link)
        signed = CIMultiDict(_PRIMED)
        signed.update(headers)
        signed["authorization"] = authorization
        signed["x-ms-date"] = date
        return signed

    async def _request(self, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None) -> Reply:
        limits: dict[str, Any] = {} if body is not None else {"timeout": self._look_timeout}
        try:
            async with self.session.request(
                method,
                url,
                data=io.BytesIO(body) if body is not None and len(body) > _LARGE else body,
                headers=headers,
                skip_auto_headers=_NO_AUTO_HEADERS,
                allow_redirects=False,
                **limits,
            ) as response:
                return Reply(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise unanswered(error, self._options) from error


def container_path(options: CosmosOptions) -> str:
    """Path of the container in URLs."""
    return f"/dbs/{quote(options.database, safe='')}/colls/{quote(options.container, safe='')}"


def write_endpoint(account: Mapping[str, Any], preferred: tuple[str, ...]) -> str | None:
    """Endpoint to write to, from an account's document; only accounts that write in many regions choose."""
    locations = {
        _region(str(location.get("name"))): str(location["databaseAccountEndpoint"])
        for location in account.get("writableLocations") or ()
    }
    if account.get("enableMultipleWriteLocations"):
        for name in preferred:
            if _region(name) in locations:
                return locations[_region(name)]
    return next(iter(locations.values()), None)


def _region(name: str) -> str:
    return name.replace(" ", "").lower()


def _trust(options: CosmosOptions) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if options.ca_file is not None:
        try:
            context.load_verify_locations(options.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"The file of trusted authorities {options.ca_file} cannot be used: {error}",
                fix="Give a PEM file with one or more certificates",
            ) from error
    return context


def _proxy(url: URL) -> str | None:
    host = url.host or ""
    return None if proxy_bypass(host) else getproxies().get(url.scheme)


def unanswered(error: Exception, options: CosmosOptions) -> Unanswered:
    """Why there was no answer, in our words."""
    if isinstance(error, aiohttp.ClientSSLError):
        return Unanswered(_distrust(error), trust=True)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        reason = "its name does not resolve"
    elif isinstance(error, aiohttp.ConnectionTimeoutError):
        reason = f"no connection within {options.connect_timeout:g} s"
    elif isinstance(error, TimeoutError):
        reason = "no answer in time"
    elif isinstance(error, aiohttp.ClientPayloadError):
        reason = "its answer was cut short"
    elif isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        reason = "it closed the connection"
    elif isinstance(error, OSError) and error.errno:
        reason = os.strerror(error.errno).lower()
    else:
        reason = str(error) or type(error).__name__
    return Unanswered(reason)


def _distrust(error: aiohttp.ClientSSLError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return f"its certificate is not trusted ({getattr(cause, 'verify_message', '') or cause})"
    return "it does not speak TLS as expected"

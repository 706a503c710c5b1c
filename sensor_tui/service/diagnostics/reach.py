"""The way to the Cosmos DB endpoint: its name, a connection, requests with and without a signature."""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from yarl import URL

from sensor_tui.errors import SinkError
from sensor_tui.service.cosmos_options import cosmos_options
from sensor_tui.service.diagnostics.context import Context

if TYPE_CHECKING:
    from sensor_tui.sync.sinks.cosmos.auth import Signer
    from sensor_tui.sync.sinks.cosmos.connection import Connection, Reply, Unanswered
    from sensor_tui.sync.sinks.cosmos.options import CosmosOptions

_VERSION: Final = "2020-07-15"


class _Nobody:
    """Signs nothing: for what is answered to anybody."""

    async def prepare(self) -> None:
        """Nothing to get ready."""

    def sign(self, method: str, kind: str, link: str) -> tuple[str, str]:  # noqa: ARG002 - as a Signer
        return "", formatdate(usegmt=True)

    async def close(self) -> None:
        """Nothing to let go of."""


class Endpoint:
    """The endpoint of the configuration, and connections to it while checks are made."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._options: CosmosOptions | None = None
        self._signer: Signer | None = None
        self._signed: Connection | None = None
        self._unsigned: Connection | None = None
        self.container: Mapping[str, Any] | None = None
        """What the container says of itself, once that was asked."""

    @property
    def options(self) -> "CosmosOptions":
        """How to speak to it.

        Raises:
            ConfigError: endpoint or key are missing or cannot be used.
        """
        wanted = cosmos_options(self._context.settings())
        if self._options is None:
            self._options = wanted
        return self._options

    async def anybody(self) -> "Reply":
        """What it answers to a request that nobody has signed.

        Raises:
            SinkUnreachable: nothing.
        """
        from sensor_tui.sync.sinks.cosmos.connection import Connection, Unanswered

        if self._unsigned is None:
            self._unsigned = Connection(self.options, _Nobody())
            await self._unsigned.open()
        try:
            return await self._unsigned.get("/", "", "", account=True)
        except Unanswered as error:
            raise self._unreachable(error) from error

    async def get(self, path: str, kind: str, link: str, *, account: bool = False) -> "Reply":
        """A resource, asked for with our signature.

        Raises:
            SinkError: no answer, or nothing to sign with.
        """
        from sensor_tui.sync.sinks.cosmos.connection import Unanswered

        try:
            return await (await self._signing()).get(path, kind, link, account=account)
        except Unanswered as error:
            raise self._unreachable(error) from error

    async def create(self, document: Mapping[str, Any], key: str) -> "Reply":
        """Write a document under this partition key.

        Raises:
            SinkError: no answer.
        """
        from sensor_tui.sync.sinks.cosmos.connection import Unanswered

        headers = {**_key_header(key), "Content-Type": "application/json"}
        try:
            return await (await self._signing()).post_documents(headers, orjson.dumps(document))
        except Unanswered as error:
            raise self._unreachable(error) from error

    def refused(self, reply: "Reply") -> SinkError:
        """The error for an answer that is of no use."""
        from sensor_tui.sync.sinks.cosmos import refusal
        from sensor_tui.sync.sinks.cosmos.answers import message_of, substatus_of

        return refusal.explained(
            self.options,
            reply.status,
            substatus_of(reply.headers),
            message_of(reply.body),
            headers=reply.headers,
            now=self._context.clock.now(),
        )

    async def delete(self, document: str, key: str) -> int:
        """Delete a document; the status of the answer, 0 where there is none."""
        connection = await self._signing()
        assert self._signer is not None
        authorization, date = self._signer.sign("delete", "docs", f"{self.options.link}/docs/{document}")
        scheme = urlsplit(self.options.endpoint).scheme
        path = f"{container_path(self.options)}/docs/{document}"
        url = URL(f"{scheme}://{connection.write_region}{path}", encoded=True)
        headers = {
            **_key_header(key),
            "authorization": authorization,
            "x-ms-date": date,
            "x-ms-version": _VERSION,
        }
        try:
            async with connection.session.delete(url, headers=headers) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    async def close(self) -> None:
        """Close all connections."""
        signed, unsigned, signer = self._signed, self._unsigned, self._signer
        self._signed = self._unsigned = self._signer = self._options = None
        for each in (signed, unsigned, signer):
            if each is not None:
                await each.close()

    async def _signing(self) -> "Connection":
        from sensor_tui.sync.sinks.cosmos.auth import credential_of, signer_for
        from sensor_tui.sync.sinks.cosmos.connection import Connection

        if self._signed is None:
            self._signer = signer_for(credential_of(self.options), self.options, self._context.clock)
            self._signed = Connection(self.options, self._signer)
            await self._signed.open()
            await self._signed.find_write_region()
        return self._signed

    def _unreachable(self, error: "Unanswered") -> SinkError:
        from sensor_tui.sync.sinks.cosmos import refusal

        return refusal.unreachable(self.options, error)


def container_path(options: "CosmosOptions") -> str:
    """Path of the container in URLs."""
    return f"/dbs/{quote(options.database, safe='')}/colls/{quote(options.container, safe='')}"


def json_of(reply: "Reply") -> dict[str, Any] | None:
    """The answer as a JSON object, None where it is none."""
    try:
        found = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def is_address(host: str) -> bool:
    """Whether a host is given by its number."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def proxy_of(scheme: str, host: str) -> str | None:
    """Host and port of the proxy that requests go through, None where they go straight."""
    if proxy_bypass(host):
        return None
    proxy = getproxies().get(scheme)
    return None if proxy is None else urlsplit(proxy).netloc.rpartition("@")[2] or proxy


async def shake_hands(options: "CosmosOptions", host: str, port: int) -> tuple[Mapping[str, Any], str]:
    """Connect; the certificate and the version of TLS, empty where it is not encrypted.

    Raises:
        OSError, ssl.SSLError, TimeoutError: as they come.
    """
    context: ssl.SSLContext | None = None
    if urlsplit(options.endpoint).scheme == "https":
        context = ssl.create_default_context()
        if options.ca_file is not None:
            context.load_verify_locations(options.ca_file)
    async with asyncio.timeout(options.connect_timeout):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        secured = writer.get_extra_info("ssl_object")
        if secured is None:
            return {}, ""
        return secured.getpeercert() or {}, str(secured.version())
    finally:
        writer.transport.abort()


def expiry_of(certificate: Mapping[str, Any]) -> float | None:
    """When a certificate ends, in seconds since the epoch."""
    text = certificate.get("notAfter")
    return None if text is None else float(ssl.cert_time_to_seconds(str(text)))


def _key_header(key: str) -> dict[str, str]:
    return {"x-ms-documentdb-partitionkey": orjson.dumps([key]).decode()}

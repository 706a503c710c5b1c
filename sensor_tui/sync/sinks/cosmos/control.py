"""Databases, containers and throughput, through the azure-cosmos SDK."""

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey, ThroughputProperties
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError

from sensor_tui.errors import SinkError, SinkRefused
from sensor_tui.model.clock import Clock
from sensor_tui.sync.sinks.cosmos.account import check_partition_key
from sensor_tui.sync.sinks.cosmos.answers import message_of
from sensor_tui.sync.sinks.cosmos.connection import Connection, Unanswered, unanswered
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.refusal import explained, missing, unreachable

logger = logging.getLogger(__name__)

_OPENING: Final = 60
"""Seconds that opening may take in all; creating a container can take half of it."""
_RETRIES: Final = 2
_LONGEST_WAIT: Final = 5
"""Seconds that the SDK may wait before it tries again; the engine has its own patience."""


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What opening a container has shown."""

    partition_version: int
    resource_id: str
    throughput: int | None
    """Request units a second: fixed, or the most that autoscale gives; None where it is not told."""
    notices: tuple[str, ...]


class VerifyingTransport(AioHttpTransport):  # type: ignore[misc]  # the SDK hides its type
    """Sends the SDK's requests over our own connections.

    Certificates are checked for every host; the SDK would leave that out for local ones.
    """

    async def send(self, request: Any, *, stream: bool = False, proxies: Any = None, **config: Any) -> Any:
        config["connection_verify"] = True
        config.pop("connection_cert", None)
        return await super().send(request, stream=stream, proxies=proxies, **config)


class Control:
    """The control plane of one container."""

    def __init__(self, options: CosmosOptions, connection: Connection, credential: Any, clock: Clock) -> None:
        self._options = options
        self._connection = connection
        self._credential = credential
        self._clock = clock
        self._client: CosmosClient | None = None
        _quieten()

    @property
    def container(self) -> ContainerProxy:
        """The container in the SDK's terms; connect first."""
        assert self._client is not None
        database = self._client.get_database_client(self._options.database)
        return database.get_container_client(self._options.container)

    async def connect(self) -> None:
        """Start the SDK's client on our connections.

        Raises:
            SinkUnreachable: no answer.
            SinkRefused: key or permission.
        """
        if self._client is not None:
            return
        options = self._options
        client = CosmosClient(
            options.endpoint,
            self._credential,
            transport=VerifyingTransport(session=self._connection.session, session_owner=False),
            connection_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
            retry_total=_RETRIES,
            retry_connect=1,
            retry_read=1,
            retry_backoff_max=_LONGEST_WAIT,
            preferred_locations=list(options.preferred_regions),
            enable_endpoint_discovery=options.endpoint_discovery,
            user_agent_suffix="sensor-tui",
        )
        try:
            await client.__aenter__()
        except BaseException as error:
            await client.close()
            if isinstance(error, AzureError):
                raise self.explained(error) from error
            raise
        self._client = client

    async def open(self) -> ContainerFacts:
        """Check the container, and create it and its database where they are missing and that is allowed.

        Raises:
            SinkUnreachable: no answer.
            SinkRefused: key, permission, or a container that is missing or partitioned otherwise.
        """
        try:
            async with asyncio.timeout(_OPENING):
                return await self._open()
        except TimeoutError:
            raise unreachable(self._options, Unanswered(f"not ready within {_OPENING} s")) from None

    async def _open(self) -> ContainerFacts:
        await self.connect()
        try:
            notices: list[str] = []
            properties = await self._properties()
            if properties is None:
                properties = await self._create(notices)
            return ContainerFacts(
                partition_version=check_partition_key(self._options, properties),
                resource_id=str(properties.get("_rid", "")),
                throughput=await self._throughput(),
                notices=tuple(notices),
            )
        except AzureError as error:
            raise self.explained(error) from error

    async def close(self) -> None:
        """Stop the SDK's client."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def explained(self, error: AzureError) -> SinkError:
        """An error of the SDK in our words."""
        if isinstance(error, CosmosHttpResponseError):
            return explained(
                self._options,
                int(error.status_code or 0),
                int(error.sub_status or 0),
                message_of(str(error.http_error_message or "").encode()),
                headers=error.headers,
                now=self._clock.now(),
            )
        first_line = str(error).strip().partition("\n")[0]
        if isinstance(error, ClientAuthenticationError):
            return SinkRefused(
                f"No Azure identity to sign in with: {first_line}",
                fix="Sign in (az login), or use a key (cosmos.key)",
            )
        inner = getattr(error, "inner_exception", None)
        if isinstance(inner, OSError | aiohttp.ClientError):
            return unreachable(self._options, unanswered(inner, self._options))
        return unreachable(self._options, Unanswered(first_line))

    async def _properties(self) -> dict[str, Any] | None:
        try:
            return dict(await self.container.read())
        except CosmosHttpResponseError as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def _create(self, notices: list[str]) -> dict[str, Any]:
        options = self._options
        assert self._client is not None
        database = self._client.get_database_client(options.database)
        try:
            await database.read()
        except CosmosHttpResponseError as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
            if not options.create_if_missing:
                raise missing(options, "database") from None
            await self._client.create_database_if_not_exists(options.database)
            notices.append(f"Created the database {options.database}")
        if not options.create_if_missing:
            raise missing(options, "container")
        throughput: int | ThroughputProperties | None = options.throughput
        if options.autoscale_max is not None:
            throughput = ThroughputProperties(auto_scale_max_throughput=options.autoscale_max)
        try:
            await self._create_container(throughput)
        except CosmosHttpResponseError as error:
            if throughput is None or "serverless" not in str(error).lower():
                raise
            await self._create_container(None)
            notices.append("The account is serverless: the configured throughput is ignored")
        notices.append(f"Created the container {options.container}, partitioned by {options.partition_key}")
        return dict(await self.container.read())

    async def _create_container(self, throughput: int | ThroughputProperties | None) -> None:
        assert self._client is not None
        database = self._client.get_database_client(self._options.database)
        key = PartitionKey(path=self._options.partition_key, version=2)
        try:
            if throughput is None:
                await database.create_container(self._options.container, key)
            else:
                await database.create_container(self._options.container, key, offer_throughput=throughput)
        except CosmosResourceExistsError:
            logger.debug("another client created the container at the same time")

    async def _throughput(self) -> int | None:
        try:
            offer = await self.container.get_throughput()
        except (AzureError, AttributeError, KeyError, TypeError, IndexError) as error:
            # Serverless accounts and shared throughput have none (over which the SDK stumbles), and
            # an Azure identity may not ask.
            logger.debug("the throughput of the container is not told: %s", error)
            return None
        most = offer.auto_scale_max_throughput or offer.offer_throughput
        return int(most) if most else None


def _quieten() -> None:
    """Keep the SDK's own logging, which writes whole requests, off unless someone turned it on."""
    for name in ("azure.core.pipeline.policies", "azure.cosmos"):
        sdk = logging.getLogger(name)
        if sdk.level == logging.NOTSET:
            sdk.setLevel(logging.WARNING)

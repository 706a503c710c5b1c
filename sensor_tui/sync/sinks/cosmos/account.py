"""Looks at the account and the container that change nothing, with plain requests of our own."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from sensor_tui.errors import SinkError
from sensor_tui.model.clock import Clock
from sensor_tui.sync.sinks.cosmos import refusal
from sensor_tui.sync.sinks.cosmos.answers import message_of, substatus_of
from sensor_tui.sync.sinks.cosmos.connection import Connection, Reply, Unanswered, container_path
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.single_flight import SingleFlight

logger = logging.getLogger(__name__)

_REGION_INTERVAL: Final = 5.0
"""Seconds between looks for another write region."""
_DOUBT_INTERVAL: Final = 60.0
"""Seconds between looks at the partition key while documents are refused for theirs."""


class Account:
    """What the account says of itself and of our container."""

    def __init__(self, options: CosmosOptions, connection: Connection, clock: Clock) -> None:
        self._options = options
        self._connection = connection
        self._clock = clock
        self._look_after = float("-inf")
        self._doubt_after = float("-inf")
        self._doubt = SingleFlight(self._resolve_doubt)

    async def check(self) -> None:
        """Ask the account for its write region, and point there.

        Raises:
            SinkUnreachable: no answer.
            SinkRefused: key or permission.
        """
        try:
            reply = await self._connection.find_write_region()
        except Unanswered as error:
            raise refusal.unreachable(self._options, error) from error
        if reply.status != HTTPStatus.OK:
            raise self.refused(reply)

    async def look_for_region(self) -> None:
        """As `check`, seldom, and of no consequence where it fails."""
        now = self._clock.monotonic()
        if now < self._look_after:
            return
        self._look_after = now + _REGION_INTERVAL
        try:
            await self.check()
        except SinkError as error:
            logger.debug("no other write region: %s", error)

    async def check_container(self) -> str:
        """Look whether the container is there, and partitioned as configured; gives its resource id.

        Raises:
            SinkUnreachable: no answer, or none to go by.
            SinkRefused: gone, or partitioned by another field.
        """
        try:
            reply = await self._connection.get(container_path(self._options), "colls", self._options.link)
            properties = reply.json() if reply.status == HTTPStatus.OK else None
        except Unanswered as error:
            raise refusal.unreachable(self._options, error) from error
        if properties is None:
            raise self.refused(reply)
        check_partition_key(self._options, properties)
        return str(properties.get("_rid", ""))

    async def doubt_container(self) -> None:
        """As `check_container`, but seldom once it was found right.

        For documents that are refused for their partition key: rather than bury every reading, find
        out first whether someone replaced the container.

        Raises:
            SinkUnreachable: no answer, or none to go by.
            SinkRefused: gone, or partitioned by another field.
        """
        if self._clock.monotonic() >= self._doubt_after:
            await self._doubt()

    async def close(self) -> None:
        """Stop looking."""
        await self._doubt.close()

    async def _resolve_doubt(self) -> None:
        await self.check_container()
        self._doubt_after = self._clock.monotonic() + _DOUBT_INTERVAL

    def refused(self, reply: Reply) -> SinkError:
        """The error for an answer that is none we can use."""
        return refusal.explained(
            self._options,
            reply.status,
            substatus_of(reply.headers),
            message_of(reply.body),
            headers=reply.headers,
            now=self._clock.now(),
        )


def check_partition_key(options: CosmosOptions, properties: Mapping[str, Any]) -> int:
    """Version of the container's partition key.

    Raises:
        SinkRefused: it is another field than the configured one.
    """
    partition = properties.get("partitionKey") or {}
    paths = [str(path) for path in partition.get("paths") or ()]
    if [path.replace('"', "") for path in paths] != [options.partition_key.replace('"', "")]:
        raise refusal.wrong_partition_key(options, paths)
    return int(partition.get("version") or 1)

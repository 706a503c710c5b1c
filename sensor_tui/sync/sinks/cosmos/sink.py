"""The Cosmos DB sink: one container, written in bulk, range by range."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import SinkError, SinkUnreachable
from sensor_tui.model.clock import Clock
from sensor_tui.sync.contract import (
    Answer,
    Health,
    Judgement,
    Limits,
    Parcel,
    RequestFailed,
    RequestRefused,
    Route,
    Verdict,
)
from sensor_tui.sync.sinks.cosmos import refusal
from sensor_tui.sync.sinks.cosmos.account import Account
from sensor_tui.sync.sinks.cosmos.answers import failure, is_key_mismatch, read_answer
from sensor_tui.sync.sinks.cosmos.auth import credential_of, signer_for
from sensor_tui.sync.sinks.cosmos.connection import Connection, Reply, Unanswered
from sensor_tui.sync.sinks.cosmos.hashing import Key, effective_key_v1, effective_key_v2, key_of
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.routing import RangesUnknown, Routing
from sensor_tui.sync.sinks.cosmos.single_flight import SingleFlight
from sensor_tui.sync.sinks.cosmos.wire import (
    BULK_HEADERS,
    MAX_BYTES,
    MAX_OPERATIONS,
    OVERHEAD,
    RANGE_HEADER,
    bulk_body,
    prefix_of,
)

if TYPE_CHECKING:
    from sensor_tui.sync.sinks.cosmos.control import Control
    from sensor_tui.sync.sinks.cosmos.fallback import Fallback

logger = logging.getLogger(__name__)

UNROUTED: Final = "*"
"""Lane of the keys that cannot be sent in bulk."""

_MOST_ROUTES: Final = 65_536


@contextmanager
def _as_failed_request() -> Iterator[None]:
    """No answer, as the engine wants to hear of it while a request is under way."""
    try:
        yield
    except SinkUnreachable as error:
        judgement = Judgement(Verdict.TRANSIENT, reason=error.message)
        raise RequestFailed(judgement, unreachable=True) from error


class CosmosSink:
    """Writes documents into one container. Never repeats a request: that is the engine's affair.

    Raises:
        ConfigError: a key that is no key, or no key and no package for Azure identities.
    """

    name = "cosmos"

    def __init__(self, options: CosmosOptions, clock: Clock) -> None:
        self.key_field: str | None = options.key_field
        self.limits = Limits(
            documents=MAX_OPERATIONS,
            size=MAX_BYTES,
            concurrency=options.max_concurrency_per_range,
            overhead=OVERHEAD,
        )
        self.throughput: int | None = None
        """Request units a second that the container has (the most, with autoscale); None where unknown."""
        self._options = options
        self._clock = clock
        self._credential = credential_of(options)
        self._signer = signer_for(self._credential, options, clock)
        self._connection = Connection(options, self._signer)
        self._account = Account(options, self._connection, clock)
        self._routing = Routing(options, self._connection)
        self._reroute = SingleFlight(self._renew_routes)
        self._routes: dict[object, Route] = {}
        self._partition_version = 2
        self._resource_id = ""
        self._bulk = True
        self._bulk_proven = False
        self._control: Control | None = None
        self._fallback: Fallback | None = None

    @property
    def lanes(self) -> Sequence[str]:
        """The partition key ranges, as last read."""
        return [each.id for each in self._routing.map.ranges]

    async def open(self) -> Sequence[str]:
        await self._connection.open()
        await self._account.check()
        if self._control is None:
            from sensor_tui.sync.sinks.cosmos.control import Control

            self._control = Control(self._options, self._connection, self._credential, self._clock)
        facts = await self._control.open()
        self.throughput = facts.throughput
        self._partition_version = facts.partition_version
        self._resource_id = facts.resource_id
        self._bulk, self._bulk_proven = True, False
        self._routing.forget()
        await self._refresh_ranges()
        notices = list(facts.notices)
        if self._partition_version == 1:
            notices.append(
                f"{self._options.database}/{self._options.container} is an old container (partition key "
                "version 1): documents whose key is not text are sent in transactional batches, not in bulk"
            )
        return notices

    async def close(self) -> None:
        await self._reroute.close()
        await self._account.close()
        control, self._control, self._fallback = self._control, None, None
        if control is not None:
            await control.close()
        await self._connection.close()
        await self._signer.close()

    async def health(self) -> Health:
        try:
            await self._connection.open()
            started = self._clock.monotonic()
            await self._account.check()
            await self._account.check_container()
        except SinkError as error:
            return Health(ok=False, message=str(error))
        milliseconds = (self._clock.monotonic() - started) * 1000
        where = f"{self._options.database}/{self._options.container} in {self._connection.write_region}"
        return Health(ok=True, message=f"{where} answers in {milliseconds:.0f} ms")

    def route(self, key: object) -> Route:
        known: object = key
        if key.__class__ is not str:
            key = key_of(key)
            known = (key.__class__, key)
        return self._routes.get(known) or self._new_route(known, key_of(key))

    async def reroute(self) -> None:
        """Ask anew where keys go; concurrent calls are one. The routes known stay where this fails.

        Raises:
            RequestFailed: no answer, or none to go by; try again later.
            SinkRefused: the container is gone, or another one.
        """
        with _as_failed_request():
            await self._reroute()

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        with _as_failed_request():
            return await self._send(lane, parcels)

    async def _send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        if lane == UNROUTED:
            return await self._by_sdk(lambda fallback: fallback.send(parcels))
        if not self._bulk:
            raise RequestFailed(Judgement(Verdict.MOVED, reason="bulk is not used any more"))
        body = bulk_body(parcels)
        count = sum(len(parcel.bodies) for parcel in parcels)
        try:
            reply = await self._connection.post_documents({**BULK_HEADERS, RANGE_HEADER: lane}, body)
        except Unanswered as error:
            reason = f"{self._connection.write_region}: {error.reason}"
            await self._account.look_for_region()
            raise RequestFailed(Judgement(Verdict.TRANSIENT, reason=reason), unreachable=True) from error
        if reply.status not in {200, 207}:
            return await self._failed(reply, parcels, count)
        answer = read_answer(reply.body, reply.headers, count, len(body))
        self._bulk_proven = True
        if answer.exceptions and any(map(is_key_mismatch, answer.exceptions.values())):
            await self._account.doubt_container()
        return answer

    async def _failed(self, reply: Reply, parcels: Sequence[Parcel], count: int) -> Answer:
        """What a whole request that was answered with an error comes to."""
        error = failure(reply.status, reply.headers, reply.body)
        if error is None:
            raise self._account.refused(reply)
        if reply.status == HTTPStatus.FORBIDDEN:
            await self._account.look_for_region()
        if isinstance(error, RequestRefused) and count == 1:
            (body,) = (body for parcel in parcels for body in parcel.bodies)
            return await self._send_alone(body, error)
        raise error

    async def _send_alone(self, body: bytes, error: RequestRefused) -> Answer:
        """Tell a document that is bad from an account that takes no bulk requests: create it without."""
        answer = await self._by_sdk(lambda fallback: fallback.create(body))
        if (
            not answer.exceptions
            and not self._bulk_proven
            and error.code != HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        ):
            self._bulk = False
            self._routes.clear()
            logger.warning(
                "%s takes no bulk requests (%s): transactional batches are sent instead, which is slower",
                self._options.host,
                error.reason,
            )
        return answer

    async def _by_sdk(self, work: "Callable[[Fallback], Awaitable[Answer]]") -> Answer:
        from azure.core.exceptions import AzureError

        assert self._control is not None
        if self._fallback is None:
            from sensor_tui.sync.sinks.cosmos.fallback import Fallback

            self._fallback = Fallback(self._control.container)
        try:
            return await work(self._fallback)
        except AzureError as error:
            raise self._control.explained(error) from error

    def _new_route(self, known: object, key: Key) -> Route:
        if self._bulk and self._partition_version != 1:
            route = Route(self._routing.map.find(effective_key_v2(key)), prefix_of(key), key)
        elif self._bulk and isinstance(key, str):
            route = Route(self._routing.map.find(effective_key_v1(key)), prefix_of(key), key)
        else:
            route = Route(UNROUTED, key=key)
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._routes[known] = route
        return route

    async def _renew_routes(self) -> None:
        resource_id = await self._account.check_container()
        if resource_id != self._resource_id:
            self._resource_id = resource_id
            self._routing.forget()
        await self._refresh_ranges()

    async def _refresh_ranges(self) -> None:
        try:
            await self._routing.refresh()
        except RangesUnknown as error:
            if error.reply is not None:
                raise self._account.refused(error.reply) from error
            raise refusal.unreachable(self._options, Unanswered(error.reason)) from error
        self._routes.clear()

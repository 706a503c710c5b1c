"""Deletions as a sink takes them: documents of one container, by id and key, in bulk, range by range."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson

from sensor_tui.errors import SinkError, SinkRefused, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.sync.contract import Answer, Judgement, Parcel, RequestFailed, RequestRefused, Route, Verdict
from sensor_tui.sync.sinks.cosmos.answers import (
    DELETE,
    charge_of,
    failure,
    message_of,
    read_answer,
    substatus_of,
)
from sensor_tui.sync.sinks.cosmos.connection import Reply, Unanswered
from sensor_tui.sync.sinks.cosmos.delete_alone import OTHER_CONTAINER, Singly
from sensor_tui.sync.sinks.cosmos.hashing import Key, effective_key_v1, effective_key_v2, key_of
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.refusal import unreachable
from sensor_tui.sync.sinks.cosmos.sink import UNROUTED, CosmosSink
from sensor_tui.sync.sinks.cosmos.wire import (
    BULK_HEADERS,
    INTENDED_HEADER,
    QUERY_HEADERS,
    RANGE_HEADER,
    bulk_body,
    delete_prefix_of,
)

logger = logging.getLogger(__name__)

MOST_ROWS: Final = 1000
"""Results in one page of a query."""


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """What the account calls itself, and the container's own resource id, which no other one has."""

    account: str
    resource_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Some results of a query to one range, and where it goes on; empty where that is the end."""

    rows: list[Any]
    continuation: str
    cost: float
    size: int
    """Bytes of the answer."""


class DeleteSink(CosmosSink):
    """Deletes from one container, which it never creates, and reads what there is to delete.

    The bodies of its parcels are ids as JSON. Account and container are held by their ids from `open` on,
    or are those given: another container of the same name is refused, whatever it holds.

    Raises:
        ConfigError: as `CosmosSink`.
    """

    def __init__(self, options: CosmosOptions, clock: Clock, held: Identity | None = None) -> None:
        super().__init__(dataclasses.replace(options, create_if_missing=False), clock)
        self.identity = held
        """Which account and container these are; known once opened."""
        self.refusal: SinkError | None = None
        """Why nothing goes out any more until it is opened again: nobody waits for the account to relent."""

    @property
    def where(self) -> str:
        """Database and container, for messages."""
        return f"{self._options.database}/{self._options.container}"

    async def open(self) -> Sequence[str]:
        self.refusal = None
        try:
            notices = await super().open()
        except SinkRefused as error:
            if "create_if_missing" in error.fix:  # advice for who wants to write there
                fix = "Check the names: cosmos.database and cosmos.container, --database, --container"
                raise SinkRefused(error.message, fix=fix) from error
            raise
        account, _ = await self.account()
        found = Identity(account, self._resource_id)
        if self.identity is None:
            self.identity = found
        elif found != self.identity:
            raise self._replaced()
        return notices

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        if self.refusal is None:
            try:
                return await super().send(lane, parcels)
            except SinkRefused as error:
                self.refusal = error
        raise self._ended()

    async def reroute(self) -> None:
        if self.refusal is None:
            try:
                await super().reroute()
            except SinkRefused as error:
                self.refusal = error
            else:
                return
        raise self._ended()

    def _ended(self) -> RequestFailed:
        assert self.refusal is not None
        return RequestFailed(Judgement(Verdict.TRANSIENT, reason=self.refusal.message))

    async def account(self) -> tuple[str, str]:
        """What the account calls itself, and its time as it writes it (RFC 1123).

        Raises:
            SinkUnreachable: no answer.
            SinkRefused: key or permission.
        """
        try:
            reply = await self._connection.find_write_region()
            if reply.status != HTTPStatus.OK:
                raise self._account.refused(reply)
            return str(reply.json().get("id", "")), reply.headers.get("date", "")
        except Unanswered as error:
            raise unreachable(self._options, error) from error

    async def check(self) -> None:
        """Look whether the container is still the one that was opened.

        Raises:
            SinkUnreachable: no answer.
            SinkRefused: it is gone, or another one has its name.
        """
        if await self._account.check_container() != self._resource_id:
            raise self._replaced()

    def range_of(self, key: object) -> str | None:
        """The range that a key lies in, None where that is not certain."""
        found = key_of(key)
        if self._partition_version != 1:
            return self._routing.map.find(effective_key_v2(found))
        return self._routing.map.find(effective_key_v1(found)) if isinstance(found, str) else None

    async def page(
        self, range_id: str, query: Mapping[str, Any], *, most: int = MOST_ROWS, continuation: str = ""
    ) -> Page:
        """One page of a query, `{"query": …, "parameters": […]}`, to one range.

        Raises:
            RequestFailed: not now, or not there any more (moved).
            SinkRefused: the account refuses us.
            UsageError: the query is not understood.
        """
        headers = {
            **QUERY_HEADERS,
            RANGE_HEADER: range_id,
            INTENDED_HEADER: self._resource_id,
            "x-ms-max-item-count": str(most),
        }
        if continuation:
            headers["x-ms-continuation"] = continuation
        try:
            reply = await self._connection.post_documents(headers, orjson.dumps(query))
        except Unanswered as error:
            reason = f"{self._connection.write_region}: {error.reason}"
            raise RequestFailed(Judgement(Verdict.TRANSIENT, reason=reason), unreachable=True) from error
        if reply.status == HTTPStatus.OK:
            return _page(reply)
        raise self._query_failed(reply)

    def _query_failed(self, reply: Reply) -> Exception:
        if self._is_other(reply):
            return self._replaced()
        error = failure(reply.status, reply.headers, reply.body)
        if error is None:
            return self._account.refused(reply)
        if isinstance(error, RequestRefused):
            return UsageError(
                f"Cosmos DB does not understand the condition: {error.reason}", fix="Mend --filter"
            )
        return error

    async def _send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        if lane == UNROUTED:
            return await self._singly().send(parcels)
        if not self._bulk:
            raise RequestFailed(Judgement(Verdict.MOVED, reason="bulk is not used any more"))
        body = bulk_body(parcels)
        count = sum(len(parcel.bodies) for parcel in parcels)
        headers = {**BULK_HEADERS, RANGE_HEADER: lane, INTENDED_HEADER: self._resource_id}
        try:
            reply = await self._connection.post_documents(headers, body)
        except Unanswered as error:
            reason = f"{self._connection.write_region}: {error.reason}"
            await self._account.look_for_region()
            raise RequestFailed(Judgement(Verdict.TRANSIENT, reason=reason), unreachable=True) from error
        if reply.status not in {HTTPStatus.OK, HTTPStatus.MULTI_STATUS}:
            return await self._failed(reply, parcels, count)
        answer = read_answer(reply.body, reply.headers, count, len(body), DELETE)
        self._bulk_proven = True
        return answer

    async def _failed(self, reply: Reply, parcels: Sequence[Parcel], count: int) -> Answer:
        if self._is_other(reply):
            raise self._replaced()
        error = failure(reply.status, reply.headers, reply.body)
        if isinstance(error, RequestRefused) and count == 1:
            answer = await self._singly().send(parcels)
            if not answer.exceptions and self._bulk and not self._bulk_proven:
                self._bulk = False
                self._routes.clear()
                logger.warning(
                    "%s takes no bulk requests (%s): documents are deleted in transactional batches instead, "
                    "which is slower",
                    self._options.host,
                    error.reason,
                )
            return answer
        return await super()._failed(reply, parcels, count)

    def _singly(self) -> Singly:
        return Singly(self._options, self._connection, self._signer, self._resource_id, self._explained)

    def _explained(self, reply: Reply) -> SinkError:
        return self._replaced() if self._is_other(reply) else self._account.refused(reply)

    def _new_route(self, known: object, key: Key) -> Route:
        route = super()._new_route(known, key)
        if route.lane != UNROUTED:
            route = self._routes[known] = Route(route.lane, delete_prefix_of(key), key)
        return route

    async def _renew_routes(self) -> None:
        await self.check()
        await self._refresh_ranges()

    def _is_other(self, reply: Reply) -> bool:
        return reply.status == HTTPStatus.BAD_REQUEST and substatus_of(reply.headers) == OTHER_CONTAINER

    def _replaced(self) -> SinkRefused:
        return SinkRefused(
            f"The container {self.where} in {self._options.host} is not the one it was at the start: "
            "somebody deleted it and made another one of that name",
            fix="The new one was left alone; run it again if its documents are to go too",
        )


def _page(reply: Reply) -> Page:
    try:
        rows = orjson.loads(reply.body)["Documents"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        rows = None
    if not isinstance(rows, list):
        reason = f"it answered a query with what is no page ({message_of(reply.body) or 'unreadable'})"
        raise RequestFailed(Judgement(Verdict.TRANSIENT, reason=reason), unreachable=True)
    return Page(rows, reply.headers.get("x-ms-continuation", ""), charge_of(reply.headers), len(reply.body))

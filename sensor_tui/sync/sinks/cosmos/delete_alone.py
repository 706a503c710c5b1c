"""Where bulk cannot be used: deletions in transactional batches of one key, or one by one.

A batch is atomic. Where one of its documents is gone already, or the account takes no batches, each is
deleted on its own. All of it is ours rather than the SDK's, which goes on in another container of the
same name once somebody has replaced the one that is meant.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp
import orjson
from yarl import URL

from sensor_tui.errors import SinkError
from sensor_tui.sync.contract import (
    Answer,
    Judgement,
    Missing,
    Parcel,
    RequestFailed,
    RequestRefused,
    Verdict,
)
from sensor_tui.sync.sinks.cosmos.answers import charge_of, failure, substatus_of
from sensor_tui.sync.sinks.cosmos.auth import Signer
from sensor_tui.sync.sinks.cosmos.connection import (
    API_VERSION,
    USER_AGENT,
    Connection,
    Reply,
    Unanswered,
    container_path,
)
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.wire import BATCH_HEADERS, INTENDED_HEADER, KEY_HEADER

_AT_ONCE: Final = 8
"""Documents or batches of one request that are under way together."""
_NO_CONTAINER: Final = 1003
"""404: it is the container that is not there, not the document."""
OTHER_CONTAINER: Final = 1024
"""400: the container of this name is not the one that is meant."""


class Singly:
    """Deletes what one request was to delete; `explain` says what an answer means that refuses us."""

    def __init__(
        self,
        options: CosmosOptions,
        connection: Connection,
        signer: Signer,
        resource_id: str,
        explain: Callable[[Reply], SinkError],
    ) -> None:
        self._options = options
        self._connection = connection
        self._signer = signer
        self._resource_id = resource_id
        self._explain = explain
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def send(self, parcels: Sequence[Parcel]) -> Answer:
        """Delete the documents of several keys.

        Raises:
            RequestFailed: no answer at all.
            SinkRefused: the account refuses us.
        """
        answers = await asyncio.gather(*map(self._parcel, parcels), return_exceptions=True)
        cost, before, start = 0.0, 0, 0
        exceptions: dict[int, Judgement] = {}
        for parcel, answer in zip(parcels, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            cost += answer.cost
            before += answer.already_there
            exceptions |= {start + at: judgement for at, judgement in (answer.exceptions or {}).items()}
            start += len(parcel.bodies)
        size = sum(parcel.size for parcel in parcels)
        return Answer(cost, before, exceptions or None, bytes_sent=size)

    async def _parcel(self, parcel: Parcel) -> Answer:
        cost = 0.0
        if len(parcel.bodies) > 1:
            reply = await self._batch(parcel)
            cost = charge_of(reply.headers)
            if reply.status == HTTPStatus.OK and _all_done(reply, len(parcel.bodies)):
                return Answer(cost)
            if reply.status not in {HTTPStatus.OK, HTTPStatus.MULTI_STATUS}:
                error = failure(reply.status, reply.headers, reply.body)
                if error is None and reply.status != HTTPStatus.NOT_FOUND:
                    raise self._explain(reply)
                if isinstance(error, RequestFailed):
                    whole = dict.fromkeys(range(len(parcel.bodies)), _here(error.judgement))
                    return Answer(cost, exceptions=whole)
        return await self._one_by_one(parcel, cost)

    async def _one_by_one(self, parcel: Parcel, cost: float) -> Answer:
        outcomes = await asyncio.gather(
            *(self._document(parcel.route.key, body) for body in parcel.bodies), return_exceptions=True
        )
        exceptions: dict[int, Judgement] = {}
        before = 0
        for at, outcome in enumerate(outcomes):
            if isinstance(outcome, BaseException):
                raise outcome
            charge, judgement, gone = outcome
            cost += charge
            before += gone
            if judgement is not None:
                exceptions[at] = judgement
        return Answer(cost, before, exceptions or None)

    async def _batch(self, parcel: Parcel) -> Reply:
        headers = {**BATCH_HEADERS, KEY_HEADER: _header(parcel.route.key), INTENDED_HEADER: self._resource_id}
        body = b'[{"operationType":"Delete","id":' + b'},{"operationType":"Delete","id":'.join(parcel.bodies)
        async with self._slots:
            try:
                return await self._connection.post_documents(headers, body + b"}]")
            except Unanswered as error:
                raise _lost(error.reason) from error

    async def _document(self, key: object, body: bytes) -> tuple[float, Judgement | None, bool]:
        """Delete one; what it cost, why not, and whether it was gone already."""
        async with self._slots:
            reply = await self._delete(key, str(orjson.loads(body)))
        cost = charge_of(reply.headers)
        if reply.status == HTTPStatus.NO_CONTENT:
            return cost, None, False
        if reply.status == HTTPStatus.NOT_FOUND and substatus_of(reply.headers) != _NO_CONTAINER:
            return cost, None, True
        error = failure(reply.status, reply.headers, reply.body)
        if isinstance(error, RequestFailed):
            return cost, _here(error.judgement), False
        if isinstance(error, RequestRefused) and substatus_of(reply.headers) != OTHER_CONTAINER:
            return cost, Judgement(Verdict.REJECTED, code=error.code, reason=error.reason), False
        raise self._explain(reply)

    async def _delete(self, key: object, document_id: str) -> Reply:
        options = self._options
        scheme = urlsplit(options.endpoint).scheme
        path = f"{container_path(options)}/docs/{quote(document_id, safe='')}"
        url = URL(f"{scheme}://{self._connection.write_region}{path}", encoded=True)
        await self._signer.prepare()
        authorization, date = self._signer.sign("delete", "docs", f"{options.link}/docs/{document_id}")
        headers = {
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "authorization": authorization,
            "x-ms-date": date,
            "x-ms-version": API_VERSION,
            KEY_HEADER: _header(key),
            INTENDED_HEADER: self._resource_id,
        }
        try:
            async with self._connection.session.delete(
                url, headers=headers, allow_redirects=False
            ) as response:
                return Reply(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise _lost(str(error) or type(error).__name__) from error


def _all_done(reply: Reply, count: int) -> bool:
    try:
        codes = [result["statusCode"] for result in orjson.loads(reply.body)]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return False
    return codes == [HTTPStatus.NO_CONTENT] * count


def _header(key: object) -> str:
    """A partition key as a header, which holds ASCII only."""
    return json.dumps([{} if isinstance(key, Missing) else key])


def _here(judgement: Judgement) -> Judgement:
    """There is no range of ours to renew: the service finds the right one by the key."""
    if judgement.verdict is not Verdict.MOVED:
        return judgement
    return Judgement(Verdict.TRANSIENT, code=judgement.code, reason=judgement.reason)


def _lost(reason: str) -> RequestFailed:
    return RequestFailed(Judgement(Verdict.TRANSIENT, reason=reason), unreachable=True)

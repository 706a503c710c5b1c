"""Where bulk cannot be used: the SDK's transactional batch, one logical key at a time.

A batch is atomic. Where one of its documents fails (one that is already there is enough), each is
created on its own.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from azure.core.exceptions import AzureError
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError
from azure.cosmos.partition_key import NonePartitionKeyValue, NullPartitionKeyValue

from sensor_tui.sync.contract import MISSING, Answer, Judgement, Parcel, RequestFailed, Verdict
from sensor_tui.sync.sinks.cosmos.answers import judge, message_of

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy

_AT_ONCE: Final = 8
"""Documents or batches of one request that are under way together."""
_CHARGE: Final = "x-ms-request-charge"


class Fallback:
    """Sends parcels by the keys of their routes."""

    def __init__(self, container: "ContainerProxy") -> None:
        self._container = container

    async def send(self, parcels: Sequence[Parcel]) -> Answer:
        """Send parcels of several keys.

        Raises:
            RequestFailed: no answer at all.
            CosmosHttpResponseError: the account refuses us (401, 403, 404).
        """
        slots = asyncio.Semaphore(_AT_ONCE)
        answers = await _all(self._parcel(parcel, slots) for parcel in parcels)
        exceptions: dict[int, Judgement] = {}
        start = 0
        for parcel, answer in zip(parcels, answers, strict=True):
            exceptions.update(
                {start + index: judgement for index, judgement in (answer.exceptions or {}).items()}
            )
            start += len(parcel.bodies)
        return Answer(
            cost=sum(answer.cost for answer in answers),
            already_there=sum(answer.already_there for answer in answers),
            exceptions=exceptions or None,
            bytes_sent=sum(parcel.size for parcel in parcels),
        )

    async def create(self, body: bytes) -> Answer:
        """Create one document.

        Raises:
            RequestFailed: no answer.
            CosmosHttpResponseError: the account refuses us (401, 403, 404).
        """
        try:
            created = await self._container.create_item(
                orjson.loads(body), enable_automatic_id_generation=False, no_response=True
            )
        except CosmosHttpResponseError as error:
            if error.status_code == HTTPStatus.CONFLICT:
                return Answer(cost=_charge(error.headers), already_there=1)
            return Answer(cost=_charge(error.headers), exceptions={0: _judged(error)})
        except AzureError as error:
            raise _unanswered(error) from error
        return Answer(cost=_charge(created.get_response_headers()))

    async def _parcel(self, parcel: Parcel, slots: asyncio.Semaphore) -> Answer:
        operations = [("create", (orjson.loads(body),)) for body in parcel.bodies]
        async with slots:
            try:
                results = await self._container.execute_item_batch(operations, _key(parcel.route.key))
            except CosmosBatchOperationError as error:
                cost = _charge(error.headers)
            except CosmosHttpResponseError as error:
                judgement = _judged(error)
                if judgement.verdict is not Verdict.REJECTED:
                    return Answer(
                        cost=_charge(error.headers),
                        exceptions=dict.fromkeys(range(len(operations)), judgement),
                    )
                cost = _charge(error.headers)
            except AzureError as error:
                raise _unanswered(error) from error
            else:
                return Answer(cost=_charge(results.get_response_headers()))
        return await self._singly(parcel, slots, cost)

    async def _singly(self, parcel: Parcel, slots: asyncio.Semaphore, cost: float) -> Answer:
        async def create(body: bytes) -> Answer:
            async with slots:
                return await self.create(body)

        answers = await _all(map(create, parcel.bodies))
        return Answer(
            cost=cost + sum(answer.cost for answer in answers),
            already_there=sum(answer.already_there for answer in answers),
            exceptions={
                index: answer.exceptions[0] for index, answer in enumerate(answers) if answer.exceptions
            },
        )


async def _all(work: Iterable[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """Every answer, or the first error once nothing is under way any more."""
    answers = []
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        answers.append(outcome)
    return answers


def _judged(error: CosmosHttpResponseError) -> Judgement:
    """Judgement on one document or batch; raises what is about us rather than about it."""
    status, substatus = int(error.status_code or 0), int(error.sub_status or 0)
    try:
        delay = float(error.headers.get("x-ms-retry-after-ms") or 0) / 1000
    except ValueError:
        delay = 0.0
    message = message_of(str(error.http_error_message or "").encode())
    judgement = judge(status, substatus, delay=delay, message=message)
    assert judgement is not None
    if judgement.verdict is Verdict.REJECTED and status in {401, 403, 404}:
        raise error
    if judgement.verdict is Verdict.MOVED:
        # The SDK routes by itself; there is no range of ours to renew.
        return Judgement(Verdict.TRANSIENT, code=status, reason=judgement.reason)
    return judgement


def _unanswered(error: AzureError) -> RequestFailed:
    reason = str(error).strip().partition("\n")[0]
    return RequestFailed(Judgement(Verdict.TRANSIENT, reason=reason), unreachable=True)


def _key(key: object) -> Any:
    """A key in the SDK's terms."""
    if key is None:
        return NullPartitionKeyValue
    return NonePartitionKeyValue if key is MISSING else key


def _charge(headers: Any) -> float:
    try:
        return float(headers[_CHARGE])
    except (KeyError, TypeError, ValueError):
        return 0.0

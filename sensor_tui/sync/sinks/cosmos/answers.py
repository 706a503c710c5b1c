"""What Cosmos DB's answers to a bulk request mean, operation by operation and as a whole.

Status and sub-status codes as the .NET, Java and JavaScript SDKs treat them; where those leave an
operation unretried that may succeed later (449, 408, 503), it is retried here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson

from sensor_tui.sync.contract import Answer, Judgement, RequestFailed, RequestRefused, Verdict

_CHARGE: Final = "x-ms-request-charge"
_SUBSTATUS: Final = "x-ms-substatus"
_RETRY_AFTER: Final = "x-ms-retry-after-ms"

_SUCCESS: Final = 2
"""First digit of a status that means success."""
_TRANSIENT: Final = frozenset({(403, 3), (403, 1008), (404, 1002), (413, 3402)})
"""Refusals that pass: the region does not write any more, does not know the account any more, has a
replica that lags behind, and an answer (not a request) that would be too large."""
_KEY_MISMATCH: Final = 1001
"""400: the partition key of the request is not what the container reads in the document."""

_MEANINGS: Final = {
    400: "the document is not accepted",
    403: "writing this document is forbidden",
    404: "not found",
    412: "a precondition failed",
    413: "the document is too large",
}
_LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of operation is answered with where it is done, and where there is nothing to do."""

    done: int
    before: int


CREATE: Final = Kind(HTTPStatus.CREATED, HTTPStatus.CONFLICT)
DELETE: Final = Kind(HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)


def read_answer(
    body: bytes, headers: Mapping[str, str], count: int, sent: int, kind: Kind = CREATE
) -> Answer:
    """Answer of a bulk request with `count` operations of a kind, for which `sent` bytes went out.

    Raises:
        RequestFailed: the body is not one result per operation; what was carried out is unknown.
    """
    try:
        results = orjson.loads(body)
        codes = [result["statusCode"] for result in results]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        raise _unreadable("its answer cannot be read") from None
    if len(codes) != count:
        raise _unreadable(f"it answered {len(codes)} of {count} operations")
    already_there = codes.count(kind.before)
    exceptions: dict[int, Judgement] | None = None
    doubtful = already_there if kind.before == HTTPStatus.NOT_FOUND else 0
    if doubtful or codes.count(kind.done) + already_there != count:
        exceptions = _exceptions(results, _milliseconds(headers), kind)
        if exceptions:
            already_there -= sum(codes[index] == kind.before for index in exceptions)
    return Answer(
        cost=charge_of(headers, results),
        already_there=already_there,
        exceptions=exceptions,
        bytes_sent=sent,
    )


def judge(status: int, substatus: int = 0, *, delay: float = 0.0, message: str = "") -> Judgement | None:
    """Judgement on one create that was answered with a status; None where it is accepted.

    `delay` is what the server asked for, in seconds.
    """
    if status // 100 == _SUCCESS or status == HTTPStatus.CONFLICT:
        return None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Judgement(Verdict.THROTTLED, delay=delay, code=status)
    if status == HTTPStatus.GONE:
        return Judgement(Verdict.MOVED, code=status, reason=reason_of(status, substatus, message))
    transient = (
        status in {408, 424, 449}
        or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED)
        or (status, substatus) in _TRANSIENT
    )
    verdict = Verdict.TRANSIENT if transient else Verdict.REJECTED
    return Judgement(verdict, delay=delay, code=status, reason=reason_of(status, substatus, message))


def failure(status: int, headers: Mapping[str, str], body: bytes) -> RequestFailed | RequestRefused | None:
    """What a whole request came to that was answered with an error.

    None where the sink refuses us altogether (401, 403, 404), which takes more than a status to tell.
    """
    substatus = substatus_of(headers)
    judgement = judge(status, substatus, delay=_milliseconds(headers), message=message_of(body))
    if judgement is None:
        return _unreadable(f"it answered {status} to a bulk request")
    if judgement.verdict is not Verdict.REJECTED:
        return RequestFailed(judgement, cost=charge_of(headers))
    if status in {401, 403, 404}:
        return None
    return RequestRefused(status, judgement.reason)


def is_key_mismatch(judgement: Judgement) -> bool:
    """Whether a document was refused because the container reads another partition key in it."""
    return judgement.code == HTTPStatus.BAD_REQUEST and judgement.reason.startswith(f"400/{_KEY_MISMATCH}")


def message_of(body: bytes) -> str:
    """What the body of an error says, in one line; empty where it says nothing."""
    try:
        message = orjson.loads(body)["message"]
    except (orjson.JSONDecodeError, TypeError, KeyError, IndexError):
        return ""
    return plain(str(message))


def plain(message: str) -> str:
    """The first line of a message, without the JSON that the service likes to wrap it in."""
    line = message.strip().partition("\n")[0].strip().removeprefix("Message: ")
    try:
        inner = orjson.loads(line)
        (found, *_) = inner.get("errors") or inner["Errors"]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return line
    return str(found["message"] if isinstance(found, dict) and "message" in found else found)


def substatus_of(headers: Mapping[str, str]) -> int:
    """The sub-status of an answer; 0 where there is none."""
    value = headers.get(_SUBSTATUS, "")
    return int(value) if value.isdecimal() else 0


def reason_of(status: int, substatus: int, message: str) -> str:
    """One line: code, sub-status where there is one, and what it means."""
    code = f"{status}/{substatus}" if substatus else str(status)
    meaning = message or _MEANINGS.get(status, "")
    return (f"{code}: {meaning}" if meaning else code)[:_LONGEST_REASON]


def _exceptions(
    results: Sequence[Mapping[str, Any]], least_delay: float, kind: Kind
) -> dict[int, Judgement] | None:
    found: dict[int, Judgement] = {}
    for index, result in enumerate(results):
        status = result["statusCode"]
        passing = (status, result.get("subStatusCode") or 0) in _TRANSIENT
        if status == kind.done or (status == kind.before and not passing):
            continue
        asked = (result.get("retryAfterMilliseconds") or 0) / 1000
        judgement = judge(
            status,
            result.get("subStatusCode") or 0,
            delay=max(asked, least_delay) if status == HTTPStatus.TOO_MANY_REQUESTS else asked,
            message=_operation_message(result),
        )
        if judgement is not None:
            found[index] = judgement
    return found or None


def _operation_message(result: Mapping[str, Any]) -> str:
    message = result.get("message")
    if message is None and isinstance(inner := result.get("resourceBody"), dict):
        message = inner.get("message")
    return plain(str(message or ""))


def charge_of(headers: Mapping[str, str], results: Sequence[Mapping[str, Any]] = ()) -> float:
    """Request units of an answer, as its head or else its results say."""
    try:
        return float(headers[_CHARGE])
    except (KeyError, ValueError):
        return sum(result.get("requestCharge") or 0.0 for result in results)


def _milliseconds(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers[_RETRY_AFTER])) / 1000
    except (KeyError, ValueError):
        return 0.0


def _unreadable(reason: str) -> RequestFailed:
    return RequestFailed(Judgement(Verdict.TRANSIENT, reason=reason), unreachable=True)

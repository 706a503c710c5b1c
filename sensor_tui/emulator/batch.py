"""Many operations in one request: bulk (each on its own) and transactional batch (all or none)."""

from typing import Any

import orjson

from sensor_tui.emulator.answers import (
    JSON,
    SUBSTATUS_RANGE_GONE,
    SUBSTATUS_THROTTLED,
    THROTTLED,
    TOO_LARGE,
    Answer,
    CosmosError,
    bad_request,
    range_gone,
    throttled,
)
from sensor_tui.emulator.budget import Meter
from sensor_tui.emulator.catalog import Container, Json, Range
from sensor_tui.emulator.operations import Key, Operation, Outcome, Writer, parse_key
from sensor_tui.emulator.requests import Request
from sensor_tui.emulator.store import Store

MAX_OPERATIONS = 100
MAX_REQUEST = 2 * 1024 * 1024
MAX_RESPONSE = 4 * 1024 * 1024
_WRITES = frozenset({"Create", "Upsert", "Replace", "Patch"})
_KINDS = frozenset({"Create", "Upsert", "Replace", "Patch", "Read", "Delete"})
FAILED_DEPENDENCY = 424
TOO_MANY = 429
OK, MULTI_STATUS = 200, 207


def operations_of(request: Request) -> list[Json]:
    """The operations of a batch or bulk request.

    Raises:
        CosmosError: 413 over 2 MB, 400 for more than 100, none, or anything that is not a list of objects.
    """
    if len(request.body) > MAX_REQUEST:
        raise CosmosError(413, TOO_LARGE)
    operations = request.json()
    if not isinstance(operations, list) or not operations:
        raise bad_request("The batch request must be a JSON array of operations, and hold at least one")
    if len(operations) > MAX_OPERATIONS:
        raise bad_request(
            f"The batch request contains {len(operations)} operations, more than the {MAX_OPERATIONS} allowed"
        )
    for operation in operations:
        if type(operation) is not dict or _kind(operation) not in _KINDS:
            raise bad_request(
                "One of the specified inputs is invalid: a batch operation needs a known operationType"
            )
    return operations


def _kind(operation: Json) -> str:
    kind = operation.get("operationType")
    return kind if isinstance(kind, str) else ""


def _operation(given: Json, key: Key) -> Operation:
    return Operation(
        given["operationType"],
        key,
        given.get("id"),
        given.get("resourceBody"),
        given.get("ifMatch"),
        given.get("ifNoneMatch"),
    )


def bulk(store: Store, container: Container, one: Range, meter: Meter, request: Request) -> Answer:
    """Do each operation on its own, in order, and answer each.

    An operation for a key of another range gets 410/1002; once the budget of the second is used up the rest
    get 429, and where nothing fitted, the whole request.

    Raises:
        CosmosError: the whole request is wrong, or nothing fitted.
    """
    operations = operations_of(request)
    writer = Writer(store, container, one, meter.admit, now=request.now, defer=True)
    outcomes: list[Outcome] = []
    full = False
    minimum, maximum, version = one.minimum, one.maximum, container.version
    with store.transaction():
        for position, given in enumerate(operations):
            text = given.get("partitionKey")
            if full or position in request.fault_operations:
                meter.refuse()
                outcome = Outcome(TOO_MANY, substatus=SUBSTATUS_THROTTLED, message=THROTTLED)
                if not full:
                    outcome.retry_after_ms = request.fault_retry_after_ms
            elif type(text) is not str:
                outcome = Outcome(
                    400, message="A bulk operation needs 'partitionKey', a JSON array in a string"
                )
            else:
                try:
                    key = parse_key(text, version)
                except CosmosError as error:
                    outcome = Outcome(error.status, substatus=error.substatus, message=error.message)
                else:
                    if minimum <= key.epk < maximum:
                        if given["operationType"] == "Create":
                            outcome = writer.create(key, given.get("resourceBody"))
                        else:
                            outcome = writer.do(_operation(given, key))
                        full = outcome.status == TOO_MANY
                    else:
                        outcome = Outcome(
                            410, substatus=SUBSTATUS_RANGE_GONE, message=range_gone(one.id).message
                        )
            outcomes.append(outcome)
        writer.flush()
    if writer.refunds:
        meter.refund(writer.refunds)
    return _answer(operations, outcomes, meter, request, one, MULTI_STATUS)


def _answer(
    operations: list[Json],
    outcomes: list[Outcome],
    meter: Meter,
    request: Request,
    one: Range,
    status: int = 0,
) -> Answer:
    wait = meter.retry_after_ms() if any(outcome.status == TOO_MANY for outcome in outcomes) else 0
    if wait and all(outcome.status == TOO_MANY for outcome in outcomes):
        raise throttled(max((outcome.retry_after_ms or wait) for outcome in outcomes))
    minimal = request.headers.get("prefer", "").lower() == "return=minimal"
    results = []
    size = 0
    for given, outcome in zip(operations, outcomes, strict=True):
        result = result_of(outcome, with_body=not (minimal and given["operationType"] in _WRITES))
        if outcome.status == TOO_MANY:
            result["retryAfterMilliseconds"] = outcome.retry_after_ms or wait
        if outcome.body is not None and "resourceBody" in result:
            size += len(outcome.body)
            if size > MAX_RESPONSE:
                result = {"statusCode": 413, "subStatusCode": 3402, "requestCharge": outcome.charge}
        results.append(result)
    charge = round(sum(outcome.charge for outcome in outcomes), 2)
    return Answer(
        status or (OK if all(outcome.ok for outcome in outcomes) else MULTI_STATUS),
        orjson.dumps(results),
        {"content-type": JSON, "x-ms-documentdb-partitionkeyrangeid": one.id},
        charge,
    )


def result_of(outcome: Outcome, *, with_body: bool = True) -> dict[str, Any]:
    """An outcome as the service writes it into the answer of a batch."""
    result: dict[str, Any] = {"statusCode": outcome.status, "requestCharge": outcome.charge}
    if outcome.substatus:
        result["subStatusCode"] = outcome.substatus
    if outcome.etag is not None:
        result["eTag"] = outcome.etag
    if outcome.message is not None:
        result["message"] = outcome.message
    if with_body and outcome.body is not None:
        result["resourceBody"] = orjson.Fragment(outcome.body)
    return result


def transactional(store: Store, container: Container, key: Key, meter: Meter, request: Request) -> Answer:
    """Do all operations or none: when one fails, it keeps its own status and the others get 424.

    Raises:
        CosmosError: the whole request is wrong, or the budget of this second is used up.
    """
    operations = operations_of(request)
    for given in operations:
        text = given.get("partitionKey")
        if isinstance(text, str) and parse_key(text, container.version).text != key.text:
            raise bad_request("All operations of a transactional batch must have the same partition key")
    if meter.exhausted() or request.fault_operations:
        meter.refuse()
        raise throttled(request.fault_retry_after_ms or meter.retry_after_ms())
    one = container.range_of(key.epk)
    writer = Writer(store, container, one, meter.spend, now=request.now)
    outcomes: list[Outcome] = []
    with store.transaction() as work:
        for given in operations:
            outcome = writer.do(_operation(given, key))
            outcomes.append(outcome)
            if not outcome.ok:
                work.undo = True
                break
    if work.undo:
        failed = len(outcomes) - 1
        outcomes = [
            outcomes[failed] if position == failed else Outcome(FAILED_DEPENDENCY)
            for position in range(len(operations))
        ]
    return _answer(operations, outcomes, meter, request, one)

"""What answers mean: every row of the table of faults, for one operation and for a whole request."""

import orjson
import pytest

from sensor_tui.sync.contract import RequestFailed, RequestRefused, Verdict
from sensor_tui.sync.sinks.cosmos.answers import (
    failure,
    is_key_mismatch,
    judge,
    message_of,
    plain,
    read_answer,
)

OPERATIONS = [
    (410, 1000, Verdict.MOVED),
    (410, 1002, Verdict.MOVED),
    (410, 1007, Verdict.MOVED),
    (410, 1008, Verdict.MOVED),
    (410, 0, Verdict.MOVED),
    (429, 3200, Verdict.THROTTLED),
    (413, 3402, Verdict.TRANSIENT),
    (413, 0, Verdict.REJECTED),
    (449, 0, Verdict.TRANSIENT),
    (408, 0, Verdict.TRANSIENT),
    (424, 0, Verdict.TRANSIENT),
    (500, 0, Verdict.TRANSIENT),
    (503, 0, Verdict.TRANSIENT),
    (400, 0, Verdict.REJECTED),
    (400, 1001, Verdict.REJECTED),
    (403, 1014, Verdict.REJECTED),
    (404, 0, Verdict.REJECTED),
    (412, 0, Verdict.REJECTED),
]


def bulk_answer(*results: dict) -> bytes:
    return orjson.dumps(list(results))


@pytest.mark.parametrize(("status", "substatus", "verdict"), OPERATIONS)
def test_one_operation_is_judged_and_its_neighbours_are_accepted(status, substatus, verdict):
    body = bulk_answer(
        {"statusCode": 201},
        {"statusCode": status, "subStatusCode": substatus, "message": "as told"},
        {"statusCode": 409},
    )
    answer = read_answer(body, {"x-ms-request-charge": "12.5"}, 3, 999)
    assert list(answer.exceptions) == [1]
    assert answer.exceptions[1].verdict is verdict
    assert answer.exceptions[1].code == status
    assert (answer.already_there, answer.cost, answer.bytes_sent) == (1, 12.5, 999)


@pytest.mark.parametrize("status", [200, 201, 204, 409])
def test_success_and_conflict_are_accepted(status):
    assert judge(status) is None


def test_an_upserted_document_is_accepted_too():
    answer = read_answer(bulk_answer({"statusCode": 200}, {"statusCode": 201}), {}, 2, 0)
    assert not answer.exceptions


def test_a_rejection_says_code_and_reason():
    body = bulk_answer({"statusCode": 400, "subStatusCode": 7, "message": "id is missing\r\nActivityId: 1"})
    assert read_answer(body, {}, 1, 0).exceptions[0].reason == "400/7: id is missing"


def test_a_rejection_without_a_message_still_says_something():
    assert judge(413).reason == "413: the document is too large"


def test_a_reason_in_the_body_of_an_operation_is_found():
    body = bulk_answer({"statusCode": 400, "resourceBody": {"message": "missing id"}})
    assert read_answer(body, {}, 1, 0).exceptions[0].reason == "400: missing id"


@pytest.mark.parametrize(
    ("operation", "header", "delay"),
    [(250, None, 0.25), (None, "400", 0.4), (250, "400", 0.4), (None, None, 0.0)],
)
def test_a_throttled_operation_waits_for_the_longer_of_both_delays(operation, header, delay):
    headers = {} if header is None else {"x-ms-retry-after-ms": header}
    body = bulk_answer({"statusCode": 429, "retryAfterMilliseconds": operation}, {"statusCode": 201})
    assert read_answer(body, headers, 2, 0).exceptions[0].delay == delay


def test_without_a_header_the_charges_of_the_operations_add_up():
    body = bulk_answer({"statusCode": 201, "requestCharge": 5.5}, {"statusCode": 409, "requestCharge": 1.25})
    assert read_answer(body, {}, 2, 0).cost == 6.75


@pytest.mark.parametrize(
    "body",
    [
        bulk_answer({"statusCode": 201}),
        bulk_answer({"statusCode": 201}, {"statusCode": 201})[:-4],
        b"",
        b"{}",
        b'[{"statusCode":201},{}]',
        b"[1,2]",
        b"<html>",
    ],
)
def test_an_answer_that_does_not_say_what_became_of_each_is_no_answer(body):
    with pytest.raises(RequestFailed) as caught:
        read_answer(body, {}, 2, 0)
    assert caught.value.unreachable
    assert caught.value.judgement.verdict is Verdict.TRANSIENT


@pytest.mark.parametrize(
    ("status", "substatus"), [(408, 0), (449, 0), (503, 0), (500, 0), (413, 3402), (403, 3)]
)
def test_a_request_that_may_pass_later_is_sent_again_whole(status, substatus):
    error = failure(status, {"x-ms-substatus": str(substatus)}, b"")
    assert isinstance(error, RequestFailed)
    assert error.judgement.verdict is Verdict.TRANSIENT
    assert not error.unreachable


@pytest.mark.parametrize("substatus", [1000, 1002, 1007, 1008])
def test_a_request_to_a_range_that_moved_is_routed_anew(substatus):
    error = failure(410, {"x-ms-substatus": str(substatus)}, b"")
    assert error.judgement.verdict is Verdict.MOVED


def test_a_throttled_request_waits_as_long_as_asked_and_costs_what_it_cost():
    error = failure(429, {"x-ms-retry-after-ms": "1500", "x-ms-request-charge": "0.5"}, b"")
    assert (error.judgement.verdict, error.judgement.delay, error.cost) == (Verdict.THROTTLED, 1.5, 0.5)


@pytest.mark.parametrize("status", [400, 405, 412, 413, 501])
def test_a_refused_request_is_to_be_halved(status):
    error = failure(status, {}, b'{"message":"no"}')
    assert isinstance(error, RequestRefused)
    assert (error.code, error.reason) == (status, f"{status}: no")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_is_about_us_is_left_to_whoever_can_say_why(status):
    assert failure(status, {}, b"") is None


def test_success_without_results_is_no_answer():
    assert failure(204, {}, b"").unreachable


def test_another_partition_key_than_the_containers_is_told_apart():
    assert is_key_mismatch(judge(400, 1001))
    assert not is_key_mismatch(judge(400, 0))


@pytest.mark.parametrize(
    ("wrapped", "line"),
    [
        ('Message: {"Errors":["Id is too long"]}\r\nActivityId: 7', "Id is too long"),
        ('Message: {"errors":[{"code":"SC1001","message":"Syntax error"}]}', "Syntax error"),
        ("plain words\nmore", "plain words"),
        ('{"Errors":[]}', '{"Errors":[]}'),
    ],
)
def test_the_messages_of_the_service_are_unwrapped(wrapped, line):
    assert plain(wrapped) == line
    assert message_of(orjson.dumps({"message": wrapped})) == line

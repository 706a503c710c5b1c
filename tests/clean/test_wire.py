"""What goes over the wire for a deletion, and what its answers mean."""

import orjson
import pytest

from sensor_tui.service.clean_query import Selection
from sensor_tui.sync.contract import MISSING, Parcel, Route, Verdict
from sensor_tui.sync.sinks.cosmos.answers import DELETE, read_answer
from sensor_tui.sync.sinks.cosmos.wire import OVERHEAD, bulk_body, delete_prefix_of


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("London", '["London"]'), ('"\\\n', '["\\"\\\\\\n"]'), (None, "[null]"), (MISSING, "[{}]"),
        (True, "[true]"), (1, "[1]"), (-2.5, "[-2.5]"), ("", '[""]'),
    ],
)  # fmt: skip
def test_a_deletion_names_key_and_id_and_nothing_else(key, text):
    prefix = delete_prefix_of(key)
    bodies = [orjson.dumps(name) for name in ("a", 'b"', "日本")]
    body = bulk_body([Parcel(Route("0", prefix, key), range(3), bodies, 0)] * 2)
    operation = {"operationType": "Delete", "partitionKey": text}
    assert orjson.loads(body) == [operation | {"id": name} for name in ("a", 'b"', "日本")] * 2
    assert len(body) == 2 * sum(len(prefix) + len(each) + OVERHEAD for each in bodies) + 1


def result(status, substatus=0, **more):
    return {"statusCode": status, "subStatusCode": substatus, "requestCharge": 1.0} | more


def test_gone_before_is_as_good_as_deleted_and_a_replica_that_lags_is_asked_again():
    results = [result(204), result(404), result(404, 1002), result(429, 3200, retryAfterMilliseconds=70),
               result(410, 1002), result(412), result(204)]  # fmt: skip
    answer = read_answer(orjson.dumps(results), {"x-ms-request-charge": "12.5"}, 7, 99, DELETE)
    assert (answer.cost, answer.already_there, answer.bytes_sent) == (12.5, 1, 99)
    assert {at: judgement.verdict for at, judgement in answer.exceptions.items()} == {
        2: Verdict.TRANSIENT, 3: Verdict.THROTTLED, 4: Verdict.MOVED, 5: Verdict.REJECTED
    }  # fmt: skip
    assert answer.exceptions[3].delay == 0.07
    answer = read_answer(orjson.dumps([result(404)] * 3), {}, 3, 0, DELETE)
    assert (answer.already_there, answer.exceptions, answer.cost) == (3, None, 3.0)


def test_a_selection_is_a_query_whose_values_are_parameters():
    selection = Selection(city='"; x', sensor="S", since=0.0, condition="c.a = 1 OR c.b = 2")
    query = selection.query("c.id", until_ts=7)
    assert query["query"] == (
        'SELECT c.id FROM c WHERE c["city"] = @city AND c["sensorId"] = @sensor AND c["timestamp"] >= @since'
        ' AND c["_ts"] <= @until_ts AND (c.a = 1 OR c.b = 2)'
    )
    assert {each["name"]: each["value"] for each in query["parameters"]} == {
        "@city": '"; x', "@sensor": "S", "@since": "1970-01-01T00:00:00.000000Z", "@until_ts": 7
    }  # fmt: skip
    assert selection.told == (
        'c["city"] = "\\"; x" AND c["sensorId"] = "S" AND c["timestamp"] >= "1970-01-01T00:00:00.000000Z"'
        " AND (c.a = 1 OR c.b = 2)"
    )
    assert Selection().query("*", newer_than=3)["query"] == 'SELECT * FROM c WHERE c["_ts"] > @newer_than'
    assert (Selection().told, Selection().everything) == ("all documents", True)

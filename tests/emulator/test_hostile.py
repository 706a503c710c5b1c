"""Whatever arrives, the answer is JSON with a status of the client's fault."""

import asyncio

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensor_tui.emulator.answers import CosmosError
from sensor_tui.emulator.query.parser import parse


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/dbs/d/nothing", "/dbs/d/colls/c/nothing/x", "/colls", "/docs", "/dbs/d/docs/x",
    "/dbs/d/colls/c/docs/a/b",
     "/dbs/d/colls/c/sprocs/x", "/dbs/d/users", "/\x00/\x01"],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE", "PATCH"])
async def test_an_unknown_resource_is_404(wire, verb, path):
    answer = await wire(verb, path)
    assert (answer.status, answer.json["code"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("verb", "path"),
    [("PUT", "/dbs"), ("PATCH", "/dbs/d"), ("DELETE", "/dbs/d/colls"), ("POST", "/dbs/d/colls/c/pkranges"),
     ("PUT", "/dbs/d/colls/c/docs"), ("POST", "/"), ("DELETE", "/offers"), ("HEAD", "/dbs/d/colls/c/docs/1")],
)  # fmt: skip
async def test_a_verb_that_does_nothing_is_405(wire, verb, path):
    assert (await wire(verb, path, {})).status == 405


BODIES = [
    b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe", b'{"id":"\\ud800","city":"London"}', b'{"id":"1",}',
    b'{"id":"1","city":NaN}', b'{"id":"1","city":1e999}', b"[" * 5000, b'{"id":"1"}' + b"\x00",
    b'{"a":' * 2000,
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
@pytest.mark.parametrize(
    ("verb", "path", "headers"),
    [
        ("POST", "/dbs", {}),
        ("POST", "/dbs/d/colls", {}),
        ("PUT", "/dbs/d/colls/c", {}),
        ("POST", "/dbs/d/colls/c/docs", {"x_ms_documentdb_partitionkey": '["London"]'}),
        ("PUT", "/dbs/d/colls/c/docs/1", {"x_ms_documentdb_partitionkey": '["London"]'}),
        ("POST", "/dbs/d/colls/c/docs", {"x_ms_documentdb_isquery": "true"}),
        ("POST", "/dbs/d/colls/c/docs", {"x_ms_cosmos_is_query_plan_request": "true"}),
        ("POST", "/dbs/d/colls/c/docs", {"x_ms_cosmos_is_batch_request": "true",
        "x_ms_documentdb_partitionkeyrangeid": "0"}),
        ("POST", "/dbs/d/colls/c/docs", {"x_ms_cosmos_is_batch_request": "true",
        "x_ms_cosmos_batch_atomic": "true",
                                         "x_ms_documentdb_partitionkey": '["London"]'}),
    ],
)  # fmt: skip
async def test_a_body_that_is_wrong_is_400(wire, verb, path, headers, body):
    answer = await wire(verb, path, body, **headers)
    assert answer.status == 400, answer.raw
    assert answer.json["code"] == "BadRequest"
    assert wire.emulator.count("d", "c") == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ms_max_item_count": "many"}, {"x_ms_max_item_count": "0"}, {"x_ms_max_item_count": "-5"},
        {"x_ms_start_epk": "zz"}, {"x_ms_start_epk": "40", "x_ms_end_epk": "20"}, {"x_ms_start_epk": "FF"},
        {"x_ms_documentdb_partitionkey": "["}, {"x_ms_continuation": "x"},
    ],
)  # fmt: skip
async def test_a_header_that_is_wrong_is_400(wire, headers):
    answer = await wire("GET", "/dbs/d/colls/c/docs", **headers)
    assert (answer.status, answer.json["code"]) == (400, "BadRequest")


async def raw(wire, request: bytes, *, end: bool = False) -> bytes:
    host, port = wire.emulator.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    if end:
        writer.write_eof()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "request_text",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: many\r\n\r\n",
        b"POST /dbs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        (
            b"GET /dbs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"authorization: \xff\xfe\r\nx-ms-activity-id: \xff\r\n\r\n"
        ),
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /%FF%FE/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=lambda text: repr(text[:30]),
)
async def test_what_is_hardly_http_is_answered_in_json(wire, request_text):
    answer = await raw(wire, request_text)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1][:1] == b"4", answer[:300]
    assert {"code", "message"} <= orjson.loads(body).keys()
    assert b"Traceback" not in answer


async def test_a_body_shorter_than_it_says_disturbs_nobody(wire, caplog):
    await raw(
        wire, b"POST /dbs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 500\r\n\r\n{", end=True
    )
    assert (await wire("GET", "/dbs")).status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "SELECT", "SELECT * FROM", "SELECT * FROM c WHERE", "SELECT * FROM c WHERE (",
        "SELECT FROM c", "SELECT ,",
        "SELECT * FROM c WHERE c.", "SELECT * FROM c ORDER BY", "SELECT TOP x * FROM c",
        "SELECT TOP -1 * FROM c",
        "SELECT * FROM c OFFSET 1", "SELECT * FROM c LIMIT 1", "SELECT * FROM c WHERE d.x = 1",
        "SELECT NOPE(c.x) FROM c",
        "SELECT * FROM c WHERE c.x = 'open", "SELECT * FROM c; DROP", "SELECT * FROM c JOIN t IN c.tags",
        "SELECT 1",
        "SELECT * FROM c WHERE c.x = @missing", "SELECT COUNT(1), c.x FROM c", "SELECT SUM(c.x, 1) FROM c",
        "SELECT * FROM c GROUP BY c.x", "SELECT LOWER() FROM c", "SELECT c.a AS x, c.b AS x FROM c",
        "DELETE FROM c",
        "SELECT * FROM c WHERE EXISTS(SELECT 1)", "SELECT * FROM c WHERE c.x = '\\q'", "SELECT \x00 FROM c",
        "SELECT * FROM c WHERE " + "(" * 500 + "1" + ")" * 500,
        "SELECT * FROM c WHERE " + "NOT " * 500 + "true",
        "SELECT VALUE " + "-" * 500 + "1 FROM c", "SELECT VALUE 1" + " + 1" * 500 + " FROM c",
        "SELECT VALUE c" + ".a" * 500 + " FROM c",
        "SELECT VALUE " + "[" * 500 + "]" * 500 + " FROM c", "SELECT * FROM c WHERE COUNT(1) > 2",
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
async def test_a_query_that_cannot_be_run_is_400(wire, text):
    await wire.create({"id": "1", "city": "London", "x": 1})
    answer = await wire.query(text, x_ms_documentdb_partitionkey='["London"]')
    assert (answer.status, answer.json["code"]) == (400, "BadRequest"), answer.raw


@pytest.mark.parametrize("parameters", ["x", [1], [{"value": 1}], [{"name": 5}], {"name": "@x"}])
async def test_parameters_that_are_none_are_400(wire, parameters):
    assert (await wire.query("SELECT * FROM c", parameters)).status == 400


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.sampled_from(
            ["SELECT", "*", "VALUE", "c", "FROM", "WHERE", "c.x", "(", ")", "=", "AND", "OR", "NOT", "IN",
            "BETWEEN", "1", "'s'",
             "ORDER", "BY", "GROUP", "TOP", "OFFSET", "LIMIT", "COUNT", "[", "]", "{", "}", ":", ",", ".",
             "@p", "?", "-", "LIKE"]
        ),
        max_size=14,
    )
)  # fmt: skip
def test_any_words_are_read_or_refused(parts):
    try:
        parse(" ".join(["SELECT", *parts]))
    except CosmosError as error:
        assert error.status == 400

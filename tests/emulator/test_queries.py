"""Queries: what expressions mean, what a page holds, and what a client is told about many ranges."""

import asyncio
import random

import orjson
import pytest

from sensor_tui.emulator.answers import CosmosError
from sensor_tui.emulator.hashing import UNDEFINED, effective_key
from sensor_tui.emulator.query.cursor import sort_key
from sensor_tui.emulator.query.evaluate import Compiler
from sensor_tui.emulator.query.parser import parse
from sensor_tui.emulator.query.writer import text_of

DOCUMENT = {
    "id": "1", "n": 3, "f": 2.5, "s": "Straße", "t": True, "no": False, "z": None, "e": "",
    "a": [1, "x", {"k": 1}], "o": {"p": {"q": 7}, "odd name": 1}, "big": 2**53,
}  # fmt: skip


def value(expression, **parameters):
    query = parse(f"SELECT VALUE {expression} FROM c")
    assert query.value is not None
    # An expression written back means the same.
    again = parse(f"SELECT VALUE {text_of(query.value)} FROM c")
    assert again.value == query.value
    return Compiler({f"@{name}": one for name, one in parameters.items()}).compile(query.value)(DOCUMENT)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.n", 3), ('c["n"]', 3), ("c.o.p.q", 7), ('c.o["odd name"]', 1), ("c.a[2].k", 1),
        ("c.a[9]", UNDEFINED),
        ("c.missing", UNDEFINED), ("c.n.deeper", UNDEFINED), ("c.s", "Straße"), ("'it''s'", None),
        ("'it\\'s \\u00fc'", "it's ü"),
        ('"say \\"x\\""', 'say "x"'), ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("-c.n + 1", -2), ("7 % 4", 3),
        ("-7 % 4", -3),
        ("1 / 4", 0.25), ("1 / 0", UNDEFINED), ("c.s + 1", UNDEFINED), ("c.big * c.big", float(2**106)),
        ("1e308 * 10", UNDEFINED),
        ("'a' || 'b'", "ab"), ("c.n = 3", True), ("c.n = 3.0", True), ("c.n = '3'", False),
        ("c.t = 1", False), ("c.z = null", True),
        ("c.missing = 1", UNDEFINED), ("c.missing = c.missing", UNDEFINED), ("c.n != 4", True),
        ("c.n <> 3", False),
        ("c.n < 4", True), ("c.n < 'x'", UNDEFINED), ("c.s < 'T'", True), ("c.t > c.no", True),
        ("c.a = [1, 'x', {'k': 1}]", True),
        ("c.o = {'odd name': 1, 'p': {'q': 7.0}}", True), ("c.o = {'p': 1}", False), ("c.a < [2]", UNDEFINED),
        ("c.n BETWEEN 3 AND 5", True), ("c.n NOT BETWEEN 3 AND 5", False), ("c.n IN (1, 3)", True),
        ("c.n NOT IN (1, 3)", False),
        ("c.missing IN (1)", UNDEFINED), ("NOT c.t", False), ("NOT c.n", UNDEFINED), ("c.t AND c.no", False),
        ("c.no AND c.missing", False), ("c.missing AND c.no", False), ("c.t AND c.missing", UNDEFINED),
        ("c.t OR c.missing", True), ("c.missing OR c.t", True), ("c.no OR c.missing", UNDEFINED),
        ("c.no OR c.t AND c.t", True),
        ("NOT c.no = true", True), ("c.missing ?? 5", 5), ("c.z ?? 5", None), ("c.t ? 1 : 2", 1),
        ("c.n ? 1 : 2", 2),
        ("[c.n, c.missing, 'x']", [3, "x"]), ("{a: c.n, 'b c': c.missing, d: {}}", {"a": 3, "d": {}}),
        ("c.s LIKE 'Str%'", True), ("c.s LIKE 'str%'", False), ("c.s LIKE 'S_ra%e'", True),
        ("c.s NOT LIKE '%x%'", True),
        ("IS_DEFINED(c.z)", True), ("IS_DEFINED(c.missing)", False), ("IS_NULL(c.z)", True),
        ("IS_NULL(c.missing)", False),
        ("IS_STRING(c.s)", True), ("IS_NUMBER(c.t)", False), ("IS_BOOL(c.t)", True),
        ("IS_ARRAY(c.a)", True), ("IS_OBJECT(c.o)", True),
        ("STARTSWITH(c.s, 'Str')", True), ("STARTSWITH(c.s, 'str', true)", True),
        ("ENDSWITH(c.s, 'SSE', true)", True),
        ("CONTAINS(c.s, 'aß')", True), ("CONTAINS(c.n, 'x')", UNDEFINED), ("starts_with_nothing ?? 1", None),
        ("LOWER(c.s)", "straße"), ("UPPER('x')", "X"), ("LENGTH(c.s)", 6), ("CONCAT('a', 'b', 'c')", "abc"),
        ("CONCAT('a', 1)", UNDEFINED),
        ("SUBSTRING(c.s, 1, 3)", "tra"), ("ABS(-2)", 2), ("ROUND(2.5)", 3), ("ROUND(-2.5)", -3),
        ("FLOOR(c.f)", 2), ("CEILING(c.f)", 3),
        ("FLOOR(1e300)", 1e300), ("ARRAY_LENGTH(c.a)", 3), ("ARRAY_CONTAINS(c.a, 'x')", True),
        ("ARRAY_CONTAINS(c.a, {'k': 1}, true)", True),
        ("ARRAY_CONTAINS(c.a, 9)", False), ("TOSTRING(c.n)", "3"), ("STRINGTONUMBER('2.5')", 2.5),
        ("c.value ?? c.order ?? 4", 4),
        ("@p", "given"), ("c.n = @three", True), ("undefined ?? 1", 1), ("TRUE", True),
    ],
)  # fmt: skip
def test_an_expression_is_worth(expression, expected):
    if expected is None and expression in {"'it''s'", "starts_with_nothing ?? 1"}:
        with pytest.raises(CosmosError):
            value(expression)
        return
    found = value(expression, p="given", three=3)
    assert found == expected
    assert type(found) is type(expected) or isinstance(expected, int | float)


def test_a_chain_of_a_thousand_terms_is_read():
    terms = " OR ".join(f"(c.id = 'x{number}' AND c.n = {number})" for number in range(1000))
    keep = Compiler({}).compile(parse(f"SELECT * FROM c WHERE {terms}").where)
    assert keep({"id": "x999", "n": 999}) is True
    assert keep({"id": "x999", "n": 998}) is False


def test_values_sort_by_type_then_value():
    ordered = [
        UNDEFINED,
        None,
        False,
        True,
        -1e300,
        -5,
        -0.5,
        0,
        0.5,
        3,
        2**60,
        1e300,
        "",
        "\x00",
        "\x00a",
        "A",
        "a",
        "aa",
        "é",
        [1],
        {"a": 1},
    ]
    assert sorted(ordered, key=lambda one: sort_key([(one, False)])) == ordered
    assert sorted(ordered, key=lambda one: sort_key([(one, True)])) == ordered[::-1]
    rows = [("a", 2), ("a", 1), ("b", 3), ("ab", 1)]
    assert sorted(rows, key=lambda row: sort_key([(row[0], False), (row[1], True)])) == [
        ("a", 2),
        ("a", 1),
        ("ab", 1),
        ("b", 3),
    ]


@pytest.fixture
async def filled(wire):
    """120 documents over a dozen cities; some without a value, one with another type."""
    random.seed(5)
    documents = []
    for number in range(120):
        document = {
            "id": f"r{number:03}",
            "city": f"c{number % 12}",
            "n": random.randrange(40),
            "s": f"t{number % 7}",
        }
        if number % 10 == 3:
            del document["n"]
        documents.append(document)
        assert (await wire.create(document)).status == 201
    wire.documents = documents
    return wire


ONE = {"x_ms_documentdb_partitionkey": '["c3"]'}
ALL = {"x_ms_documentdb_query_enablecrosspartition": "true"}


async def everything(wire, text, parameters=None, **headers):
    rows, token, pages = [], None, 0
    while True:
        answer = await wire.query(
            text, parameters, **headers, **({"x_ms_continuation": token} if token else {})
        )
        assert answer.status == 200, answer.raw
        rows += answer.json["Documents"]
        pages += 1
        token = answer.headers.get("x-ms-continuation")
        if token is None:
            return rows, pages


@pytest.mark.parametrize("size", ["1", "3", "7", "100"])
async def test_an_ordered_query_pages_without_gap_or_overlap(filled, size):
    rows, pages = await everything(
        filled, "SELECT c.id, c.n FROM c ORDER BY c.n DESC, c.id", **ONE, x_ms_max_item_count=size
    )
    mine = [one for one in filled.documents if one["city"] == "c3" and "n" in one]
    expected = sorted(mine, key=lambda one: (-one["n"], one["id"]))
    assert [(row["id"], row["n"]) for row in rows] == [(one["id"], one["n"]) for one in expected]
    assert pages == -(-len(expected) // int(size))


async def test_a_forgotten_result_is_made_again(filled):
    headers = {**ONE, "x_ms_max_item_count": "4"}
    first = await filled.query("SELECT VALUE c.id FROM c ORDER BY c.id", **headers)
    for number in range(20):
        await filled.query(f"SELECT VALUE c.id FROM c WHERE c.n != {number} ORDER BY c.id", **headers)
    rest, _ = await everything(filled, "SELECT VALUE c.id FROM c ORDER BY c.id", **headers)
    second = await filled.query(
        "SELECT VALUE c.id FROM c ORDER BY c.id",
        **headers,
        x_ms_continuation=first.headers["x-ms-continuation"],
    )
    assert first.json["Documents"] + second.json["Documents"] == rest[:8]


async def test_a_continuation_of_another_query_gives_that_querys_rows(filled):
    headers = {**ONE, "x_ms_max_item_count": "4"}
    other = await filled.query("SELECT VALUE c.s FROM c ORDER BY c.id", **headers)
    page = await filled.query(
        "SELECT VALUE c.id FROM c ORDER BY c.id",
        **headers,
        x_ms_continuation=other.headers["x-ms-continuation"],
    )
    ids = sorted(one["id"] for one in filled.documents if one["city"] == "c3")
    assert page.json["Documents"] == ids[4:8]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT VALUE COUNT(1) FROM c", lambda mine: [len(mine)]),
        ("SELECT VALUE COUNT(c.n) FROM c", lambda mine: [sum("n" in one for one in mine)]),
        ("SELECT VALUE SUM(c.n) FROM c", lambda mine: [sum(one.get("n", 0) for one in mine)]),
        ("SELECT VALUE SUM(c.s) FROM c", lambda mine: []),
        ("SELECT VALUE MIN(c.s) FROM c", lambda mine: [min(one["s"] for one in mine)]),
        ("SELECT COUNT(1) AS many, MAX(c.n) AS most FROM c",
         lambda mine: [{"many": len(mine), "most": max(one.get("n", -1) for one in mine)}]),
        ("SELECT VALUE MAX(c.n) FROM c WHERE c.n > 1000", lambda mine: []),
        ("SELECT VALUE COUNT(1) FROM c WHERE c.n > 1000", lambda mine: [0]),
        ("SELECT TOP 3 VALUE c.id FROM c", lambda mine: [one["id"] for one in mine][:3]),
        ("SELECT TOP 0 VALUE c.id FROM c", lambda mine: []),
        ("SELECT VALUE c.id FROM c OFFSET 2 LIMIT 3", lambda mine: [one["id"] for one in mine][2:5]),
        ("SELECT TOP @k VALUE c.id FROM c", lambda mine: [one["id"] for one in mine][:2]),
        ("SELECT VALUE c.n FROM c", lambda mine: [one["n"] for one in mine if "n" in one]),
        ("SELECT c.n FROM c WHERE NOT IS_DEFINED(c.n)", lambda mine: [{} for one in mine if "n" not in one]),
        ("SELECT DISTINCT VALUE c.city FROM c", lambda mine: ["c3"]),
        ("SELECT VALUE c.id FROM c WHERE c.city = 'c4'", lambda mine: []),
        ("SELECT VALUE c.id FROM c WHERE c.city = 'c3' AND c.s = 't3'",
         lambda mine: [one["id"] for one in mine if one["s"] == "t3"]),
        ("SELECT r.id FROM root r WHERE r.id = 'r003'", lambda mine: [{"id": "r003"}]),
        ("SELECT VALUE x.id FROM c AS x WHERE x.id = 'r003'", lambda mine: ["r003"]),
    ],
)  # fmt: skip
async def test_one_logical_partition_is_answered_outright(filled, text, expected):
    mine = [one for one in filled.documents if one["city"] == "c3"]
    answer = await filled.query(text, [{"name": "@k", "value": 2}], **ONE)
    assert answer.status == 200, answer.raw
    assert answer.json["Documents"] == expected(mine)
    assert answer.json["_count"] == len(answer.json["Documents"])


async def test_groups_are_paged(filled):
    rows, pages = await everything(
        filled,
        "SELECT c.s, COUNT(1) AS many, SUM(c.n) AS sum FROM c GROUP BY c.s",
        **ONE,
        x_ms_max_item_count="2",
    )
    mine = [one for one in filled.documents if one["city"] == "c3"]
    for row in rows:
        same = [one for one in mine if one["s"] == row["s"]]
        assert (row["many"], row["sum"]) == (len(same), sum(one.get("n", 0) for one in same))
    assert len(rows) == len({one["s"] for one in mine})
    assert pages == -(-len(rows) // 2)


async def test_a_filter_over_all_ranges_is_answered_outright(filled):
    rows, pages = await everything(filled, "SELECT * FROM c WHERE c.n >= 20", **ALL, x_ms_max_item_count="9")
    assert {row["id"] for row in rows} == {one["id"] for one in filled.documents if one.get("n", 0) >= 20}
    assert pages > 1
    refused = await filled.query("SELECT * FROM c WHERE c.n >= 20")
    assert refused.status == 400
    assert "Cross partition query is required but disabled" in refused.json["message"]


async def test_a_key_in_the_filter_needs_no_other_range(filled):
    answer = await filled.query(
        "SELECT VALUE COUNT(1) FROM c WHERE c.city = @city", [{"name": "@city", "value": "c3"}]
    )
    assert answer.json["Documents"] == [10]


@pytest.mark.parametrize(
    "text",
    ["SELECT * FROM c ORDER BY c.n", "SELECT VALUE COUNT(1) FROM c", "SELECT TOP 1 * FROM c",
    "SELECT * FROM c OFFSET 0 LIMIT 1",
     "SELECT DISTINCT c.s FROM c", "SELECT c.s FROM c GROUP BY c.s"],
)  # fmt: skip
async def test_what_has_to_be_merged_is_not_servable(filled, text):
    refused = await filled.query(text, **ALL)
    assert (refused.status, refused.substatus) == (400, 1004)
    assert orjson.loads(refused.json["additionalErrorInfo"])["queryInfo"]
    ranged = await filled.query(text, x_ms_documentdb_partitionkeyrangeid="1")
    assert ranged.status == 200


async def test_one_range_alone_needs_no_merging(start):
    wire = await start(partitions=1)
    await wire.create({"id": "1", "city": "London"})
    assert (await wire.query("SELECT VALUE COUNT(1) FROM c", **ALL)).json["Documents"] == [1]


async def plan(wire, text, features="OrderBy,GroupBy,NonValueAggregate", parameters=None):
    answer = await wire.query(
        text,
        parameters,
        x_ms_cosmos_is_query_plan_request="True",
        x_ms_cosmos_supported_query_features=features,
    )
    assert answer.status == 200, answer.raw
    return answer.json


async def test_the_plan_of_an_ordered_query(filled):
    made = await plan(filled, "SELECT TOP 5 c.id AS x FROM c WHERE c.n > 1 ORDER BY c.n DESC, c.id")
    info = made["queryInfo"]
    assert (info["top"], info["orderBy"]) == (5, ["Descending", "Ascending"])
    assert info["rewrittenQuery"] == (
        'SELECT TOP 5 c._rid, [{"item": c.n}, {"item": c.id}] AS orderByItems, {"x": c.id} AS payload FROM c '
        "WHERE ((c.n > 1)) AND ({documentdb-formattableorderbyquery-filter}) ORDER BY c.n DESC, c.id ASC"
    )
    assert made["queryRanges"] == [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}]
    text = info["rewrittenQuery"].replace("{documentdb-formattableorderbyquery-filter}", "true")
    rows = (await filled.query(text, x_ms_documentdb_partitionkeyrangeid="2")).json["Documents"]
    assert 0 < len(rows) <= 5
    assert all(row.keys() == {"_rid", "orderByItems", "payload"} for row in rows)


async def test_the_plan_narrows_to_the_key(filled):
    made = await plan(
        filled,
        "SELECT * FROM c WHERE c.city = @city ORDER BY c.n",
        parameters=[{"name": "@city", "value": "c3"}],
    )
    key = effective_key('"c3', 2)
    assert made["queryRanges"] == [{"min": key, "max": key, "isMinInclusive": True, "isMaxInclusive": True}]


async def test_a_client_that_cannot_group_is_told_so(filled):
    answer = await filled.query(
        "SELECT c.s, COUNT(1) AS n FROM c GROUP BY c.s",
        x_ms_cosmos_is_query_plan_request="True", x_ms_cosmos_supported_query_features="Aggregate,OrderBy",
    )  # fmt: skip
    assert answer.status == 400
    assert "unsupported features" in answer.json["message"]


async def test_a_part_of_a_range_can_be_asked_for(filled):
    container = filled.emulator.container("d", "c")
    one = container.ranges[1]
    middle = f"{(one.low + one.high) // 2:032X}"
    halves = []
    for low, high in ((one.minimum, middle), (middle, one.maximum)):
        rows, _ = await everything(
            filled,
            "SELECT * FROM c",
            x_ms_documentdb_partitionkeyrangeid="1",
            x_ms_start_epk=low,
            x_ms_end_epk=high,
        )
        assert all(low <= effective_key(f'"{row["city"]}', 2) < high for row in rows)
        halves += rows
        count = await filled.query(
            "SELECT VALUE COUNT(1) FROM c",
            x_ms_documentdb_partitionkeyrangeid="1",
            x_ms_start_epk=low,
            x_ms_end_epk=high,
        )
        assert count.json["Documents"] == [len(rows)]
    assert len(halves) == filled.emulator.store.shelf(container, one).count()


async def test_a_page_stays_below_four_megabytes(wire):
    for number in range(6):
        await wire.create({"id": str(number), "city": "London", "text": "x" * 1_500_000})
    key = {"x_ms_documentdb_partitionkey": '["London"]'}
    for text in ("SELECT * FROM c", "SELECT * FROM c ORDER BY c.id DESC"):
        token, ids = None, []
        while token is None or token:
            answer = await wire.query(text, **key, **({"x_ms_continuation": token} if token else {}))
            assert len(answer.raw) < 5_000_000
            ids += [one["id"] for one in answer.json["Documents"]]
            token = answer.headers.get("x-ms-continuation", "")
        assert sorted(ids) == [str(number) for number in range(6)]


async def test_a_long_query_lets_others_through_and_notices_a_split(start):
    wire = await start(partitions=1)
    for number in range(600):
        await wire.create({"id": str(number), "city": "London", "n": number})
    text = "SELECT VALUE COUNT(1) FROM c WHERE c.n >= 0 AND LENGTH(c.id) > 0"
    store = wire.emulator.store
    container = wire.emulator.container("d", "c")
    shelf = store.shelf(container, container.ranges[0])
    scanned = asyncio.Event()
    plain = type(shelf).scan

    def scan(self, after, limit):
        scanned.set()
        return plain(self, after, limit)

    type(shelf).scan = scan
    try:
        query = asyncio.create_task(wire.query(text, x_ms_documentdb_partitionkeyrangeid="0"))
        await scanned.wait()
        wire.emulator.split("d", "c", "0")
        answer = await query
    finally:
        type(shelf).scan = plain
    assert (answer.status, answer.substatus) == (410, 1002)

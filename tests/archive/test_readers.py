"""What DuckDB, pandas and pyarrow make of a dataset: the real libraries, over several parts, before and after
compaction."""

import duckdb
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.archive.kit import START, document, documents

SUMMARY = {"min": 1.5, "max": 3.0, "avg": 2.25, "count": 4, "anomalyCount": 1}


def ask(sql):
    return duckdb.connect().sql(sql).fetchall()


def table(dataset, *, union=True):
    return f"read_parquet('{dataset}/*.parquet', union_by_name={str(union).lower()})"


async def test_parquet_is_typed_and_reads_as_one(make):
    async with make(compact_files=3) as archive:
        for first in range(0, 50, 10):
            await archive.send(
                documents(first, 10, latitude=51.5, anomalyFlag=first % 3, anomalyType="spike")
            )
        await archive.settled()
        dataset = archive.dataset()
        assert len(archive.parts()) == 3
        rows = ask(
            "SELECT count(*), count(DISTINCT id), epoch_us(min(timestamp)), epoch_us(max(timestamp)),"
            f" sum(temperature) FROM {table(dataset, union=False)}"
        )
        first = int(START.timestamp()) * 10**6 + 123
        assert rows == [(50, 50, first, first + 49 * 10**6, sum(20.25 + n / 8 for n in range(50)))]
        types = dict(ask(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {table(dataset)})"))
        assert types["timestamp"] == "TIMESTAMP WITH TIME ZONE"
        assert {types[name] for name in ("temperature", "humidity", "voltage", "latitude")} == {"DOUBLE"}
        assert {types[name] for name in ("statusCode", "anomalyFlag", "sqlite_id")} == {"BIGINT"}
        assert {types[name] for name in ("id", "sensorId", "city", "processingStage")} == {"VARCHAR"}
        for part in archive.parts():
            field = pq.read_schema(part).field("timestamp")
            assert field.type == pa.timestamp("us", tz="UTC")
        frame = pd.read_parquet(dataset)
        assert len(frame) == 50
        assert str(frame["timestamp"].dtype) == "datetime64[us, UTC]"
        assert list(frame.sort_values("timestamp")["sqlite_id"]) == list(range(50))
        assert frame["humidity"].isna().all()
        assert set(pq.ParquetDataset(dataset).read().column("city").to_pylist()) == {"London"}


async def test_a_field_that_changes_its_type_leaves_every_reader_content(make):
    async with make() as archive:
        await archive.send([document(0, depth=1, note="a", on=True, temperature=1)])
        await archive.send(
            [document(1, depth=1.5, note=7, on="yes", temperature="hot", depth__double="mine")]
        )
        await archive.send([document(2, depth="deep", note=None, on=0, temperature=SUMMARY, statusCode=2.0)])
        await archive.send(
            [document(3, depth=2**62, note={"a": [1]}, on=None, temperature=2**60, statusCode=1.5)]
        )
        await archive.send([document(4, depth=True, note=["x"], temperature={"other": 1}, windowEnd="soon")])
        dataset = archive.dataset()
        for union in (False, True):
            assert ask(f"SELECT count(*) FROM {table(dataset, union=union)}") == [(5,)]
        found = {row["sqlite_id"]: row for row in pq.read_table(archive.parts()[-1]).to_pylist()}
        assert list(found) == [4]
        frame = pd.read_parquet(dataset).set_index("sqlite_id").sort_index()
        assert list(frame["depth"].astype(object).where(frame["depth"].notna(), None)) == [
            1,
            None,
            None,
            2**62,
            None,
        ]
        rows = ask(
            "SELECT depth, depth__double_, depth__double, depth__text, note, on_, on__text, temperature,"
            " temperature__text, temperature__summary, statusCode, statusCode__double FROM"
            f' (SELECT *, "on" AS on_ FROM {table(dataset)}) ORDER BY sqlite_id'
        )
        none = None
        assert rows == [
            (1, none, none, none, "a", True, none, 1.0, none, none, 0, none),
            (none, 1.5, "mine", none, "7", none, "yes", none, "hot", none, 0, none),
            (none, none, none, "deep", none, none, none, none, none, SUMMARY, 2, none),
            (2**62, none, none, none, '{"a":[1]}', none, none, none, str(2**60), none, none, 1.5),
            (none, none, none, "true", '["x"]', none, none, none, '{"other":1}', none, 0, none),
        ]


async def test_integers_and_fractions_of_one_part_are_numbers(make):
    async with make() as archive:
        await archive.send([document(0, level=1), document(1), document(2, level=2.5)])
        assert ask(f"SELECT level FROM {table(archive.dataset())} ORDER BY sqlite_id") == [
            (1.0,),
            (None,),
            (2.5,),
        ]


async def test_aggregated_documents_are_structs(make):
    more = {"processingStage": "Aggregated", "windowStart": "2025-08-01T00:00:00.000000Z", "complete": True}
    async with make(compact_files=2) as archive:
        await archive.send([document(0, temperature=SUMMARY, **more)])
        await archive.send([document(60, temperature=..., humidity=SUMMARY, late=True, **more)])
        await archive.send(
            [document(120, temperature={**SUMMARY, "min": None}, anomalies=["humidity"], **more)]
        )
        await archive.settled()
        dataset = archive.dataset()
        rows = ask(
            "SELECT temperature.max, humidity.count, temperature.min, late, complete, anomalies,"
            f" epoch(windowStart) FROM {table(dataset, union=False)} ORDER BY sqlite_id"
        )
        start = START.timestamp()
        assert rows == [
            (3.0, None, 1.5, None, True, None, start),
            (None, 4, None, True, True, None, start),
            (3.0, None, None, None, True, '["humidity"]', start),
        ]
        assert list(pd.read_parquet(dataset)["temperature"].dropna()) == [SUMMARY, {**SUMMARY, "min": None}]


async def test_compaction_gives_every_part_the_columns_of_the_newest(make):
    async with make(compact_files=3) as archive:
        await archive.send(documents(0, 2))
        await archive.send(documents(2, 2, depth=1.5))
        await archive.send(documents(4, 2, note="x"))
        await archive.settled()
        [part] = archive.parts()
        assert {"depth", "note"} <= set(pq.read_schema(part).names)
        frame = pd.read_parquet(archive.dataset()).sort_values("sqlite_id")
        assert list(frame["depth"].notna()) == [False, False, True, True, False, False]


HOSTILE = [
    'a"b',
    "a,b",
    "a\nb",
    "a\r\nb",
    '"',
    '""',
    ",",
    "",
    " ",
    "'",
    "=1+1",
    "\x00",
    "ä€😀",
    "\u202e",
    "a;b",
    "null",
    "NaN",
]


@pytest.mark.parametrize("compact_files", [2, 10_000])
async def test_text_of_any_kind_comes_back_from_csv(make, compact_files):
    async with make("CSV", compact_files=compact_files) as archive:
        half = len(HOSTILE) // 2
        await archive.send([document(n, note=text) for n, text in enumerate(HOSTILE[:half])])
        await archive.send(
            [
                document(n + half, note=text, **{'odd "name", this': 1})
                for n, text in enumerate(HOSTILE[half:])
            ]
        )
        await archive.settled()
        parts = [
            pd.read_csv(part, keep_default_na=False, dtype=str, lineterminator="\n")
            for part in archive.parts()
        ]
        frame = pd.concat(parts).sort_values("timestamp")
        assert [text.replace("\r\n", "\n") for text in frame["note"]] == [
            text.replace("\r\n", "\n") for text in HOSTILE
        ]
        assert len({*archive.sink.ids._kept}) >= 2
        again = await archive.send([document(n, note=text) for n, text in enumerate(HOSTILE)])
        assert again.already_there == len(HOSTILE)


async def test_csv_and_json_lines_read_as_one_in_duckdb(make):
    more = {"temperature": SUMMARY, "nested": {"a": {"b": 1}}, "on": True}
    async with make("CSV") as archive:
        await archive.send(documents(0, 5))
        await archive.send(documents(5, 5, **more))
        csv = f"read_csv('{archive.dataset()}/*.csv', union_by_name=true)"
        assert ask(f"SELECT count(DISTINCT id), epoch_us(min(timestamp)) FROM {csv}") == [
            (10, int(START.timestamp()) * 10**6 + 123)
        ]
        assert ask(f'SELECT DISTINCT "temperature.avg", "nested.a", "on" FROM {csv} WHERE sqlite_id > 4') == [
            (2.25, '{"b":1}', True)
        ]
    async with make("JSON lines") as archive:
        bodies = documents(0, 5) + documents(5, 5, **more)
        await archive.send(bodies[:6])
        await archive.send(bodies[6:])
        lines = f"read_json('{archive.dataset()}/*.jsonl', format='newline_delimited', union_by_name=true)"
        assert ask(f"SELECT count(DISTINCT id) FROM {lines}") == [(10,)]
        assert b"".join(part.read_bytes() for part in archive.parts()).splitlines() == bodies
        assert len(pd.read_json(archive.parts()[0], lines=True)) == 6


async def test_a_document_of_several_lines_is_one_line(make):
    async with make("JSON lines") as archive:
        await archive.send([orjson.dumps(orjson.loads(document(0)), option=orjson.OPT_INDENT_2)])
        assert archive.parts()[0].read_bytes() == document(0) + b"\n"

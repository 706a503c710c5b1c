"""Processing that changes on a dataset: readings and what is made of many of them stand apart."""

import duckdb
import pandas as pd
import pytest

from tests.archive.kit import document, documents, ids_in

SUMMARY = {"min": 1.5, "max": 3.0, "avg": 2.25, "count": 4, "anomalyCount": 1}
LAYERS = {"Parquet": "read_parquet", "CSV": "read_csv", "JSON lines": "read_json"}


def windows(first, count):
    """Aggregated documents, of times apart from those of `documents`."""
    at = "2025-08-01T00:00:00.000000Z"
    more = {"windowStart": at, "windowEnd": at, "windowSeconds": 60.0, "count": 4, "part": 1}
    return [
        document(
            number,
            temperature=SUMMARY,
            sqlite_id=...,
            statusCode=...,
            processingStage="Aggregated",
            id=f"window {number}",
            **more,
        )
        for number in range(first, first + count)
    ]


def held(archive, form, sensor):
    """Measures in a dataset as DuckDB has them, by id."""
    files = f"{archive.dataset(sensor)}/*{archive.suffix}"
    more = ", format='newline_delimited'" if form == "JSON lines" else ""
    found = f"{LAYERS[form]}('{files}', union_by_name=true{more})"
    measure = '"temperature.max"' if form == "CSV" else "temperature.max"
    wanted = measure if ids_in(archive.parts(sensor)[0])[0].startswith("window") else "temperature"
    return dict(duckdb.connect().sql(f"SELECT id, {wanted} FROM {found}").fetchall())


async def test_aggregated_documents_keep_their_measures_after_readings(make, form):
    async with make(form) as archive:
        await archive.send(documents(0, 3))
        answer = await archive.send(windows(100, 2) + documents(2, 2))
        assert (answer.already_there, answer.exceptions) == (1, None)
        assert list(held(archive, form, "LON_123456").values()) == [20.25, 20.375, 20.5, 20.625]
        assert held(archive, form, "LON_123456.aggregated") == {"window 100": 3.0, "window 101": 3.0}


async def test_readings_keep_their_measures_after_aggregated_documents(make, form):
    async with make(form) as archive:
        await archive.send(windows(100, 2))
        await archive.send(documents(0, 2))
        assert held(archive, form, "LON_123456") == {"window 100": 3.0, "window 101": 3.0}
        assert list(held(archive, form, "LON_123456.readings").values()) == [20.25, 20.375]


async def test_pandas_sees_the_measures_of_both(make):
    async with make() as archive:
        await archive.send(documents(0, 2) + windows(100, 2))
        assert list(pd.read_parquet(archive.dataset())["temperature"]) == [20.25, 20.375]
        frame = pd.read_parquet(archive.dataset("LON_123456.aggregated"))
        assert list(frame["temperature"]) == [SUMMARY, SUMMARY]


@pytest.mark.parametrize("order", [1, -1])
async def test_what_is_there_is_not_written_again_after_a_start(make, form, order):
    async with make(form) as archive:
        for bodies in (documents(0, 3), windows(100, 3))[::order]:
            await archive.send(bodies)
    async with make(form, compact_files=2) as archive:
        for bodies in (windows(100, 4), documents(0, 4)):
            assert (await archive.send(bodies)).already_there == 3
        await archive.settled()
        assert (await archive.send(windows(100, 4) + documents(0, 4))).already_there == 8
        datasets = sorted(each.name for each in archive.dataset().parent.glob(f"[!.]*{archive.suffix}"))
        assert len(datasets) == 2


async def test_what_was_put_apart_once_always_is(make, form):
    """Also where somebody has taken away what it was put apart from."""
    async with make(form) as archive:
        await archive.send(documents(0, 3))
        await archive.send(windows(100, 3))
        archive.dataset().rename(archive.folder / "elsewhere")
        assert (await archive.send(windows(100, 3))).already_there == 3
        assert not archive.dataset().exists()


async def test_a_sensor_that_is_called_so_has_another_dataset(make):
    async with make("JSON lines") as archive:
        await archive.send(documents(0, 1, sensor="X.aggregated") + documents(0, 1, sensor="X"))
        await archive.send([document(1, sensor="X", processingStage="Aggregated")])
        names = sorted(each.name for each in archive.dataset().parent.glob("[!.]*"))
        assert names[:2] == ["X.aggregated.jsonl", "X.jsonl"]
        assert len(names) == 3

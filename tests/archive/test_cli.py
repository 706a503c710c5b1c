"""`sensor-tui sync` with an archive, as a person runs it."""

import asyncio
import json
import os
import sys
from contextlib import suppress

import duckdb
import pytest

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.simulator.sample import write_sample

ROWS = 400


async def begin(tmp_path, endpoint, *options, **environment):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sensor_tui", "sync", "--data-dir", "data", "--json", *options,
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COSMOS_ENDPOINT": endpoint.url, "COSMOS_KEY": endpoint.key, **environment},
    )  # fmt: skip


async def sync(tmp_path, endpoint, *options, **environment):
    process = await begin(tmp_path, endpoint, *options, **environment)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data" / "London" / "LON_000001" / "sensor_data.db"
    path.parent.mkdir(parents=True)
    write_sample(path, rows=ROWS, city="London", seed=1, generation="2025-08")
    return path


@pytest.mark.parametrize(
    ("options", "environment", "found"),
    [
        ((), {}, "read_parquet('{}/kept/London/*.parquet/*.parquet')"),
        (
            ("--archive-format", "json"),
            {"ARCHIVE_FORMAT": "CSV"},
            "read_json('{}/kept/London/*.jsonl/*.jsonl')",
        ),
        ((), {"ARCHIVE_FORMAT": "CSV"}, "read_csv('{}/kept/London/*.csv/*.csv')"),
    ],
)
async def test_readings_are_uploaded_and_kept(tmp_path, data, options, environment, found):
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as endpoint:
        code, out, err = await sync(tmp_path, endpoint, "--archive-path", "kept", *options, **environment)
        assert code == 0, err
        assert json.loads(out)["backlog"] == 0
        assert len(endpoint.documents("SensorData", "SensorReadings")) == ROWS
    ask = f"SELECT count(*), count(DISTINCT id) FROM {found.format(tmp_path)}"
    assert duckdb.connect().sql(ask).fetchall() == [(ROWS, ROWS)]


async def test_an_archive_that_cannot_be_written_is_one_line(tmp_path, data):
    (tmp_path / "kept").write_text("a file")
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as endpoint:
        code, out, err = await sync(tmp_path, endpoint, "--archive-path", "kept/deep")
    assert code == 3
    assert out == ""
    assert "kept/deep cannot be used: Not a directory" in err
    assert "Traceback" not in err


async def test_killed_and_run_again_both_have_everything_once(tmp_path, data):
    rows = 5_000
    data.unlink()
    write_sample(data, rows=rows, city="London", seed=1, generation="2025-08")
    options = ("--archive-path", "kept")
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as endpoint:
        process = await begin(tmp_path, endpoint, *options)
        waiting = asyncio.create_task(process.wait())
        while not waiting.done() and len(list(tmp_path.glob("kept/*/*/[!.]*"))) < 2:
            await asyncio.wait({waiting}, timeout=0.01)
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        await waiting
        code, _, err = await sync(tmp_path, endpoint, *options)
        assert code == 0, err
        there = {each["id"] for each in endpoint.documents("SensorData", "SensorReadings")}
    ask = f"SELECT id FROM read_parquet('{tmp_path}/kept/London/*.parquet/*.parquet')"
    kept = [each for (each,) in duckdb.connect().sql(ask).fetchall()]
    assert len(kept) == len(set(kept)) == rows
    assert set(kept) == there

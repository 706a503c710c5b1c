"""The archive behind the real engine: sensor files of both generations, a restart, and a rewind."""

import orjson
import pyarrow.parquet as pq
import pytest

from sensor_tui.config import load
from sensor_tui.errors import ConfigError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.archive import CONTAINER_FOLDER, archive_options, archive_sink
from sensor_tui.simulator.sample import write_sample
from sensor_tui.storage.store import SqliteStore
from sensor_tui.sync.engine import Engine, EngineOptions
from sensor_tui.sync.sinks.archive import sink as module
from sensor_tui.sync.sources.sqlite import SqliteSource


def settings(tmp_path, text="", **environment):
    path = tmp_path / "sensor-tui.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, env=environment, cwd=tmp_path).settings


async def upload(data, sink):
    clock = SystemClock()
    store = SqliteStore(data, clock=clock)
    await store.open()
    try:
        engine = Engine(SqliteSource(store, [sink.name]), [sink], clock=clock, options=EngineOptions())
        await engine.run(continuous=False)
        return engine.progress().totals
    finally:
        await store.close()


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    for city, sensor, generation in (
        ("London", "LON_000001", "2025-04"),
        ("Zürich", "ZUR_000002", "2025-08"),
    ):
        path = root / city / sensor / "sensor_data.db"
        path.parent.mkdir(parents=True)
        write_sample(path, rows=1500, city=city, seed=len(city), generation=generation)
    return root


async def test_what_is_in_the_files_is_in_the_archive_once(tmp_path, data):
    text = f"archive: {{path: {tmp_path / 'archive'}, compact_files: 3}}\n"
    totals = await upload(data, archive_sink(settings(tmp_path, text), SystemClock()))
    assert (totals.read, totals.accepted, totals.rejected) == (3000, 3000, 0)
    for city in ("London", "Zürich"):
        [dataset] = [
            path for path in (tmp_path / "archive" / city).iterdir() if not path.name.startswith(".")
        ]
        table = pq.read_table(dataset)
        assert table.num_rows == len(set(table.column("id").to_pylist())) == 1500
        assert set(table.column("city").to_pylist()) == {city}
        assert set(table.column("sensorId").to_pylist()) == {dataset.name.removesuffix(".parquet")}
        assert table.schema.field("temperature").type == "double"
        assert not [name for name in table.column_names if "__" in name]


async def test_rows_that_are_read_again_are_known(tmp_path, data):
    text = f"archive: {{path: {tmp_path / 'archive'}, format: jsonl}}\n"
    chosen = settings(tmp_path, text)
    await upload(data, archive_sink(chosen, SystemClock()))
    store = SqliteStore(data, clock=SystemClock())
    await store.open()
    await store.scan()
    await store.reset_tracking()
    await store.close()
    totals = await upload(data, archive_sink(chosen, SystemClock()))
    assert (totals.accepted, totals.already_there) == (3000, 3000)
    lines = [
        line for part in (tmp_path / "archive").glob("*/*/*.jsonl") for line in part.read_bytes().splitlines()
    ]
    assert len(lines) == len({orjson.loads(line)["id"] for line in lines}) == 3000


def test_the_configuration_says_where_and_how(tmp_path):
    assert archive_sink(settings(tmp_path), SystemClock()) is None
    text = f"archive: {{path: {tmp_path}, format: CSV, compact_files: 9}}\n"
    options = archive_options(settings(tmp_path, text, REGION="London"))
    assert (options.path, options.format, options.compact_files) == (tmp_path, "CSV", 9)
    assert options.own_city is None
    text = f"archive: {{path: {CONTAINER_FOLDER}}}\n"
    assert archive_options(settings(tmp_path, text)).own_city is None
    options = archive_options(settings(tmp_path, text, REGION="London", ARCHIVE_FORMAT="json"))
    assert (options.format, options.own_city) == ("JSON lines", "London")


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pyarrow is not installed"):
        archive_sink(settings(tmp_path, f"archive: {{path: {tmp_path}}}\n"), SystemClock())

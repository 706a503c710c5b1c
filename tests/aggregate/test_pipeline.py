"""Processors and archive, from a configuration to a container and a folder, with the product's parts."""

import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import pytest

from sensor_tui.config import load
from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.errors import ConfigError, SourceFileError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.host import EngineHost
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.pipeline import build_pipeline, outlets_of, processing_of
from sensor_tui.service.request import SyncRequest
from sensor_tui.simulator.sample import write_sample
from sensor_tui.storage.store import SqliteStore
from sensor_tui.sync.contract import Wish

HEAD = """\
cosmos: {{endpoint: "{endpoint}", key: "{key}"}}
performance: {{upload_interval_seconds: 0.1, upload_jitter_seconds: 0}}
"""
AGGREGATE = "processing: {processors: [Aggregate], aggregation: {window: 30s}}\n"


@pytest.fixture
async def emulator():
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as running:
        yield running


@pytest.fixture
def settings(tmp_path, emulator):
    def make(text, endpoint=None):
        path = tmp_path / "sensor-tui.yaml"
        path.write_text(HEAD.format(endpoint=endpoint or emulator.url, key=emulator.key) + text)
        return load(path, env={}, cwd=tmp_path).settings

    return make


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data" / "London" / "A" / "sensor_data.db"
    path.parent.mkdir(parents=True)
    write_sample(path, rows=300, city="London", seed=1, generation="2025-08", sensor_id="LON_000001")
    return path


def rows(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_run_with_every_processor_and_an_archive(tmp_path, settings, data, emulator):
    text = (
        "processing: {processors: [Schematize, Sanitize, Anomaly, Aggregate]}\n"
        f"archive: {{path: '{tmp_path / 'archive'}', format: JSON lines}}\n"
    )
    report = await sync_once(settings(text), SyncRequest(tmp_path / "data"))
    documents = list(emulator.documents("SensorData", "SensorReadings"))
    assert sum(each["count"] for each in documents) == 300 == report.read
    assert {each["processingStage"] for each in documents} == {"Aggregated"}
    assert report.backlog == 0
    assert rows(data, "SELECT DISTINCT synced FROM sensor_readings") == [(1,)]
    files = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    archived = b"".join(path.read_bytes() for path in files)
    assert archived.count(b'"windowStart"') == len(documents)


async def test_anomalous_readings_go_to_a_container_that_is_made_for_them(tmp_path, settings, data, emulator):
    with closing(sqlite3.connect(data)) as connection:
        connection.execute("UPDATE sensor_readings SET anomaly_flag = id % 10 = 0")
        connection.commit()
    text = "processing: {processors: [Anomaly], anomaly: {action: route}}\n"
    report = await sync_once(settings(text), SyncRequest(tmp_path / "data"))
    counts = {
        name: len(list(emulator.documents("SensorData", name)))
        for name in ("SensorReadings", "SensorAnomalies")
    }
    assert counts == {"SensorReadings": 270, "SensorAnomalies": 30}
    assert (report.accepted, report.backlog) == (300, 0)


async def test_a_dry_run_takes_the_same_way(tmp_path, settings, data):
    text = (
        "processing: {processors: [Anomaly, Aggregate], anomaly: {action: route}}\n"
        f"archive: {{path: '{tmp_path / 'archive'}', format: CSV, what: raw}}\n"
    )
    report = await sync_once(
        settings(text, endpoint="http://127.0.0.1:9"), SyncRequest(tmp_path / "data", dry_run=True)
    )
    assert report.read == 300
    assert not (tmp_path / "archive").exists()
    assert rows(data, "SELECT DISTINCT synced FROM sensor_readings") != [(1,)]


async def test_what_waits_is_said(tmp_path, settings, data):
    with closing(sqlite3.connect(data)) as connection:
        soon = datetime.fromtimestamp(time.time() + 1800, UTC).isoformat()
        connection.execute("UPDATE sensor_readings SET timestamp = ? WHERE id > 290", (soon,))
        connection.commit()
    report = await sync_once(settings(AGGREGATE), SyncRequest(tmp_path / "data"))
    assert "10 readings wait for their window; they are sent once it is complete" in report.notices
    assert report.backlog == 10


async def test_documents_under_way_are_settled_without_the_aggregation(
    tmp_path, settings, data, emulator, monkeypatch
):
    async def refuse(*given):
        raise SourceFileError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "close_held", refuse)
        await sync_once(settings(AGGREGATE), SyncRequest(tmp_path / "data"))
    sent = list(emulator.documents("SensorData", "SensorReadings"))
    assert sum(each["count"] for each in sent) == 300
    assert rows(data, "SELECT DISTINCT synced FROM sensor_readings") != [(1,)]
    report = await sync_once(settings(""), SyncRequest(tmp_path / "data"))
    assert list(emulator.documents("SensorData", "SensorReadings")) == sent
    assert rows(data, "SELECT DISTINCT synced FROM sensor_readings") == [(1,)]
    assert report.backlog == 0


async def test_development_gives_documents_of_windows_fresh_ids(tmp_path, settings, data, emulator):
    for _ in range(2):
        await sync_once(settings(AGGREGATE), SyncRequest(tmp_path / "data", development=True))
    documents = list(emulator.documents("SensorData", "SensorReadings"))
    assert sum(each["count"] for each in documents) == 600
    starts = Counter((each["windowStart"], each["part"]) for each in documents)
    assert set(starts.values()) == {2}
    assert {part for _, part in starts} == {1}


async def test_processors_are_taken_apart(settings):
    made = processing_of(settings("processing: {processors: [Anomaly, Aggregate, Sanitize]}\n"))
    assert [stage.name for stage in made.stages] == ["Anomaly", "Sanitize"]
    assert made.notices == ["Sanitize works on readings: it is done before Aggregate"]
    made = processing_of(settings("processing: {processors: [Schematize, Aggregate, Anomaly]}\n"))
    assert [stage.name for stage in made.stages] == ["Schematize"]
    assert processing_of(settings("")).aggregation is None


async def test_outlets_follow_the_configuration(tmp_path, settings):
    text = (
        "processing: {processors: [Anomaly], anomaly: {action: route}}\n"
        f"archive: {{path: '{tmp_path / 'archive'}', format: CSV, what: raw}}\n"
    )
    outlets = outlets_of(settings(text), SyncRequest(tmp_path), SystemClock())
    assert [(each.sink.name, each.wish, each.metered) for each in outlets] == [
        ("cosmos", Wish.ORDINARY, True), ("anomalies", Wish.ANOMALOUS, True), ("archive", Wish.RAW, False),
    ]  # fmt: skip
    same = "processing: {processors: [Anomaly], anomaly: {action: route, container: SensorReadings}}\n"
    with pytest.raises(ConfigError, match="container of all others"):
        outlets_of(settings(same), SyncRequest(tmp_path), SystemClock())


async def test_processors_change_with_the_service_and_not_with_the_connection(tmp_path, settings, data):
    built = []

    def build(settings, *, freshen):
        built.append(settings)
        return build_pipeline(settings, SyncRequest(tmp_path / "data"), SystemClock(), freshen=freshen)

    request = SyncRequest(tmp_path / "data")
    host = EngineHost(settings(""), request, SystemClock(), build=build)
    changed = settings(AGGREGATE + "archive: {path: elsewhere}\n")
    await host.apply(changed)
    assert "processing.processors" in (host.config_problem or "")
    assert "archive.path" in (host.config_problem or "")
    pinned = host._pinned(changed)
    assert pinned.processing.processors == ()
    assert pinned.archive.path is None
    await host.close()

"""Broken set-ups of files, of disks, and of what is done to readings."""

import os
import sqlite3
import time
from contextlib import closing

from tests.diagnostics.broken import WARNING, broken, space


@broken("no such data folder", "data", evidence=("no such file or folder",), remedy=("Name the folder",))
async def _(ground):
    ground.root.rmdir()
    return {}


@broken("a file that is no database", "files",
        evidence=("1 cannot be used", "London/B/sensor_data.db"), remedy=("Mend or move",))  # fmt: skip
async def _(ground):
    ground.sensor("A")
    ground.sensor("B").write_bytes(b"nothing like a database" * 400)
    return {}


@broken("damaged pages", "integrity", evidence=("London/A/sensor_data.db",), remedy=(".recover",))
async def _(ground):
    path = ground.sensor("A", rows=2000)
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 6 * 4096] = b"\xa5" * (3 * 4096)
    path.write_bytes(content)
    return {}


@broken("no synced column", "files", verdict=WARNING,
        evidence=("without the column `synced`", "London/A/sensor_data.db"),
        remedy=("ALTER TABLE sensor_readings ADD COLUMN synced",))  # fmt: skip
async def _(ground):
    path = ground.root / "London" / "A" / "sensor_data.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp, sensor_id)")
        db.execute("INSERT INTO sensor_readings VALUES (1, 1755000000.0, 'S')")
    return {}


@broken("a sensor that has stopped", "growth", verdict=WARNING,
        evidence=("London/B/sensor_data.db for 2 h",), remedy=("what their logs say",))  # fmt: skip
async def _(ground):
    ground.sensor("A")
    then = time.time() - 7200
    os.utime(ground.sensor("B"), (then, then))
    return {}


@broken("readings that nobody sends", "backlog",
        evidence=("20 readings not sent", "30 h old"), remedy=("service start",))  # fmt: skip
async def _(ground):
    ground.sensor("A", start=time.time() - 30 * 3600)
    return {}


@broken("no space left", "disk", evidence=("ledger", "10 MB of 100 GB free"), remedy=("Free some space",))
async def _(ground):
    return {"space": lambda _: space(free=10 << 20)}


@broken("no inodes left", "disk", evidence=("0% of inodes",), remedy=("inodes",))
async def _(ground):
    return {"space": lambda _: space(inodes_left=3)}


@broken("Parquet without pyarrow", "python",
        evidence=("archive.format: Parquet needs pyarrow", "not installed"),
        remedy=("sensor-tui[parquet]",))  # fmt: skip
async def _(ground):
    from sensor_tui.service.diagnostics import machine

    known = machine._is_installed
    ground.monkeypatch.setattr(machine, "_is_installed", lambda name: name != "pyarrow" and known(name))
    return {"settings": ground.settings_for(sections={"archive": {"path": str(ground.tmp_path)}})}


@broken("a rule for what is taken away before", "processors",
        evidence=("processing.sanitization.drop: humidity", "processing.anomaly.rules"),
        remedy=("Put Anomaly before Sanitize",))  # fmt: skip
async def _(ground):
    given = {
        "processors": ["Sanitize", "Anomaly"],
        "sanitization": {"drop": ["humidity"]},
        "anomaly": {"rules": {"humidity": {"max": 90}}},
    }
    return {"settings": ground.settings_for(sections={"processing": given})}


@broken("a file where the archive's folder should be", "archive",
        evidence=("is no folder",), remedy=("archive.path",))  # fmt: skip
async def _(ground):
    place = ground.tmp_path / "archive"
    place.write_text("")
    return {"settings": ground.settings_for(sections={"archive": {"path": str(place)}})}


@broken("a disk without room for the archive", "archive",
        evidence=("10 MB of 100 GB free",), remedy=("archive.path",))  # fmt: skip
async def _(ground):
    settings = ground.settings_for(sections={"archive": {"path": str(ground.tmp_path / "archive")}})
    return {"settings": settings, "space": lambda _: space(free=10 << 20)}

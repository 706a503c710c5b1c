"""Checks of files and of what is to become of their readings."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sensor_tui.errors import UsageError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.service.diagnostics import Diagnostics, of_request

OK, WARNING, FAILED, SKIPPED = (
    CheckVerdict.OK,
    CheckVerdict.WARNING,
    CheckVerdict.FAILED,
    CheckVerdict.SKIPPED,
)
HERE = Path(__file__).parents[2]
FILES = ["data", "files", "growth", "integrity", "backlog", "deadletters"]


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


async def test_all_is_well(context, sensor):
    sensor("A", start=time.time() - 60)
    sensor("B", generation="2025-04", wal=True, city="Paris", start=time.time() - 60)
    checks = await Diagnostics(context()).run_all(FILES)
    assert [check.verdict for check in checks] == [OK] * len(FILES)
    found = {check.name: check.evidence for check in checks}
    assert "2 files in 2 cities" in found["files"]
    assert "1 of layout 2025-04" in found["files"]
    assert "2 of 2 files" in found["growth"]
    assert "2 files sound" in found["integrity"]
    assert "40 readings not sent" in found["backlog"]


async def test_a_folder_that_is_not_there(context, root):
    root.rmdir()
    checks = await Diagnostics(context()).run_all(FILES)
    assert [check.verdict for check in checks] == [FAILED] + [SKIPPED] * (len(FILES) - 1)


async def test_files_that_were_not_named(settings_for):
    from sensor_tui.model.clock import SystemClock

    problem = UsageError("no sensor files were named", fix="Give --data-dir DIR")
    made = of_request(settings_for(), None, SystemClock(), problem=problem)
    checks = await Diagnostics(made).run_all(["python", *FILES, "service", "units", "disk"])
    by_name = {check.name: check for check in checks}
    assert by_name["data"].remedy == "Give --data-dir DIR"
    assert by_name["service"].verdict is SKIPPED
    assert by_name["python"].verdict is not SKIPPED


async def test_an_empty_folder(check):
    found = await check("files")
    assert (found.verdict, "--data-dir" in found.remedy) == (WARNING, True)
    assert (await check("growth")).verdict is SKIPPED
    assert (await check("integrity")).verdict is SKIPPED


async def test_a_file_that_is_no_database(check, sensor, root):
    sensor("A")
    (root / "London" / "notes.db").write_bytes(b"nothing" * 100)
    found = await check("files")
    assert found.verdict is FAILED
    assert "London/notes.db" in found.evidence


async def test_a_corrupt_file(check, sensor):
    path = sensor("A", rows=2000)
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 6 * 4096] = b"\xa5" * (3 * 4096)
    path.write_bytes(content)
    found = await check("integrity")
    assert found.verdict is FAILED
    assert "London/A/sensor_data.db" in found.evidence
    assert ".recover" in found.remedy


async def test_a_file_whose_name_is_no_text(context, sensor, root):
    sensor("A", start=time.time() - 60).rename(os.fsdecode(os.fsencode(root) + b"/London/\xff.db"))
    checks = await Diagnostics(context()).run_all(FILES)
    assert [check.verdict for check in checks] == [OK] * len(FILES)


async def test_a_sensor_that_has_stopped(check, sensor):
    sensor("A")
    age(sensor("B"), 7200)
    found = await check("growth")
    assert found.verdict is WARNING
    assert "London/B/sensor_data.db for 2 h" in found.evidence


async def test_a_backlog_that_is_old(check, sensor):
    now = time.time()
    sensor("A", start=now - 1800)
    assert (await check("backlog")).verdict is WARNING
    sensor("B", start=now - 30 * 3600)
    found = await check("backlog")
    assert found.verdict is FAILED
    assert "service start" in found.remedy


async def test_a_clock_that_is_ahead_is_named(check, sensor):
    """The age of what it writes says nothing."""
    now = time.time()
    sensor("A", start=now - 60)
    sensor("B", start=now + 3650 * 86400.0)
    found = await check("backlog")
    assert found.verdict is WARNING
    assert found.evidence.startswith("40 readings not sent")
    assert "London/B/sensor_data.db: its clock is 3650 d ahead" in found.evidence
    assert "London/A" not in found.evidence
    assert "Set the clock of these sensors" in found.remedy


async def test_a_clock_that_is_a_little_ahead_is_no_matter(check, sensor):
    sensor("A", start=time.time() + 60)
    assert (await check("backlog")).verdict is OK


async def test_an_old_backlog_comes_before_a_clock_that_is_ahead(check, sensor):
    now = time.time()
    sensor("A", start=now - 30 * 3600)
    sensor("B", start=now + 86400)
    assert (await check("backlog")).verdict is FAILED


async def test_a_table_that_is_not_tracked(check, root):
    path = root / "London" / "A" / "sensor_data.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp, sensor_id)")
        db.execute("INSERT INTO sensor_readings VALUES (1, 1755000000.0, 'S')")
    found = await check("files")
    assert (found.verdict, "without the column `synced`" in found.evidence) == (WARNING, True)
    assert "London/A/sensor_data.db" in found.evidence
    assert "ADD COLUMN synced" in found.remedy


async def test_dead_letters(check, settings_for, emulator, sensor, root):
    from sensor_tui.service.oneshot import sync_once
    from sensor_tui.service.request import SyncRequest

    path = sensor("A", rows=5)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE sensor_readings SET timestamp = 'never' WHERE id = 2")
    await sync_once(settings_for(emulator), SyncRequest(root))
    found = await check("deadletters")
    assert (found.verdict, "1 reading rejected" in found.evidence) == (WARNING, True)
    assert "deadletters list" in found.remedy


async def test_checks_write_nothing(context, sensor, root):
    sensor("A")
    sensor("B", wal=True)
    before = {str(each): each.stat().st_mtime_ns for each in root.rglob("*")}
    await Diagnostics(context()).run_all()
    assert {str(each): each.stat().st_mtime_ns for each in root.rglob("*")} == before

"""Readings by keyboard: uploads that are paused, letters that are dead, questions and checks."""

from datetime import UTC, datetime

import pytest

from sensor_tui.app.screens.dialogs import AskDialog, TextDialog
from sensor_tui.app.screens.logs_pick import PickDialog
from sensor_tui.app.screens.query_result import ResultGrid
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.model.check import CheckVerdict
from sensor_tui.model.progress import EngineState
from tests.live.stage import CITY, Stage


@pytest.fixture(scope="module")
def slow_stage():
    """It looks at the files seldom, unless it is told to."""
    with Stage(interval=600.0, sensors=(1,)) as one:
        yield one


def backlog_of(live, number):
    sensor = live.overview.sensors.get(f"LON_{number:06}\x00{CITY}")
    return None if sensor is None else sensor.backlog


async def test_pause_resume_and_sync_now(slow_stage, look_at):
    stage, engine = slow_stage, EngineState
    async with look_at(stage, start="uploads") as live:
        stage.write(1, 30)
        await live.until(lambda: backlog_of(live, 1) == 30)
        await live.press("n")
        await live.told("a round begins now")
        await live.until(lambda: backlog_of(live, 1) == 0)
        assert len(stage.endpoint.documents("LON_000001")) == 31

        await live.press("p")
        await live.until(lambda: live.overview.engine.state is engine.PAUSED)
        await live.until(lambda: "paused" in live.header)
        stage.write(1, 20, start=1_755_000_000.0)
        await live.until(lambda: backlog_of(live, 1) == 20)
        await live.see("Paused: nothing is read")
        assert len(stage.endpoint.documents("LON_000001")) == 31

        await live.press("r")
        await live.until(lambda: live.overview.engine.state in {engine.IDLE, engine.RUNNING})
        await live.press("n")
        await live.until(lambda: backlog_of(live, 1) == 0)
        await live.lose("Paused|paused")
        await live.see("Up to date")
    assert len(stage.endpoint.documents("LON_000001")) == 51


async def test_dead_letters_are_listed_read_retried_and_dropped(stage, look_at):
    path = stage.write(2, 2)
    async with look_at(stage, start="uploads") as live:
        await live.until(lambda: backlog_of(live, 2) == 0)
        before = live.overview.dead_letters
        assert before is not None
        for start in (1_755_000_000.0, 1_756_000_000.0):
            poison(stage, path, start)
        await live.until(lambda: live.overview.dead_letters == before + 2)

        await live.press("D")
        grid = live.screen.letters.grid
        await live.until(lambda: len(rows_of(grid, 2)) == 2)
        first, second = (row.key for row in rows_of(grid, 2))
        await live.see(r"LON_000002 .*temperature")

        grid.move_to(first)
        await live.press("enter")
        await live.until(lambda: isinstance(live.screen, TextDialog))
        await live.see(r"Sensor +LON_000002")
        await live.see(r"London/LON_000002/sensor_data.db, row 4")
        await live.see(r"sensor_id='LON_000002', temperature=inf")
        await live.press("escape")

        stage.query(path, "UPDATE sensor_readings SET temperature = 20.5 WHERE id = 4")
        grid.move_to(first)
        await live.press("space", "t")
        await live.told("1 dead letter will be sent again")
        await live.until(lambda: live.overview.dead_letters == before + 1)
        await live.until(lambda: len(stage.endpoint.documents("LON_000002")) == 4)

        await live.until(lambda: [row.key for row in rows_of(grid, 2)] == [second])
        grid.move_to(second)
        await live.press("space", "X")
        await live.until(lambda: isinstance(live.screen, AskDialog))
        await live.press("y")
        await live.told("1 dead letter dropped")
        await live.until(lambda: live.overview.dead_letters == before and not rows_of(grid, 2))
    assert stage.synced(path) == {1: 4, -1: 1}
    assert 20.5 in {each["temperature"] for each in stage.endpoint.documents("LON_000002")}


def poison(stage, path, start):
    """Add a reading with a temperature that nobody can accept."""
    changed = {"temperature": "9e999", "synced": "0", "timestamp": "?"}
    names = [name for _, name, *_ in stage.query(path, "PRAGMA table_info(sensor_readings)") if name != "id"]
    values = ", ".join(changed.get(name, name) for name in names)
    stage.query(
        path,
        f"INSERT INTO sensor_readings ({', '.join(names)}) SELECT {values} FROM sensor_readings WHERE id = 1",
        datetime.fromtimestamp(start, UTC).isoformat(),
    )


def rows_of(grid, number):
    return [row for row in grid.rows_shown if row.cells["sensor"].text == f"LON_{number:06}"]


async def ask(live, sql):
    """Run it and wait for the answer's grid."""
    before = live.screen.query_one(ResultGrid)
    await live.press("i")
    live.screen._editor.text = sql
    await live.press("ctrl+r")

    def answered():
        found = list(live.screen.query(ResultGrid))
        return found and found[0] is not before and live.screen._began is None and found[0]

    return await live.until(answered)


async def test_questions_to_a_file_and_to_the_endpoint(stage, look_at):
    path = stage.write(3, 24)
    async with look_at(stage, start="uploads") as live:
        await live.until(lambda: backlog_of(live, 3) == 0)
        live.app.show_query(str(path.relative_to(stage.root)))
        await live.see(r"LON_000003/sensor_data.db")
        await live.press("escape")
        sql = "SELECT id, round(temperature, 3) AS t, sensor_id FROM sensor_readings ORDER BY id DESC LIMIT 7"
        grid = await ask(live, sql)
        wanted = [[str(each) for each in row] for row in stage.query(path, sql)]
        shown = [[cell.text for cell in row.cells.values()] for row in grid.rows_shown]
        assert shown == wanted
        assert [column.title for column in grid.columns] == ["id", "t", "sensor_id"]
        await live.see(r"✓ 7 rows in")

        await live.press("escape", "f")
        dialog = await live.until(lambda: isinstance(live.screen, PickDialog) and live.screen)
        picker = dialog.query_one(Grid)
        picker.move_to(next(row.key for row in picker.rows_shown if "Cosmos" in str(row.cells)))
        await live.press("enter")
        await live.until(lambda: live.screen.NAME == "query" and live.screen._source is None)
        grid = await ask(live, "SELECT VALUE COUNT(1) FROM c WHERE c.sensorId = 'LON_000003'")
        assert [[cell.text for cell in row.cells.values()] for row in grid.rows_shown] == [["25"]]
        sql = "SELECT c.sqlite_id FROM c WHERE c.sensorId = 'LON_000003' AND c.sqlite_id > 20"
        grid = await ask(live, sql)
        found = sorted(cell.text for row in grid.rows_shown for cell in row.cells.values())
        assert found == ["21", "22", "23", "24", "25"]
        await live.see(r"5 rows in .* RU")


def made(live):
    """Verdicts by check, once all are made."""
    checks = live.screen._checks
    if not checks or live.screen._busy or any(each.check is None for each in checks.values()):
        return None
    return {name: each.check for name, each in checks.items()}


async def test_diagnostics_of_what_is_well_and_of_an_endpoint_that_is_gone(own_stage, look_at):
    stage = own_stage
    await stage.started("well-1", number=1)
    async with look_at(stage, start="diagnostics") as live:
        checks = await live.until(lambda: made(live))
        bad = {name: check for name, check in checks.items() if check.verdict is not CheckVerdict.OK}
        # `write` changes something, so only a command with --write makes it; the rest is not used here
        left_out = {"write", "images", "container-dns", "processors", "archive"}
        left_out |= {name for name in ("docker", "compose") if name in bad}
        assert {name: bad.pop(name).verdict for name in left_out} == dict.fromkeys(
            left_out, CheckVerdict.SKIPPED
        )
        assert bad == {}
        assert len(checks) >= 20

        stage.endpoint.stop()
        await live.until(lambda: live.overview.engine.state is EngineState.UNREACHABLE)
        before = {name: each.at for name, each in live.screen._checks.items()}
        await live.press("r")
        checks = await live.until(
            lambda: all(each.at != before[name] for name, each in live.screen._checks.items()) and made(live)
        )
        stage.endpoint.start()
        verdicts = {name: check.verdict for name, check in checks.items()}
        assert verdicts["connect"] is CheckVerdict.FAILED
        assert checks["connect"].remedy
        for name in ("clock", "key", "database", "container", "partition-key", "throughput", "write"):
            assert verdicts[name] is CheckVerdict.SKIPPED, name
        for name in ("python", "data", "files", "growth", "integrity", "endpoint", "dns"):
            assert verdicts[name] is CheckVerdict.OK, name
        assert verdicts["service"] in {CheckVerdict.FAILED, CheckVerdict.WARNING}
        await live.see(r"✗ failed .*Connection|Connection.*✗ failed|failed +.*Connection|Connection")

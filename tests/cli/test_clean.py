"""`sensor-tui clean`."""

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from sensor_tui.cli.clean_told import Narration
from sensor_tui.service.clean_run import CleanProgress
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from tests.clean.places import documents, fill

Run = Callable[..., Any]
HOSTILE = "Lon\x1b[2Jdon\u202e"


@pytest.fixture
def stocked(endpoint: Any) -> Callable[..., list[dict[str, Any]]]:
    """Put so many documents into a container of the endpoint."""

    def stock(count: int, container: str = "SensorReadings", **more: Any) -> list[dict[str, Any]]:
        emulator = endpoint.emulator
        options = CosmosOptions(endpoint=emulator.url, key=SecretStr(emulator.key), container=container)
        made = documents(count, **more)
        asyncio.run(fill(options, made))
        return made

    return stock


def fault(endpoint: Any, name: str, *arguments: Any, **match: Any) -> Any:
    async def add() -> Any:
        return getattr(endpoint.emulator.faults, name)(*arguments, **match)

    return endpoint._call(add())


def count(endpoint: Any, container: str = "SensorReadings") -> int:
    async def ask() -> int:
        return int(endpoint.emulator.count("SensorData", container))

    return int(endpoint._call(ask()))


def test_a_dry_run_counts_by_city_and_deletes_nothing(run: Run, endpoint: Any, stocked: Any) -> None:
    stocked(90, cities=["London", "Oslo", HOSTILE, "London", None, 7])
    done = run("clean", "--dry-run")
    assert done.code == 0
    assert "90 documents would be deleted from SensorData/SensorReadings in 127.0.0.1" in done.out
    assert "RU" in done.out
    assert [line.split() for line in done.out.splitlines()[1:2]] == [["London", "30"]]
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    facts = run("clean", "--dry-run", "--city", "Oslo", "--max-ru", "400", "--json").json
    assert (facts["count"], facts["cities"]) == (15, [{"city": "Oslo", "count": 15}])
    assert facts["condition"] == 'c["city"] = "Oslo"'
    assert 75 <= facts["estimated_request_units"] <= 150
    assert facts["estimated_seconds"] > 0
    every = run("clean", "--dry-run", "--json").json
    assert {json.dumps(each["city"]): each["count"] for each in every["cities"]} == {
        '"London"': 30, '"Oslo"': 15, json.dumps(HOSTILE): 15, "null": 15, "7": 15
    }  # fmt: skip
    assert count(endpoint) == 90


def test_yes_deletes_and_reports(run: Run, endpoint: Any, stocked: Any) -> None:
    made = stocked(1500)
    stocked(40, container="Neighbour")
    done = run("clean", "--filter", "c.anomalyFlag = 1", "--yes", "--json")
    assert done.code == 0
    anomalies = sum(document["anomalyFlag"] for document in made)
    assert (done.json["count"], done.json["deleted"], done.json["left"]) == (anomalies, anomalies, 0)
    assert done.json["condition"] == "(c.anomalyFlag = 1)"
    done = run("clean", "--yes")
    assert done.code == 0
    assert f"{1500 - anomalies:,} documents deleted" in done.out
    assert (count(endpoint), count(endpoint, "Neighbour")) == (0, 40)
    done = run("clean", "--container", "Neighbour", "--sensor", "S1", "--yes", "--json")
    assert (done.code, done.json["deleted"], count(endpoint, "Neighbour")) == (0, 8, 32)
    assert run("clean", "--yes").out == "There is nothing to delete.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--yes"),
        (["--read-only", "--yes"], "--read-only forbids"),
        (["--yes", "--filter", "1=1) OR (1=1"], "--filter is not one whole condition"),
        (["--yes", "--since", "yesterday"], "--since yesterday is not a time"),
        (["--yes", "--since", "2h", "--until", "7d"], "--since 2h is later than --until 7d"),
        (["--yes", "--city", "accra"], "No city 'accra'; there is 'Accra'"),
        (["--dry-run", "--city", "accra"], "No city 'accra'; there is 'Accra'"),
        (["--yes", "--since", "9999999d"], "years 1 to 9999"),
        (["--yes", "--filter", "c.city ~~ 3"], "does not understand the condition"),
    ],
)
def test_what_is_refused_deletes_nothing(
    run: Run, endpoint: Any, stocked: Any, arguments: list[str], words: str
) -> None:
    stocked(10)
    done = run("clean", *arguments)
    assert done.code == 2
    assert words in done.err
    assert done.out == ""
    assert count(endpoint) == 10


def test_a_read_only_dry_run_is_allowed(run: Run, stocked: Any) -> None:
    stocked(10)
    assert run("clean", "--read-only", "--dry-run").code == 0


def test_a_container_that_is_not_there_is_not_made(run: Run, endpoint: Any, stocked: Any) -> None:
    stocked(5)
    done = run("clean", "--container", "Other", "--yes")
    assert done.code == 3
    assert "does not exist" in done.err
    assert "--container" in done.err
    assert list(endpoint.emulator.store.containers) == [("SensorData", "SensorReadings")]


@pytest.mark.parametrize(("typed", "left", "code"), [("1,200", 0, 0), ("1201", 1200, 1)])
def test_the_count_has_to_be_typed(
    terminal: Callable[..., Any], endpoint: Any, stocked: Any, typed: str, left: int, code: int
) -> None:
    stocked(1200)
    asked = terminal("clean", "--no-color")
    drawn = asked.until("type their number")
    for told in ("127.0.0.1", "SensorData", "SensorReadings", "all documents", "1,200", "not sent again"):
        assert told in drawn
    asked.type(f"{typed}\r")
    ended, drawn = asked.end()
    assert ended == code
    assert ("1,200 documents deleted" if code == 0 else "Nothing was deleted.") in drawn
    assert count(endpoint) == left


def test_ctrl_c_at_the_question_deletes_nothing(
    terminal: Callable[..., Any], endpoint: Any, stocked: Any
) -> None:
    stocked(30)
    asked = terminal("clean", "--city", "London")
    assert 'c["city"] = "London"' in asked.until("type their number")
    asked.process.send_signal(signal.SIGINT)
    ended, drawn = asked.end()
    assert ended == 1
    assert "Nothing was deleted." in drawn
    assert count(endpoint) == 30


def test_interrupted_it_says_how_many_are_gone_and_left_and_goes_on(
    spawn: Any, endpoint: Any, stocked: Any
) -> None:
    stocked(6000)
    stocked(20, container="Neighbour")
    hold = fault(endpoint, "hold", "after", kind="bulk", nth=4, times=None)
    process = spawn("clean", "--yes", "--json")
    endpoint._call(hold.reached.wait())
    process.send_signal(signal.SIGINT)
    assert "Stopping" in process.stderr.readline()
    endpoint._loop.call_soon_threadsafe(hold.release.set)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    first = json.loads(out)
    assert first["interrupted"]
    assert first["deleted"] > 0 < first["left"] == count(endpoint)
    assert first["deleted"] + first["left"] == 6000
    again = spawn("clean", "--yes", "--json")
    out, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    second = json.loads(out)
    assert first["deleted"] + second["deleted"] == 6000
    assert (second["left"], count(endpoint), count(endpoint, "Neighbour")) == (0, 0, 20)


def test_killed_at_any_moment_it_goes_on(spawn: Any, endpoint: Any, stocked: Any) -> None:
    stocked(4000)
    stocked(20, container="Neighbour")
    known = 4000
    for when, nth in (("before", 1), ("after", 4), ("after", 9)):
        hold = fault(endpoint, "hold", when, kind="bulk", nth=nth, times=None)
        process = spawn("clean", "--yes")
        endpoint._call(hold.reached.wait())
        process.kill()
        process.communicate()
        endpoint._call(_clear(endpoint))
        left = count(endpoint)
        assert 0 < left <= known
        known = left
    done = spawn("clean", "--yes", "--json")
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    assert json.loads(out)["left"] == 0
    assert known > json.loads(out)["deleted"] - 1 > 0
    assert (count(endpoint), count(endpoint, "Neighbour")) == (0, 20)


class Turned:
    """A clock that is turned by hand."""

    time = 0.0

    def monotonic(self) -> float:
        return self.time


def moment(deleted: int, **changes: Any) -> CleanProgress:
    given = {"state": "deleting", "reason": "", "total": 1000, "deleted": deleted, "already_gone": 0}
    rates = {"rejected": 0, "docs_per_second": 100.0, "units_per_second": 533.0, "throttled_per_second": 0.0}
    return CleanProgress(**(given | rates | changes))


def test_without_a_terminal_a_line_tells_every_few_seconds(capfd: pytest.CaptureFixture[str]) -> None:
    clock: Any = Turned()
    told = Narration(clock)
    for second, deleted in ((1, 100), (4, 400), (6, 600), (8, 700), (12, 600), (13, 900)):
        clock.time = float(second)
        told.show(moment(deleted))
    clock.time = 30.0
    told.show(moment(950, docs_per_second=0.0, reason="429\x1b[2J", already_gone=3, rejected=2))
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        "deleting  600 of 1,000 deleted  100 docs/s  533 RU/s  4 s left",
        "deleting  900 of 1,000 deleted  100 docs/s  533 RU/s  1 s left",
        "deleting  950 of 1,000 deleted  3 gone already  2 refused  429\ufffd[2J",
    ]


def test_on_a_terminal_one_line_shows_how_far_it_is(
    terminal: Callable[..., Any], endpoint: Any, stocked: Any
) -> None:
    stocked(1500)
    hold = fault(endpoint, "hold", kind="bulk", nth=6, times=None)
    shown = terminal("clean", "--yes")
    drawn = shown.until("/1500")
    endpoint._loop.call_soon_threadsafe(hold.release.set)
    code, drawn = shown.end()
    assert code == 0
    assert "1500/1500" in drawn
    assert "1,500 documents deleted" in drawn


def test_an_account_that_refuses_is_told_with_what_was_done(run: Run, endpoint: Any, stocked: Any) -> None:
    stocked(1500)
    fault(endpoint, "answer", kind="bulk", status=403, nth=5, times=None)
    done = run("clean", "--yes", "--json")
    assert done.code == 3
    assert done.json["left"] == count(endpoint) > 0
    assert done.json["deleted"] == 1500 - count(endpoint)
    assert "forbids" in done.err
    assert "every minute" not in done.err


async def _clear(endpoint: Any) -> None:
    endpoint.emulator.faults.clear()


def test_the_helps_of_clean_and_cleanup_name_each_other(run: Run) -> None:
    assert "cleanup" in run("clean", "--help").out
    assert "'clean'" in run("cleanup", "--help").out

"""`sensor-tui monitor`: what it shows, and how it follows a service that comes and goes."""

import asyncio
import fcntl
import json
import os
import re
import signal
import socket
import struct
import termios
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
import pytest
from rich.cells import cell_len

from sensor_tui.cli.monitor import json_line
from sensor_tui.cli.monitor_facts import Choice, Facts, Link, Seen, Source, facts_of
from sensor_tui.cli.monitor_screen import Screen
from sensor_tui.cli.monitor_text import Line, block, cut, screen
from sensor_tui.cli.monitor_units import process_units
from sensor_tui.cli.monitor_watch import Watch
from sensor_tui.config import Settings
from sensor_tui.errors import ServiceError
from sensor_tui.fleet import labels
from sensor_tui.fleet.process_spec import save_spec
from sensor_tui.fleet.process_state import Record
from sensor_tui.fleet.process_table import birth
from sensor_tui.fleet.project import Project, remember
from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Health, HostState, Role, Unit, UnitSpec, UnitState, unit_id
from sensor_tui.service.client import Update
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.wire import EngineReport, PeerReport, SensorReport, StatusReport, TotalsReport
from tests.support.clock import JumpingClock
from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client

Run = Callable[..., Any]

AT = "2026-01-31T12:00:00.000Z"
HOSTILE = "\x1b[2J[bold]\u202eend\r\n"
KEYS = {
    "at", "source", "link", "note", "age_seconds", "engine", "summary", "cities", "sensors", "units",
    "trouble",
}  # fmt: skip
SUMMARY_KEYS = {
    "units", "states", "unhealthy", "restarts", "sensors", "readings_per_second", "backlog", "lag_seconds",
    "dead_letters", "docs_per_second", "request_units_per_second", "throttled_per_second", "accepted",
    "rejected", "retried", "errors",
}  # fmt: skip


def sensor(name: str, city: str = "London", **options: Any) -> SensorReport:
    facts: dict[str, Any] = {
        "backlog": 10,
        "lag_seconds": 5.0,
        "freshness_seconds": 1.0,
        "newest": "2026-01-31T11:59:59.000Z",
        "oldest_open": "2026-01-31T11:59:55.000Z",
        "rate": 2.0,
    }
    return SensorReport(sensor_id=name, city=city, source=f"{city}/{name}.db", **facts | options)


def unit(name: str, **options: Any) -> Unit:
    facts = {"role": Role.SENSOR, "state": UnitState.RUNNING, "city": "London"} | options
    return Unit(unit_id("here", "docker", name), "here", "docker", name, **facts)


def engine(state: EngineState = EngineState.RUNNING, **options: Any) -> EngineReport:
    facts = {
        "docs_per_second": 40.0,
        "request_units_per_second": 200.0,
        "throttled_per_second": 0.0,
        "totals": TotalsReport(accepted=100, rejected=2, retried=3),
        "pid": 7,
    }
    return EngineReport(state=state, version="1", attached=True, **facts | options)


REPORT = StatusReport(
    at=AT,
    backlog=25,
    lag_seconds=5.0,
    dead_letters=4,
    engine=engine(),
    sensors=(
        sensor("LON_000001"),
        sensor("LON_000002", rate=None, problem=f"not a database {HOSTILE}", dead_letters=1),
        sensor("MAN_000001", "Manila", backlog=5, rate=3.5),
    ),
    peers=(
        PeerReport(
            name="Manila", link=PeerLink.LIVE, engine=engine(docs_per_second=2.0), backlog=5, sensors=1
        ),
        PeerReport(name="Par\x1b[1mis", link=PeerLink.LOST, problem="does not answer", engine=engine()),
    ),
    hosts=(HostState("far", "docker", reachable=False, reason=HOSTILE),),
    units=(
        unit("sensor-london-1", sensor_id="LON_000001", health=Health.HEALTHY),
        unit("sensor-london-2", sensor_id="LON_000002", restarts=3, state=UnitState.FAILED, reason=HOSTILE),
        unit("sensor-manila-1", sensor_id="MAN_000001", city="Manila", health=Health.UNHEALTHY, restarts=1),
        unit(f"stray{HOSTILE}", city=None, role=Role.OTHER),
    ),
)


def seen(link: Link = Link.LIVE, report: StatusReport = REPORT) -> Seen:
    source = Source.FILES if link is Link.NONE else Source.SERVICE
    return Seen(report, source, link, "" if link is Link.LIVE else "why")


ALL = Choice()


def facts(link: Link = Link.LIVE, choice: Choice = ALL, *, elapsed: float = 0.0) -> Facts:
    return facts_of(seen(link), choice, elapsed=elapsed, now="2026-01-31T12:00:09Z")


def large(cities: int, each: int) -> StatusReport:
    names = [f"Città {city:02} 東京都" for city in range(cities)]
    return REPORT.model_copy(
        update={
            "sensors": tuple(sensor(f"LON_{at:06}", name) for name in names for at in range(each)),
            "units": tuple(
                unit(f"sensor-{city}-{at}", city=name, sensor_id=f"LON_{at:06}")
                for city, name in enumerate(names)
                for at in range(each)
            ),
        }
    )


def test_everything_is_added_up() -> None:
    total = facts().summary
    assert (total.units, total.states, total.unhealthy, total.restarts) == (
        4,
        {"running": 3, "failed": 1},
        1,
        4,
    )
    assert (total.sensors, total.readings_per_second, total.backlog, total.dead_letters) == (3, 5.5, 25, 4)
    assert (total.docs_per_second, total.request_units_per_second) == (42.0, 400.0)
    assert (total.accepted, total.rejected, total.retried) == (300, 6, 9)
    assert total.errors == len(facts().trouble) == 5
    assert [
        (each.city, each.sensors, each.running, each.backlog, each.problems) for each in facts().cities
    ] == [
        ("London", 2, 1, 20, 2),
        ("Manila", 1, 1, 5, 1),
    ]


def test_units_in_trouble_come_first_with_what_their_sensors_say() -> None:
    units = facts().units
    assert [each.name for each in units][:3] == ["sensor-london-2", "sensor-manila-1", "sensor-london-1"]
    assert (units[1].readings_per_second, units[1].backlog) == (3.5, 5)
    assert units[3].backlog is None


def test_what_is_not_meant_is_left_out_and_not_counted() -> None:
    for choice in (Choice.of(["manila"], []), Choice.of([], ["MAN_000001"])):
        found = facts(choice=choice)
        assert [each.sensor_id for each in found.sensors] == ["MAN_000001"]
        assert [each.name for each in found.units] == ["sensor-manila-1"]
        assert (found.summary.backlog, found.summary.dead_letters, found.summary.units) == (5, 0, 1)
        assert found.summary.docs_per_second == 42.0


@pytest.mark.parametrize(
    ("cities", "sensors", "said"),
    [
        (["nosuch"], [], "Nothing fits --city nosuch; there are London, Manila."),
        (
            ["Nosuch"],
            ["LON_000001"],
            "Nothing fits --city Nosuch --sensor LON_000001; there are London, Manila.",
        ),
        ([], ["X"], "Nothing fits --sensor X; there are LON_000001, LON_000002, MAN_000001."),
        (
            ["London"],
            ["MAN_000001"],
            "Nothing fits --city London --sensor MAN_000001; there are London, Manila.",
        ),
        (["london"], ["LON_000001"], ""),
        ([], [], ""),
    ],
)
def test_a_choice_that_nothing_fits_is_said(cities: list[str], sensors: list[str], said: str) -> None:
    assert facts(choice=Choice.of(cities, sensors)).note == said


def test_what_fits_is_named_as_far_as_there_is_room() -> None:
    many = facts_of(seen(Link.LOST, large(8, 1)), Choice.of(["x"], []), elapsed=0.0, now=AT)
    assert many.note.startswith("why Nothing fits --city x; there are Città 00 東京都, ")
    assert many.note.endswith(" and 3 more.")
    bare = REPORT.model_copy(update={"sensors": (), "units": ()})
    none = facts_of(seen(report=bare), Choice.of(["x"], []), elapsed=0.0, now=AT)
    assert none.note == "Nothing fits --city x; there is nothing yet."


def test_ages_go_on_while_it_answers_and_stand_still_where_it_does_not() -> None:
    live, lost = facts(elapsed=9.0), facts(Link.LOST, elapsed=9.0)
    assert (live.summary.lag_seconds, live.sensors[0].lag_seconds, live.age_seconds) == (14.0, 14.0, 0.0)
    assert (lost.summary.lag_seconds, lost.sensors[0].lag_seconds, lost.age_seconds) == (5.0, 5.0, 9.0)
    assert "NO ANSWER for 9 s" in block(lost, by="city")[0].text


def test_an_engine_that_cannot_send_is_trouble() -> None:
    refused = engine(EngineState.REFUSED, reason="the key is wrong", config_problem="config.yaml:3: bad")
    stuck = REPORT.model_copy(
        update={"engine": refused, "hosts": (), "peers": (), "units": (), "sensors": ()}
    )
    found = facts_of(seen(report=stuck), ALL, elapsed=0.0, now=AT)
    assert found.trouble == ("uploads are refused: the key is wrong", "config.yaml:3: bad")


def test_json_has_just_these_keys_and_is_one_harmless_line() -> None:
    text = json_line(facts())
    document = json.loads(text)
    assert document.keys() == KEYS
    assert document["summary"].keys() == SUMMARY_KEYS
    assert re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", text) is None
    for name in ("cities", "sensors", "units"):
        assert len({frozenset(each) for each in document[name]}) == 1


@pytest.mark.parametrize("by", ["city", "sensor"])
def test_text_of_others_is_harmless(by: str) -> None:
    for lines in (block(facts(), by=by), screen(facts(), by=by, width=80, height=24)):
        assert all(re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", line.text) is None for line in lines)
    assert any("not a database \ufffd[2J" in line.text for line in block(facts(), by=by))


@pytest.mark.parametrize("by", ["city", "sensor"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (60, 10), (30, 8), (10, 3), (1, 1)])
def test_a_screen_is_never_overrun(by: str, width: int, height: int) -> None:
    for report in (REPORT, large(30, 4), large(1, 1)):
        found = facts_of(seen(report=report), ALL, elapsed=0.0, now=AT)
        lines = screen(found, by=by, width=width, height=height)
        assert len(lines) <= height
        assert max(cell_len(line.text) for line in lines) <= width


def test_at_80_columns_all_is_seen_and_what_does_not_fit_is_counted() -> None:
    lines = [line.text for line in screen(facts(), by="city", width=80, height=24)]
    assert lines[0] == "sensor-tui monitor  2026-01-31T12:00:09Z  the service answers  running"
    assert lines[1] == "4 units: 3 running, 1 failed, 1 unhealthy, 4 restarts, 3 sensors"
    assert lines[2] == "readings 5.5/s  docs 42/s  RU 400/s  backlog 25  lag 5 s  dead 4  rejected 6"
    assert not any("…" in line for line in lines if line.startswith(("CITY", "UNIT", "London", "sensor-")))
    crowded = facts_of(seen(report=large(30, 4)), ALL, elapsed=0.0, now=AT)
    text = "\n".join(line.text for line in screen(crowded, by="sensor", width=80, height=24))
    assert len(re.findall(r"… \d+ more", text)) == 2


def test_text_is_cut_by_columns() -> None:
    assert cut("London", 6) == "London"
    assert cut("London", 4) == "Lon…"
    assert cell_len(cut("東京都東京都", 6)) <= 6


def test_what_stands_still_is_not_drawn_again(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Screen(plain=False)
    shown.draw([Line("one", "head"), Line("two"), Line("three", "bad")])
    assert capsys.readouterr().out.startswith("\x1b[H\x1b[J")
    shown.draw([Line("one", "head"), Line("TWO"), Line("three", "bad")])
    assert capsys.readouterr().out == "\x1b[2;1HTWO\x1b[K"
    shown.draw([Line("one", "head"), Line("TWO"), Line("three", "bad")])
    assert capsys.readouterr().out == ""
    shown.draw([Line("one", "head")])
    assert capsys.readouterr().out == "\x1b[2;1H\x1b[J"
    shown.size = lambda: (40, 10)  # type: ignore[method-assign]
    shown.draw([Line("one", "head")])
    assert capsys.readouterr().out == "\x1b[H\x1b[J\x1b[1;1H\x1b[1mone\x1b[0m\x1b[K"


def test_processes_are_known_by_what_was_remembered_of_them(tmp_path: Path) -> None:
    running = Record(True, UnitState.RUNNING, "", os.getpid(), birth(os.getpid()), 1.0, 2, 0, None)
    for name, record in {
        "alive": running,
        "gone": replace(running, birth="another"),
        "waiting": replace(running, state=UnitState.BACKOFF, pid=None, reason="is started again at noon"),
        "stopped": Record(),
    }.items():
        save_spec(tmp_path / f"{name}.json", UnitSpec(name, ("true",), city="London", sensor_id="LON_000001"))
        (tmp_path / f"{name}.state").write_bytes(record.encoded())
    (tmp_path / "broken.json").write_text("{")
    found = {each.name: each for each in process_units(tmp_path)}
    assert {name: str(each.state) for name, each in found.items()} == {
        "alive": "running",
        "broken": "created",
        "gone": "unknown",
        "stopped": "created",
        "waiting": "backoff",
    }
    assert (found["alive"].id, found["alive"].restarts) == (
        unit_id(socket.gethostname(), "process", "alive"),
        2,
    )
    assert "no service saw how it ended" in found["gone"].reason
    assert "no service is there" in found["waiting"].reason
    assert "cannot be read" in found["broken"].reason
    assert process_units(tmp_path / "missing") == []


def test_without_a_service_files_and_units_are_looked_at_and_it_says_so(run: Run, readings: Any) -> None:
    readings(12)
    readings(8, city="Manila", generation="2025-04")
    folder = Path("data/.sensor-tui/units")
    folder.mkdir(parents=True)
    save_spec(folder / "sensor-1.json", UnitSpec("sensor-1", ("true",), city="London"))
    done = run("monitor", "--once", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    assert done.json.keys() == KEYS
    assert (done.json["source"], done.json["link"]) == ("files", "none")
    assert "not known without a service" in done.json["note"]
    assert [unit["name"] for unit in done.json["units"]] == ["sensor-1"]
    total = done.json["summary"]
    assert (total["backlog"], total["readings_per_second"], total["docs_per_second"]) == (20, None, None)

    done = run("monitor", "--once", "--by", "sensor", "--city", "manila")
    assert (done.code, done.err) == (0, "")
    assert "no service is running" in done.out
    assert "backlog 8" in done.out
    assert "London" not in done.out
    assert "\x1b" not in done.out


def test_nothing_that_fits_and_no_files_are_said(run: Run, readings: Any) -> None:
    Path("data").mkdir()
    done = run("monitor", "--once")
    assert done.code == 0
    assert f"No sensor database was found in {Path('data').absolute()}" in " ".join(done.out.split())
    assert run("monitor", "--once", "--json").json["note"].startswith("No sensor database was found in ")
    readings(3)
    for option in ([], ["--json"]):
        done = run("monitor", "--once", "--city", "nosuch", *option)
        assert (done.code, done.out) == (2, "")
        assert "Nothing fits --city nosuch; there are London" in done.err


class Dying:
    """A service that tells how it stands, and then breaks off in one way or the other."""

    def __init__(self, broken: ServiceError | Update) -> None:
        self.broken = broken
        self.asked = 0
        self.again = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def events(self) -> AsyncGenerator[Update, None]:
        self.asked += 1
        if self.asked == 1:
            yield Update("snapshot", REPORT)
        else:
            self.again.set()
        if isinstance(self.broken, ServiceError):
            raise self.broken
        yield self.broken


@pytest.mark.parametrize("raised", [True, False])
async def test_words_of_the_http_library_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: bool
) -> None:
    words = "[Errno 111] Connection refused"
    broken: Any = Update("lost", REPORT, problem=words, why="nothing listens there")
    if raised:
        broken = ServiceError(f"The service does not answer: {words}", fix="")
        broken.__cause__ = httpx.ConnectError(words)
    dying = Dying(broken)
    monkeypatch.setattr("sensor_tui.service.attach.attach", lambda *_: dying)
    told: list[str] = []
    watch = Watch(Settings(), SyncRequest(tmp_path), JumpingClock(), interval=1.0, tell=told.append)
    running = asyncio.ensure_future(watch.run())
    await dying.again.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert told == [
        "The service does not answer: nothing listens there; what was known last is shown for now."
    ]


def test_a_folder_that_is_not_there_is_wrong_usage(run: Run) -> None:
    assert run("monitor", "--once").code == 2
    assert run("monitor", "--interval", "0").code == 2


def test_a_service_is_followed_lost_and_found_again(
    run: Run, spawn: Any, endpoint: Any, readings: Any
) -> None:
    readings(30)
    serving = ("sync", "--data-dir", "data", "--continuous", "--interval", "0.2")
    service = spawn(*serving)
    endpoint.wait_for_documents(30)
    watching = spawn("monitor", "--json", "--interval", "0.2")

    def until(look: Callable[[Any], bool]) -> Any:
        while True:
            text = watching.stdout.readline()
            assert text, watching.stderr.read()
            document = json.loads(text)
            if look(document):
                return document

    found = until(lambda each: each["link"] == "live" and each["summary"]["backlog"] == 0)
    assert found["engine"]["pid"] == service.pid
    assert found["summary"]["accepted"] == 30
    assert (found["source"], found["note"], found["age_seconds"]) == ("service", "", 0)

    once = run("monitor", "--once")
    assert (once.code, once.err) == (0, "")
    assert "the service answers" in once.out

    service.send_signal(signal.SIGTERM)
    found = until(lambda each: each["link"] == "none")
    assert (found["source"], found["summary"]["backlog"], found["summary"]["accepted"]) == ("files", 0, None)
    assert service.wait(30) == 0

    service = spawn(*serving)
    assert until(lambda each: each["link"] == "live")["engine"]["pid"] == service.pid
    service.kill()
    until(lambda each: each["link"] == "none")

    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 0
    told = watching.stderr.read()
    assert told.count("The service answers again.") == 1
    assert told.count("No service runs any more") == 2
    assert "Traceback" not in told


def test_on_a_terminal_it_is_drawn_in_place_and_gives_the_terminal_back(terminal: Any, readings: Any) -> None:
    readings(5)
    shown = terminal("monitor", "--interval", "0.2", "--debug")
    shown.until("backlog 5")
    assert "…" not in shown.until("\x1b[1;1H")
    fcntl.ioctl(shown.screen, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    shown.process.send_signal(signal.SIGWINCH)
    shown.until("…\x1b[0m\x1b[K")
    shown.process.send_signal(signal.SIGINT)
    code, drawn = shown.end()
    assert code == 0
    assert drawn.startswith("\x1b[?1049h")
    inside, given_back, _ = drawn.partition("\x1b[?7h\x1b[?25h\x1b[?1049l")
    assert given_back
    assert re.search(r"Z (DEBUG|INFO|WARNING|ERROR) ", inside) is None
    assert "\x1b[31m" in drawn
    assert "Traceback" not in drawn


@pytest.mark.parametrize(("env", "arguments"), [({"TERM": "dumb"}, ()), ({}, ("--plain",))])
def test_plain_is_lines_without_colour_or_movement(
    terminal: Any, readings: Any, env: dict[str, str], arguments: tuple[str, ...]
) -> None:
    readings(5)
    shown = terminal("monitor", "--interval", "0.2", *arguments, env=env)
    while shown.drawn.count("sensor-tui monitor  2") < 2:
        assert shown._read()
    shown.process.send_signal(signal.SIGTERM)
    code, drawn = shown.end()
    assert code == 0
    assert "\x1b" not in drawn
    assert "backlog 5" in drawn


def test_without_colours_it_is_drawn_in_place_all_the_same(terminal: Any, readings: Any) -> None:
    readings(5)
    shown = terminal("monitor", env={"NO_COLOR": "1"})
    shown.until("backlog 5")
    shown.process.send_signal(signal.SIGINT)
    code, drawn = shown.end()
    assert code == 0
    assert "\x1b[1;1H" in drawn
    assert re.search(r"\x1b\[[0-9;]*m", drawn) is None


@pytest.fixture
def container() -> Iterator[tuple[str, str]]:
    """A container of a project of its own: names of the project and the container."""
    require_component("docker")
    project = f"h8-monitor-{uuid4().hex[:12]}"
    client = engine_client()
    try:
        running = client.containers.run(
            busybox_image(client), ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"], detach=True,
            name=f"{project}-sensor-rome-1", network_mode="none",
            labels={labels.PROJECT: project, labels.ROLE: "sensor", labels.CITY: "Rome",
                    labels.SENSOR: "ROM_000001", labels.COMPOSE_SERVICE: "sensor-rome-1"},
        )  # fmt: skip
        try:
            yield project, "sensor-rome-1"
        finally:
            running.remove(force=True)
    finally:
        client.close()


def test_containers_are_seen_without_a_service(run: Run, readings: Any, container: tuple[str, str]) -> None:
    readings(5, city="Rome")
    project, name = container
    remember(Path("data/.sensor-tui").absolute(), Project(project))
    found = run("monitor", "--once", "--json").json
    assert [
        (unit["name"], unit["runtime"], unit["state"], unit["city"], unit["sensor_id"])
        for unit in found["units"]
    ] == [(name, "docker", "running", "Rome", "ROM_000001")]
    assert found["summary"]["states"] == {"running": 1}
    assert [(city["city"], city["units"], city["running"]) for city in found["cities"]] == [("Rome", 1, 1)]
    done = run("monitor", "--once", "--json", "--city", "London")
    assert (done.code, "Nothing fits --city London; there are Rome" in done.err) == (2, True)


def test_an_engine_that_does_not_answer_is_said(
    run: Run, readings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(5)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{Path('nobody.sock').absolute()}")
    remember(Path("data/.sensor-tui").absolute(), Project("some"))
    found = run("monitor", "--once", "--json").json
    assert found["summary"]["backlog"] == 5
    assert any("cannot be reached" in line for line in found["trouble"])

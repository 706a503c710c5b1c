"""`sensor-tui units`, what is done to units, and their `logs`, against a service made up here."""

import asyncio
import json
import signal
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sensor_tui.cli.lazy import Lazy
from sensor_tui.cli.main import COMMANDS
from sensor_tui.errors import FleetError
from sensor_tui.model.action import ActionKind, ActionRun, Plan, PlanItem, Proof, Step, UnitOutcome
from sensor_tui.model.unit import HostState, LogLine, Role, Unit, UnitSpec, UnitState, UnitStats, unit_id
from sensor_tui.service.caller import adapter
from sensor_tui.service.wire import (
    PROTOCOL,
    PROTOCOL_HEADER,
    EngineReport,
    Goodbye,
    Problem,
    Snapshot,
    StatusReport,
)
from sensor_tui.service.wire_asks import ActionRequest

Run = Callable[..., Any]
HEADERS = {PROTOCOL_HEADER: str(PROTOCOL)}
NOW = "2026-01-31T12:00:00Z"
EPOCH = 1_769_860_800.0
HOSTILE = "\x1b[2J[bold]\u202e"


def unit(name: str, **options: Any) -> Unit:
    host = options.pop("host", "here")
    facts = {"role": Role.SENSOR, "state": UnitState.RUNNING, "city": "London"} | options
    return Unit(unit_id(host, "process", name), host, "process", name, **facts)


@dataclass
class Service:
    """Answers as a service would; `steps` are the outcomes an action goes through, unit by unit."""

    units: list[Unit] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    items: dict[str, PlanItem] = field(default_factory=dict)
    steps: list[dict[str, UnitOutcome]] = field(default_factory=list)
    lines: list[list[LogLine]] = field(default_factory=list)
    refuses: FleetError | None = None
    forgets: bool = False
    breaks: bool = False
    hangs: bool = False
    deaf: bool = False
    run: ActionRun | None = None
    at_step: Callable[[], None] = lambda: None
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    streams: int = 0

    def report(self, *, instance: str = "one") -> StatusReport:
        return StatusReport(
            instance=instance,
            at=NOW,
            backlog=0,
            lag_seconds=None,
            dead_letters=0,
            engine=EngineReport(state="running", version="0", attached=True),
            sensors=(),
            hosts=(HostState("far", "docker", reachable=False, reason=f"{HOSTILE} gone"),),
            units=tuple(self.units),
            stats=(UnitStats(self.units[0].id, EPOCH, 12.5, 34_000_000),) if self.units else (),
            actions=() if self.run is None or self.forgets else (self.run,),
        )

    async def status(self, _: web.Request) -> web.Response:
        return answer(self.report())

    async def add(self, request: web.Request) -> web.Response:
        spec = adapter(UnitSpec).validate_json(await request.read())
        self.asked.append(("add", spec))
        if self.refuses is not None:
            problem = Problem(error=self.refuses.message, title="Fleet", exit_code=1)
            return web.Response(status=409, body=problem.model_dump_json(), headers=HEADERS)
        return answer(unit(spec.name, state=UnitState.CREATED))

    async def plan(self, request: web.Request) -> web.Response:
        wanted = ActionRequest.model_validate_json(await request.read())
        self.asked.append(("plan", wanted))
        named = {each.id: each.name for each in self.units}
        items = [self.items.get(named[each], PlanItem(each, named[each], unsent=0)) for each in wanted.units]
        return answer(Plan(wanted.kind, items, wanted.options))

    async def act(self, request: web.Request) -> web.Response:
        wanted = ActionRequest.model_validate_json(await request.read())
        self.asked.append(("act", wanted))
        named = {each.id: each.name for each in self.units}
        outcomes = [UnitOutcome(each, named[each]) for each in wanted.units]
        self.run = ActionRun("a1", wanted.kind, "me", EPOCH, outcomes)
        return answer(self.run)

    async def cancel(self, request: web.Request) -> web.Response:
        assert self.run is not None
        self.asked.append(("cancel", request.match_info["id"]))
        self.run = replace(self.run, cancelled=True)
        if not self.deaf:
            self.cancelled.set()
        return answer(self.run)

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.streams += 1
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)

        async def send(event: Snapshot | Goodbye) -> None:
            await response.write(event.model_dump_json().encode() + b"\n")

        sequence = 0
        for step in self.steps:
            assert self.run is not None
            named = {each.name: each for each in self.run.outcomes} | step
            self.run = replace(self.run, outcomes=list(named.values()))
            sequence += 1
            await send(Snapshot(sequence=sequence, status=self.report()))
            self.at_step()
        if self.hangs:
            await self.cancelled.wait()
        if self.breaks and self.streams == 1:
            await response.write_eof()
            return response
        if self.run is not None:
            self.run = replace(self.run, ended=EPOCH)
        instance = "two" if self.forgets else "one"
        await send(Snapshot(sequence=sequence + 1, status=self.report(instance=instance)))
        return response

    async def logs(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("logs", dict(request.query) | {"unit": request.query.getall("unit")}))
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        for batch in [[], *self.lines]:
            await response.write(adapter(list[LogLine]).dump_json(batch) + b"\n")
        return response


def answer(value: Any) -> web.Response:
    return web.Response(body=adapter(type(value)).dump_json(value), headers=HEADERS)


@pytest.fixture(autouse=True)
def _commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "units", Lazy("sensor_tui.cli.units:units", ""))
    monkeypatch.setitem(COMMANDS, "logs", Lazy("sensor_tui.cli.unit_logs:logs", ""))
    for name in ActionKind:
        monkeypatch.setitem(COMMANDS, str(name), Lazy(f"sensor_tui.cli.unit_actions:{name}", ""))


@pytest.fixture
def service() -> Iterator[Service]:
    """A service of ./data, in a thread of its own."""
    made = Service([unit("sensor-1", sensor_id="LON_000001"), unit("sensor-2", city="Manila")])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(work: Awaitable[Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)  # type: ignore[arg-type]

    app = web.Application()
    app.add_routes(
        [
            web.get("/v1/status", made.status),
            web.get("/v1/events", made.events),
            web.get("/v1/logs", made.logs),
            web.post("/v1/units", made.add),
            web.post("/v1/plan", made.plan),
            web.post("/v1/actions", made.act),
            web.post("/v1/actions/{id}/cancel", made.cancel),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    state = Path("data/.sensor-tui")
    state.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        socket = Path(short) / "s"
        (state / "service.socket-path").write_text(f"{socket}\n")
        call(runner.setup())
        call(web.UnixSite(runner, str(socket)).start())
        yield made
        call(runner.cleanup())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def asked(service: Service, what: str) -> list[Any]:
    return [about for name, about in service.asked if name == what]


def done(name: str, **changes: Any) -> dict[str, UnitOutcome]:
    return {name: UnitOutcome(unit_id("here", "process", name), name, Step.DONE, **changes)}


def test_without_a_service_it_says_how_to_start_one(run: Run) -> None:
    Path("data").mkdir()
    Path("sensor-tui.yaml").write_text('fleet: {hosts: ["unix:///run/no-docker-for-this-test.sock"]}')
    for command in (("units",), ("start", "x"), ("logs",), ("units", "add", "x", "--", "true")):
        result = run(*command)
        assert result.code == 3
        assert "no service runs for" in result.err
        assert "sensor-tui service start" in result.err


def test_units_as_a_table(run: Run, service: Service) -> None:
    service.units += [
        unit(
            "sensor-1",
            host="far",
            state=UnitState.BACKOFF,
            reason=HOSTILE,
            restarts=3,
            started_at=EPOCH - 300,
        )
    ]
    result = run("units")
    assert result.code == 0
    assert "3 units, 2 running, 1 backoff" in result.out
    assert "far/docker cannot be reached: " in result.out
    assert "\x1b" not in result.out
    rows = {
        line.split()[0]: line for line in result.out.splitlines() if "process/" in line or "Manila" in line
    }
    assert rows["here/process/sensor-1"].split()[1:5] == ["running", "sensor", "London", "LON_000001"]
    assert rows.keys() == {"here/process/sensor-1", "far/process/sensor-1", "sensor-2"}
    assert "12 %" in result.out
    assert "34 MB" in result.out
    assert "5 min" in rows["far/process/sensor-1"]
    assert rows["far/process/sensor-1"].endswith("\ufffd[2J[bold]\ufffd")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], ["sensor-1", "sensor-2", "up"]),
        (["--city", "london"], ["sensor-1"]),
        (["--role", "uploader"], ["up"]),
        (["--state", "failed", "--state", "running"], ["sensor-1", "sensor-2", "up"]),
        (["--state", "failed"], ["up"]),
        (["--city", "Paris"], []),
    ],
)
def test_filters_and_json(run: Run, service: Service, options: list[str], names: list[str]) -> None:
    service.units += [unit("up", role=Role.UPLOADER, state=UnitState.FAILED, city=None)]
    report = run("units", "list", *options, "--json").json
    assert [each["name"] for each in report["units"]] == names
    assert report["hosts"][0]["reachable"] is False
    assert all({"id", "cpu_percent", "memory_bytes", "state"} <= each.keys() for each in report["units"])
    text = run("units", *options).out
    assert all(name in text for name in names)


def test_an_empty_fleet_says_what_to_do(run: Run, service: Service) -> None:
    service.units = []
    assert "Add one with 'sensor-tui units add" in run("units").out
    result = run("stop", "--all")
    assert (result.code, result.out) == (0, "")
    assert "There are no units" in result.err
    assert "There are no units" in run("logs", "--no-follow").err
    assert run("start", "--all", "--json").json == {"kind": "start", "outcomes": []}
    assert run("stop", "--all", "--json", "--dry-run").json == {"kind": "stop", "items": []}


def test_adding_a_process(run: Run, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    inside = Path("data/London/LON_000009").absolute()
    result = run(
        *("units", "add", "sensor-9", "--city", "London", "--sensor-id", "LON_000009", "--data", inside),
        *("--env", "A=b=c", "--env", "SECRET", "--cwd", "data", "--project", "p", "--no-restart"),
        *("--", "run", "--rate", "1", "--json"),
    )
    assert result.code == 0
    assert result.out == "Added here/process/sensor-9. Start it with 'sensor-tui start sensor-9'.\n"
    assert asked(service, "add") == [
        UnitSpec(
            "sensor-9",
            ("run", "--rate", "1", "--json"),
            cwd=str(Path("data").absolute()),
            environment={"A": "b=c", "SECRET": "s3cret"},
            city="London",
            project="p",
            sensor_id="LON_000009",
            data="London/LON_000009",
            restart=False,
        )
    ]
    assert run("units", "add", "x", "--json", "--", "true").json["id"] == "here/process/x"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["x"], "Missing argument"),
        (["x", "--env", "NOT_SET_HERE", "--", "true"], "there is no such variable here"),
        (["x", "--env", "=a", "--", "true"], "a variable has no name"),
        (["x", "--data", "/etc/passwd", "--", "true"], "is not inside"),
        (["x", "--role", "boss", "--", "true"], "boss"),
    ],
)
def test_what_cannot_be_added(run: Run, service: Service, arguments: list[str], told: str) -> None:
    result = run("units", "add", *arguments)
    assert result.code == 2
    assert told in result.err
    assert not service.asked


def test_what_the_service_refuses(run: Run, service: Service) -> None:
    service.refuses = FleetError("there is another unit 'x'")
    result = run("units", "add", "x", "--", "true")
    assert (result.code, result.err) == (1, "sensor-tui: Fleet: there is another unit 'x'.\n")


@pytest.mark.parametrize("name", ["sensor-1", "LON_000001", "here/process/sensor-1"])
def test_start_follows_to_the_proof(run: Run, service: Service, name: str) -> None:
    starting = UnitOutcome("here/process/sensor-1", "sensor-1", Step.STARTING)
    service.steps = [{"sensor-1": starting}, {"sensor-1": replace(starting, step=Step.PROVING)}]
    service.steps.append(done("sensor-1", proof=Proof.PROVEN))
    result = run("start", name)
    assert result.code == 0
    assert result.err.splitlines() == ["sensor-1: starting", "sensor-1: proving", "sensor-1: done, proven"]
    assert result.out.splitlines()[0] == "start: 1 unit done"
    assert asked(service, "act")[0].units == ("here/process/sensor-1",)


def test_what_is_not_proven_or_failed_is_exit_code_one(run: Run, service: Service) -> None:
    failed = UnitOutcome("here/process/sensor-2", "sensor-2", Step.FAILED, f"boom {HOSTILE}")
    service.steps = [done("sensor-1", proof=Proof.NOT_PROVEN, missing="no reading"), {"sensor-2": failed}]
    result = run("start", "--all")
    assert result.code == 1
    assert "start: 1 unit done, 2 failed or not proven" in result.out
    assert "\x1b" not in result.out + result.err
    assert "sensor-1: done, not proven: no reading" in result.err
    report = run("start", "--all", "--json")
    assert (report.code, report.json["failed"], report.json["outcomes"][0]["missing"]) == (1, 2, "no reading")


def test_options_reach_the_service(run: Run, service: Service) -> None:
    service.steps = [done("sensor-2")]
    numbers = ("--batch", 2, "--pause", 1.5, "--drain-timeout", 7, "--grace", 3, "--prove-timeout", 9)
    numbers += ("--stop-when-late", 20)
    flags = ("--no-drain", "--wipe-data", "--stop-on-failure", "--no-prove", "--no-prompt")
    assert run("reset", "--all", "--city", "manila", *numbers, *flags).code == 0
    options = asked(service, "act")[0].options
    assert (options.batch, options.pause, options.drain_timeout, options.grace) == (2, 1.5, 7, 3)
    assert (options.drain, options.wipe_data, options.stop_on_failure, options.prove) == (
        False,
        True,
        True,
        False,
    )
    assert (options.prove_timeout, options.stop_when_late) == (9, 20)
    assert asked(service, "act")[0].units == ("here/process/sensor-2",)


@pytest.mark.parametrize("verb", ["stop", "restart", "reset", "remove"])
def test_without_a_terminal_it_needs_yes(run: Run, service: Service, verb: str) -> None:
    service.items = {"sensor-1": PlanItem("here/process/sensor-1", "sensor-1", unsent=1234)}
    result = run(verb, "sensor-1")
    assert result.code == 2
    assert "--yes" in result.err
    assert "1,234 unsent readings would be sent first, for at most 30 s each, or later" in result.err
    assert not asked(service, "act")
    service.steps = [done("sensor-1")]
    assert run(verb, "sensor-1", "--yes").code == 0


@pytest.mark.parametrize(
    ("item", "arguments", "told"),
    [
        ({"unsent": 5, "destroys": True}, ["--wipe-data", "--no-drain"], "5 unsent readings would be LOST"),
        ({"unsent": 5, "destroys": True}, ["--wipe-data"], "sent first, for at most 30 s each, and kept"),
        ({"unsent": 5}, ["--no-drain"], "5 unsent readings would be sent later"),
        ({"unsent": None}, [], "an unknown number of readings would be sent first"),
        ({"unsent": 0}, [], "no reading is unsent"),
        ({"unsent": 0, "applies": False, "note": "it is away"}, [], "nothing to do; it is away"),
    ],
)
def test_a_dry_run_shows_the_plan_and_does_nothing(
    run: Run, service: Service, item: dict[str, Any], arguments: list[str], told: str
) -> None:
    service.items = {"sensor-1": PlanItem("here/process/sensor-1", "sensor-1", **item)}
    result = run("remove", "sensor-1", *arguments, "--dry-run")
    assert (result.code, result.err) == (0, "")
    assert told in result.out
    facts = run("remove", "sensor-1", *arguments, "--dry-run", "--json").json
    assert facts["unsent"] == item["unsent"]
    assert facts["items"][0]["name"] == "sensor-1"
    assert not asked(service, "act")


def test_what_has_nothing_to_do_is_not_asked_about(run: Run, service: Service) -> None:
    skipped = UnitOutcome("here/process/sensor-1", "sensor-1", Step.SKIPPED, "it is not running")
    service.items = {"sensor-1": PlanItem("here/process/sensor-1", "sensor-1", applies=False, unsent=0)}
    service.steps = [{"sensor-1": skipped}]
    result = run("stop", "sensor-1")
    assert (result.code, result.err) == (0, "sensor-1: skipped, it is not running\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["restart"], "which units to restart is not clear"),
        (["remove", "sensor-1", "--all"], "not clear"),
        (["stop", "sensor-1", "--all"], "exclude each other"),
        (["stop", "sensor-1", "--city", "London"], "--city goes with --all"),
        (["stop", "--all", "--city", "Paris"], "Cities of units: London, Manila"),
        (["stop", "sensor1"], "Did you mean 'sensor-1'?"),
        (["stop", "zzz"], "'sensor-tui units' lists them"),
        (["stop", "both"], "may be any of far/process/both, here/process/both"),
        (["stop", "sensor-1", "--batch", "0"], "--batch"),
        (["logs", "zzz"], "there is no unit 'zzz'"),
        (["logs", "--invert"], "--invert goes with --grep"),
        (["logs", "--grep", "("], "no regular expression"),
        (["logs", "--tail", "-1"], "a number of lines or 'all'"),
        (["logs", "--since", "soon"], "--since soon is not a time"),
    ],
)
def test_wrong_usage(run: Run, service: Service, arguments: list[str], told: str) -> None:
    service.units += [unit("both"), unit("both", host="far")]
    result = run(*arguments)
    assert result.code == 2
    assert told in result.err
    assert not asked(service, "act")


def test_a_connection_that_breaks_meanwhile_is_mended(run: Run, service: Service) -> None:
    service.steps, service.breaks = [done("sensor-1")], True
    result = run("start", "sensor-1")
    assert result.code == 0
    assert "the service ended the stream" in result.err


def test_a_service_that_was_started_anew_has_forgotten_it(run: Run, service: Service) -> None:
    service.forgets = True
    result = run("start", "sensor-1")
    assert result.code == 3
    assert "no longer knows how 'start' went" in result.err


@pytest.mark.parametrize("deaf", [False, True])
def test_ctrl_c_cancels_and_a_second_one_leaves(spawn: Any, service: Service, *, deaf: bool) -> None:
    waiting = threading.Event()
    service.steps, service.hangs, service.deaf = [done("sensor-1")], True, deaf
    service.at_step = waiting.set
    process = spawn("start", "--all")
    assert waiting.wait(30)
    assert process.stderr.readline() == "sensor-1: done\n"
    process.send_signal(signal.SIGINT)
    assert "Cancelling: what has begun is finished" in process.stderr.readline()
    if deaf:
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, "cancelled" in out) == ((130, False) if deaf else (1, True))
    assert deaf or asked(service, "cancel") == ["a1"]


def test_the_question_on_a_terminal(terminal: Any, service: Service) -> None:
    service.items = {"sensor-1": PlanItem("here/process/sensor-1", "sensor-1", unsent=7)}
    service.steps = [done("sensor-1")]
    for typed, code, told in (("n\n", 1, "Nothing was done."), ("y\n", 0, "stop: 1 unit done")):
        shown = terminal("stop", "sensor-1")
        shown.until("[y/N]")
        shown.type(typed)
        ended, drawn = shown.end()
        assert (ended, told in drawn, "7 unsent readings" in drawn) == (code, True, True)
        assert "\ufffd" not in drawn
    assert len(asked(service, "act")) == 1


def line(name: str, text: str, **options: Any) -> LogLine:
    return LogLine(unit_id("here", "process", name), options.pop("at", EPOCH + 0.25), text, **options)


def test_logs_of_several_units(run: Run, service: Service) -> None:
    service.lines = [
        [line("sensor-1", "one"), line("sensor-2", f"two {HOSTILE}")],
        [line("sensor-2", "log rotated", at=None, stream="note")],
    ]
    result = run("logs")
    assert result.code == 0
    assert result.out.splitlines() == [
        "sensor-1 | one",
        "sensor-2 | two \ufffd[2J[bold]\ufffd",
        "sensor-2 | -- log rotated",
    ]
    assert asked(service, "logs") == [
        {"unit": ["here/process/sensor-1,sensor-2"], "follow": "1", "tail": "100"}
    ]
    assert run("logs", "LON_000001", "-t", "--grep", "o", "--no-follow").out.splitlines()[0] == (
        "2026-01-31T12:00:00.250Z one"
    )
    assert asked(service, "logs")[1]["unit"] == ["here/process/sensor-1"]


def test_filters_of_logs(run: Run, service: Service) -> None:
    service.lines = [[line("sensor-1", text) for text in ("an ERROR", "fine", "WARN of it")]]
    assert run("logs", "sensor-1", "--grep", "ERR|WARN").out == "an ERROR\nWARN of it\n"
    assert run("logs", "sensor-1", "--grep", "ERR|WARN", "--invert").out == "fine\n"
    assert run("logs", "--tail", "all", "--since", NOW).code == 0
    assert run("logs", "--since", "10m").code == 0
    queries = asked(service, "logs")[-2:]
    assert (queries[0]["since"], "tail" in queries[0]) == (repr(EPOCH), False)
    assert "tail" not in queries[1]
    assert float(queries[1]["since"]) > EPOCH


def test_logs_as_json(run: Run, service: Service) -> None:
    service.lines = [[line("sensor-1", f"{HOSTILE}\x7f"), line("sensor-1", "x", at=1e300)]]
    out = run("logs", "--json").out
    assert "\x1b" not in out
    assert "\x7f" not in out
    first, second = map(json.loads, out.splitlines())
    assert first == {
        "at": "2026-01-31T12:00:00.250Z",
        "unit": "here/process/sensor-1",
        "name": "sensor-1",
        "stream": "out",
        "text": f"{HOSTILE}\x7f",
    }
    assert second["at"] is None

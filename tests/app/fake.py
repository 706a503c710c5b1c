"""A stepped port and fixed data, so that a test says what the service says and sees what is asked of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sensor_tui.errors import FleetError, SensorTuiError, ServiceError
from sensor_tui.model.action import (
    ActionKind,
    ActionOptions,
    ActionRun,
    LoggedAction,
    Plan,
    PlanItem,
    Proof,
    Step,
    UnitOutcome,
)
from sensor_tui.model.check import Check, CheckInfo, CheckVerdict
from sensor_tui.model.letter import LetterRow, LetterRows, Minute
from sensor_tui.model.overview import EngineView, Link, Overview
from sensor_tui.model.progress import EngineState, LaneProgress, Totals
from sensor_tui.model.sensor import Sensor, Series
from sensor_tui.model.table import Table
from sensor_tui.model.unit import Health, HostState, LogLine, Role, Unit, UnitState, UnitStats

NOW: Final = 1_773_500_966.0
"""2026-03-14T15:09:26Z."""

HOSTILE: Final = (
    "\x1b[31m[red]rm\x1b]0;owned\x07[/] \u202egnp.exe\r\n[/var/log] temp[C]=3 [@click=app.quit]x[/]"
)
"""Everything that must never reach the terminal or a markup parser."""


class FrozenClock:
    """Stands still until it is told otherwise; waiting is real and as short as it can be."""

    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time - NOW + 1000.0

    def advance(self, seconds: float) -> None:
        self.time += seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def sensor_key(sensor_id: str, city: str) -> str:
    """Key of a sensor, as the service makes it."""
    return f"{sensor_id}\x00{city}"


def _unit(name: str, city: str | None, state: UnitState = UnitState.RUNNING, **more: Any) -> Unit:
    host = more.pop("host", "edge-01")
    runtime = more.pop("runtime", "docker")
    role = more.pop("role", Role.SENSOR)
    docker = runtime == "docker"
    values: dict[str, Any] = {
        "id": f"{host}/{runtime}/{name}",
        "host": host,
        "runtime": runtime,
        "name": name,
        "role": role,
        "state": state,
        "city": city,
        "project": "weather" if docker else None,
        "sensor_id": name.removeprefix("sensor-") if role is Role.SENSOR else None,
        "data": f"{city}/{name}" if city and role is Role.SENSOR else None,
        "image": "registry.local/sensor:1.4.2" if docker else None,
        "pid": 4000 + sum(map(ord, name)) % 900 if state.up else None,
        "started_at": NOW - 3600 * (1 + sum(map(ord, name)) % 50) if state.up else None,
        "command": ("python", "-m", "sensor", "--city", city or "-"),
        "environment": {"SENSOR_CITY": city or "", "COSMOS_KEY": "********", "TZ": "UTC"},
        "mounts": (f"/srv/data/{city} -> /app/data",) if docker else (),
        "ports": ("127.0.0.1:8080->8080/tcp",) if role is Role.UPLOADER else (),
        "labels": {"sensor-tui.city": city or "", "sensor-tui.role": role.value},
    }
    return Unit(**{**values, **more})


def sample_units() -> dict[str, Unit]:
    """Twelve units and one in three cities on three hosts, with every kind of trouble."""
    units = [
        _unit("sensor-LON_100001", "London", health=Health.HEALTHY),
        _unit("sensor-LON_100002", "London", health=Health.HEALTHY, image="registry.local/sensor:latest"),
        _unit("sensor-LON_100003", "London", health=Health.UNHEALTHY, reason="health check timed out"),
        _unit(
            "sensor-LON_100004",
            "London",
            UnitState.FAILED,
            exit_code=137,
            reason="exit code 137 (SIGKILL)",
            restarts=5,
        ),
        _unit(
            "uploader-london",
            "London",
            role=Role.UPLOADER,
            health=Health.HEALTHY,
            image="registry.local/uploader:2.0.1",
        ),
        _unit("sensor-MNL_200001", "Manila", health=Health.HEALTHY, restarts=2),
        _unit(
            "sensor-MNL_200002",
            "Manila",
            UnitState.BACKOFF,
            exit_code=1,
            restarts=7,
            reason="exit code 1; again in 24 s",
        ),
        _unit("sensor-MNL_200003", "Manila", UnitState.STOPPED, exit_code=0),
        _unit(
            "sensor-MNL_200004",
            "Manila",
            UnitState.UNKNOWN,
            host="manila-02",
            reason="Cannot connect to the Docker daemon",
        ),
        _unit("sensor-NYC_300001", "New York", runtime="process", host="local"),
        _unit("sensor-NYC_300002", "New York", runtime="process", host="local", restarts=1),
        _unit("sensor-NYC_300003", "New York", UnitState.STARTING, runtime="process", host="local"),
        _unit("sync", None, runtime="process", host="local", role=Role.SERVICE),
    ]
    return {unit.id: unit for unit in units}


def sample_stats(units: Mapping[str, Unit]) -> dict[str, UnitStats]:
    """What every unit that is up uses."""
    return {
        unit.id: UnitStats(
            unit.id,
            NOW - 1,
            cpu_percent=round(0.7 + 1.3 * place, 1),
            memory_bytes=(24 + 7 * place) * 1024 * 1024,
            memory_limit=256 * 1024 * 1024 if unit.runtime == "docker" else None,
        )
        for place, unit in enumerate(units.values())
        if unit.state.up
    }


def _sensor(sensor_id: str, city: str, age: float | None, **more: Any) -> Sensor:
    seed = sum(map(ord, sensor_id))
    values: dict[str, Any] = {
        "key": sensor_key(sensor_id, city),
        "sensor_id": sensor_id,
        "city": city,
        "source": f"{city}/sensor-{sensor_id}/sensor_data.db",
        "backlog": seed % 40,
        "oldest_open": None if age is None else NOW - age - seed % 40,
        "newest": None if age is None else NOW - age,
        "values": {}
        if age is None
        else {"temperature": 18.0 + seed % 90 / 10, "vibration": 0.1 + seed % 7 / 100, "voltage": 12.1},
        "rate": None if age is None else 1.0,
        "cadence": None if age is None else 1.0,
        "anomalies": None if age is None else 0.01,
    }
    return Sensor(**{**values, **more})


def sample_sensors() -> dict[str, Sensor]:
    """Fourteen sensors with every verdict there is."""
    sensors = [
        _sensor("LON_100001", "London", 1.0),
        _sensor("LON_100002", "London", 2.0, backlog=120),
        _sensor("LON_100003", "London", 14.0),
        _sensor("LON_100004", "London", 7200.0, backlog=812, oldest_open=NOW - 7900),
        _sensor("LON_100005", "London", 1.0, flat=True),
        _sensor("MNL_200001", "Manila", 1.0, anomaly="spike", anomalies=0.04),
        _sensor("MNL_200002", "Manila", 40.0, backlog=96),
        _sensor("MNL_200003", "Manila", 90_000.0, backlog=0, oldest_open=None),
        _sensor("MNL_200004", "Manila", 3.0, anomalies=0.35),
        _sensor("NYC_300001", "New York", 0.5, rate=10.0, cadence=0.1),
        _sensor("NYC_300002", "New York", 2.0, dead_letters=3),
        _sensor("NYC_300003", "New York", None, backlog=None, dead_letters=None),
        _sensor(
            "NYC_300004",
            "New York",
            None,
            backlog=None,
            problem="the file is not a database; restore it from a copy",
        ),
        _sensor("NYC_300005", "New York", 1.5, owner="uploader-newyork (pid 4711)"),
    ]
    return {sensor.key: sensor for sensor in sensors}


def sample_engine() -> EngineView:
    """An engine at work on four lanes."""
    lanes = tuple(
        LaneProgress(
            sink="cosmos",
            lane=str(lane),
            queued=120 - 30 * lane,
            in_flight=3 - lane % 3,
            concurrency=4,
            batch_size=100,
            throttled=7 * lane,
            accepted=25_000 + 1_000 * lane,
            request_units=130_000.0 + lane,
            latency_ms=12.5 + lane,
            blocked_for=1.5 if lane == 2 else 0.0,
        )
        for lane in range(4)
    )
    return EngineView(
        state=EngineState.RUNNING,
        version="0.1.0",
        pid=4242,
        docs_per_second=512.0,
        request_units_per_second=2_731.5,
        throttled_per_second=0.4,
        in_flight=7,
        lanes=lanes,
        totals=Totals(
            read=108_400,
            accepted=106_000,
            already_there=12,
            rejected=4,
            retried=310,
            throttled=290,
            requests=1_100,
            request_units=530_000.0,
            bytes_sent=48_000_000,
        ),
    )


def sample_run(*, running: bool = False) -> ActionRun:
    """A restart of three units: proven, not proven, failed; or still at it."""
    units = list(sample_units().values())
    if running:
        outcomes = (
            UnitOutcome(units[0].id, units[0].name, Step.PROVING, proof=Proof.PENDING),
            UnitOutcome(units[1].id, units[1].name, Step.DRAINING, unsent=34),
            UnitOutcome(units[2].id, units[2].name),
        )
        return ActionRun("a2", ActionKind.RESTART, "alice", NOW - 12, outcomes)
    outcomes = (
        UnitOutcome(units[0].id, units[0].name, Step.DONE, proof=Proof.PROVEN),
        UnitOutcome(
            units[1].id,
            units[1].name,
            Step.DONE,
            proof=Proof.NOT_PROVEN,
            missing="no reading was written since",
        ),
        UnitOutcome(units[3].id, units[3].name, Step.FAILED, message="No such container"),
    )
    return ActionRun("a1", ActionKind.RESTART, "alice", NOW - 300, outcomes, ended=NOW - 240)


def sample_hosts() -> tuple[HostState, ...]:
    """Two that answer and one that does not."""
    return (
        HostState("edge-01", "docker", reachable=True, version="27.3.1", units=8, seen=NOW - 1),
        HostState(
            "manila-02",
            "docker",
            reachable=False,
            units=1,
            seen=NOW - 400,
            reason="Cannot connect to the Docker daemon; start it there",
        ),
        HostState("local", "process", reachable=True, version="1", units=4, seen=NOW - 1),
    )


def sample_overview(**changes: Any) -> Overview:
    """A fleet on an ordinary night."""
    units = sample_units()
    sensors = sample_sensors()
    overview = Overview(
        link=Link.LIVE,
        at=NOW - 1,
        backlog=sum(sensor.backlog or 0 for sensor in sensors.values()),
        oldest_open=NOW - 7900,
        dead_letters=3,
        engine=sample_engine(),
        hosts=sample_hosts(),
        units=units,
        stats=sample_stats(units),
        sensors=sensors,
        actions=(sample_run(),),
        embedded=False,
    )
    return replace(overview, **changes)


def empty_overview() -> Overview:
    """A service that runs with nothing to look after."""
    return Overview(
        link=Link.LIVE,
        at=NOW,
        backlog=0,
        dead_letters=0,
        engine=EngineView(EngineState.IDLE, docs_per_second=0.0),
    )


def loading_overview() -> Overview:
    """Before the service has said a word."""
    return Overview()


def lost_overview() -> Overview:
    """The service stopped answering forty seconds ago."""
    return sample_overview(link=Link.LOST, at=NOW - 40, problem="The service does not answer")


def refused_overview() -> Overview:
    """Nothing to speak to, and why."""
    return Overview(link=Link.REFUSED, problem="COSMOS_ENDPOINT is not set; set it in config.yaml")


def stopped_overview() -> Overview:
    """The service said goodbye."""
    return sample_overview(
        link=Link.STOPPED, at=NOW - 90, problem="The service was stopped", engine=EngineView()
    )


def hostile_overview() -> Overview:
    """Every text that others write is hostile."""
    base = sample_overview()
    units = {
        key: replace(
            unit,
            name=f"{HOSTILE}{place}",
            city=HOSTILE,
            reason=HOSTILE,
            image=HOSTILE,
            environment={HOSTILE: HOSTILE},
            labels={HOSTILE: HOSTILE},
            mounts=(HOSTILE,),
            ports=(HOSTILE,),
            command=(HOSTILE,),
            project=HOSTILE,
        )
        for place, (key, unit) in enumerate(base.units.items())
    }
    sensors = {
        key: replace(
            sensor,
            sensor_id=f"{HOSTILE}{place}",
            city=HOSTILE,
            source=HOSTILE,
            owner=HOSTILE,
            problem=HOSTILE if sensor.problem else None,
            anomaly=HOSTILE if sensor.anomaly is not None else None,
            values={HOSTILE: 1.0, **sensor.values},
        )
        for place, (key, sensor) in enumerate(base.sensors.items())
    }
    hosts = tuple(replace(host, host=HOSTILE, reason=HOSTILE, version=HOSTILE) for host in base.hosts)
    runs = tuple(
        replace(
            run,
            who=HOSTILE,
            outcomes=tuple(
                replace(each, name=HOSTILE, message=HOSTILE, missing=HOSTILE) for each in run.outcomes
            ),
        )
        for run in base.actions
    )
    return replace(
        base,
        units=units,
        sensors=sensors,
        hosts=hosts,
        actions=runs,
        problem=HOSTILE,
        engine=replace(base.engine, reason=HOSTILE, config_problem=HOSTILE),
    )


def sample_overviews() -> dict[str, Overview]:
    """Every situation a screen has to be right in, by name."""
    return {
        "sample": sample_overview(),
        "empty": empty_overview(),
        "loading": loading_overview(),
        "lost": lost_overview(),
        "refused": refused_overview(),
        "stopped": stopped_overview(),
        "hostile": hostile_overview(),
    }


def sample_letters() -> tuple[LetterRow, ...]:
    """Dead letters of three kinds."""
    return (
        LetterRow(
            1,
            "London/sensor-LON_100002/sensor_data.db",
            40_001,
            "cosmos",
            "LON_100002",
            "2026-03-14T15:00:01.000000Z",
            400,
            "temperature is infinite",
            NOW - 560,
            '{"id":"a1","sensorId":"LON_100002","status":"[red]x[/]"}',
        ),
        LetterRow(
            2,
            "New York/sensor-NYC_300002/sensor_data.db",
            17,
            "cosmos",
            "NYC_300002",
            None,
            0,
            "no usable time",
            NOW - 300,
            None,
        ),
        LetterRow(
            3,
            "New York/sensor-NYC_300002/sensor_data.db",
            19,
            "archive",
            None,
            "2026-03-14T15:08:00.000000Z",
            413,
            "the document is over 2 MB",
            NOW - 60,
            '{"id":"a3"}',
        ),
    )


def sample_minutes(count: int = 60) -> tuple[Minute, ...]:
    """The last hour, throttled in its middle."""
    return tuple(
        Minute(
            at=NOW - NOW % 60 - 60 * back,
            accepted=30_000 - 400 * (back % 7),
            rejected=1 if back % 20 == 0 else 0,
            throttled=40 if 25 < back < 35 else 0,
            request_units=160_000.0 - 1_000 * (back % 5),
            backlog=1_100 + 30 * back,
            lag=20.0 + back,
        )
        for back in range(count - 1, -1, -1)
    )


def sample_actions() -> tuple[LoggedAction, ...]:
    """The action log, the newest first."""
    return (
        LoggedAction(NOW - 240, "alice", "restart", "edge-01/docker/sensor-LON_100002", "done, not proven"),
        LoggedAction(NOW - 300, "alice", "restart", "edge-01/docker/sensor-LON_100001", "done, proven"),
        LoggedAction(NOW - 4_000, "cron", "sync now", "engine", "a round was started"),
        LoggedAction(NOW - 90_000, "[bold]eve[/]\x1b[2J", "remove", HOSTILE, HOSTILE),
    )


def sample_checks() -> tuple[Check, ...]:
    """One of every verdict."""
    return (
        Check("config", "Configuration", CheckVerdict.OK, "config.yaml, 14 keys", seconds=0.01),
        Check(
            "cosmos",
            "Cosmos DB answers",
            CheckVerdict.FAILED,
            "401 Unauthorized",
            "Set COSMOS_KEY to the account's key",
            0.4,
        ),
        Check(
            "docker",
            "Docker engine",
            CheckVerdict.WARNING,
            "manila-02 does not answer",
            "Start Docker on manila-02",
            2.0,
        ),
        Check("aad", "Azure login", CheckVerdict.SKIPPED, "a key is configured"),
    )


def sample_lines(count: int = 40) -> tuple[LogLine, ...]:
    """Log lines of two units, one of them hostile, one a note."""
    units = list(sample_units())
    levels = ("INFO", "DEBUG", "WARNING", "ERROR")
    lines = [
        LogLine(
            units[place % 2], NOW - count + place, f"{levels[place % 4]} reading {place} written to [/data]"
        )
        for place in range(count)
    ]
    lines.append(LogLine(units[0], NOW, f"ERROR {HOSTILE}", "err"))
    lines.append(LogLine(units[1], None, "120 lines were skipped", "note"))
    return tuple(lines)


def sample_table() -> Table:
    """What a query brings."""
    return Table(
        ("id", "sensor_id", "temperature", "location", "synced"),
        [(place, "LON_100001", 20.5 + place, "London" if place else HOSTILE, None) for place in range(5)],
        complete=False,
        seconds=0.012,
    )


@dataclass
class FakePort:
    """Implements `Port`: gives out what it is told to, records every call, fails where it is asked to."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    """Name and arguments of every call, in order."""
    failures: dict[str, SensorTuiError] = field(default_factory=dict)
    """Raised by the call of that name."""
    lines: list[LogLine] = field(default_factory=lambda: list(sample_lines()))
    """What `logs` begins with, of the units asked for."""
    rows: list[LetterRow] = field(default_factory=lambda: list(sample_letters()))
    history: list[Minute] = field(default_factory=lambda: list(sample_minutes()))
    found: list[Check] = field(default_factory=lambda: list(sample_checks()))
    logged: list[LoggedAction] = field(default_factory=lambda: list(sample_actions()))
    answer: Table = field(default_factory=sample_table)
    """What every query brings."""
    plan_items: list[PlanItem] | None = None
    """Items of the next plan; from the overview where None."""
    overview: Overview = field(default_factory=Overview)
    """The latest that was pushed."""
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    """The call of that name waits for its event."""

    def __post_init__(self) -> None:
        self._news = asyncio.Event()
        self._seen = asyncio.Event()
        self._pushed = 0
        self._taken = 0
        self._broken: SensorTuiError | None = None
        self._followers: list[tuple[frozenset[str], asyncio.Queue[Sequence[LogLine] | None]]] = []

    # what a test does

    async def push(self, overview: Overview) -> None:
        """Say how everything stands, and wait until the app has read it."""
        self.overview = overview
        self._pushed += 1
        wanted = self._pushed
        self._news.set()
        while self._taken < wanted:
            self._seen.clear()
            await self._seen.wait()

    def break_updates(self, error: SensorTuiError) -> None:
        """Have the stream of updates fail once."""
        self._broken = error
        self._news.set()

    async def write(self, *lines: LogLine) -> None:
        """New lines for whoever follows their units."""
        for units, queue in self._followers:
            mine = [line for line in lines if line.unit in units]
            if mine:
                queue.put_nowait(mine)

    def end_logs(self) -> None:
        """End every stream of log lines, as when the service goes away."""
        for _, queue in self._followers:
            queue.put_nowait(None)

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of every call of that name."""
        return [call[1:] for call in self.calls if call[0] == name]

    async def _call(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.gates:
            await self.gates[name].wait()
        if name in self.failures:
            raise self.failures[name]

    # Port

    async def updates(self) -> AsyncIterator[Overview]:
        self.calls.append(("updates",))
        while True:
            while self._taken < self._pushed or self._broken is not None:
                if self._broken is not None:
                    error, self._broken = self._broken, None
                    raise error
                wanted = self._pushed
                yield self.overview
                self._taken = wanted
                self._seen.set()
            self._news.clear()
            await self._news.wait()

    async def plan(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> Plan:
        await self._call("plan", kind, tuple(units), options)
        if self.plan_items is not None:
            return Plan(kind, tuple(self.plan_items), options)
        items = []
        for key in units:
            unit = self.overview.units.get(key)
            if unit is None:
                raise FleetError(f"There is no unit {key}")
            sensor = self.overview.sensor_of(unit)
            unsent = 0 if sensor is None else sensor.backlog
            destroys = options.wipe_data and kind in {ActionKind.RESET, ActionKind.REMOVE}
            items.append(PlanItem(key, unit.name, unsent=unsent if kind.ends else 0, destroys=destroys))
        return Plan(kind, tuple(items), options)

    async def act(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> ActionRun:
        await self._call("act", kind, tuple(units), options)
        outcomes = tuple(
            UnitOutcome(key, self.overview.units[key].name if key in self.overview.units else key)
            for key in units
        )
        return ActionRun(f"act-{len(self.called('act'))}", kind, "tester", self.clock.now(), outcomes)

    async def cancel(self, action: str) -> None:
        await self._call("cancel", action)

    async def action_log(self, limit: int) -> Sequence[LoggedAction]:
        await self._call("action_log", limit)
        return self.logged[:limit]

    async def pause(self) -> str:
        await self._call("pause")
        return "paused"

    async def resume(self) -> str:
        await self._call("resume")
        return "reads on"

    async def sync_now(self) -> str:
        await self._call("sync_now")
        return "a round was started"

    async def letters(self, *, offset: int = 0, limit: int = 100) -> LetterRows:
        await self._call("letters", offset, limit)
        page = [replace(row, document=None) for row in self.rows[offset : offset + limit]]
        following = offset + limit
        return LetterRows(page, len(self.rows), following if following < len(self.rows) else None)

    async def letter(self, letter: int) -> LetterRow:
        await self._call("letter", letter)
        for row in self.rows:
            if row.id == letter:
                return row
        raise ServiceError(f"There is no dead letter {letter}")

    async def retry(self, letters: Sequence[int] | None) -> str:
        await self._call("retry", None if letters is None else tuple(letters))
        return f"{len(self.rows) if letters is None else len(letters)} will be read and sent again"

    async def drop(self, letters: Sequence[int] | None) -> str:
        await self._call("drop", None if letters is None else tuple(letters))
        gone = {row.id for row in self.rows} if letters is None else set(letters)
        self.rows = [row for row in self.rows if row.id not in gone]
        return f"{len(gone)} forgotten"

    async def minutes(self, since: float) -> Sequence[Minute]:
        await self._call("minutes", since)
        return [minute for minute in self.history if minute.at > since]

    async def logs(
        self,
        units: Sequence[str],
        *,
        since: float | None = None,
        tail: int | None = None,
        follow: bool = True,
    ) -> AsyncIterator[Sequence[LogLine]]:
        await self._call("logs", tuple(units), since, tail, follow)
        wanted = frozenset(units)
        lines = [
            line
            for line in self.lines
            if line.unit in wanted and (since is None or line.at is None or line.at >= since)
        ]
        yield lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]
        if not follow:
            return
        queue: asyncio.Queue[Sequence[LogLine] | None] = asyncio.Queue()
        follower = (wanted, queue)
        self._followers.append(follower)
        try:
            while (more := await queue.get()) is not None:
                yield more
        finally:
            self._followers.remove(follower)

    async def series(
        self,
        sensor: str,
        measure: str | None,
        *,
        since: float | None = None,
        until: float | None = None,
        points: int = 200,
    ) -> Series:
        await self._call("series", sensor, measure, since, until, points)
        known = self.overview.sensors.get(sensor)
        measures = tuple(known.values) if known is not None else ("temperature",)
        if not measures:
            return Series(sensor, measure or "")
        chosen = measure or measures[0]
        count = min(points, 120)
        end = min(until or NOW, NOW)
        begin = since if since is not None else end - 3600
        step = (end - begin) / count
        return Series(
            sensor,
            chosen,
            times=[begin + step * place for place in range(count)],
            values=[20.0 + (place * 7 % 31) / 10 for place in range(count)],
            anomalies=[begin + step * (count // 2)],
            readings=count * 3,
            measures=measures,
        )

    async def recent(self, points: int = 24) -> Mapping[str, Sequence[float]]:
        await self._call("recent", points)
        return {
            key: [20.0 + ((place + rank) * 5 % 17) / 10 for place in range(points)]
            for rank, (key, sensor) in enumerate(self.overview.sensors.items())
            if sensor.newest is not None
        }

    async def checks(self) -> Sequence[CheckInfo]:
        await self._call("checks")
        return [CheckInfo(check.name, check.title) for check in self.found]

    async def check(self, name: str) -> Check:
        await self._call("check", name)
        for check in self.found:
            if check.name == name:
                return check
        raise ServiceError(f"There is no check {name}")

    async def query(self, source: str | None, sql: str, limit: int) -> Table:
        await self._call("query", source, sql, limit)
        return self.answer

    async def start_service(self) -> str:
        await self._call("start_service")
        return "the service was started"

    async def stop_service(self) -> str:
        await self._call("stop_service")
        return "drained and stopped"

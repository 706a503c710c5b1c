"""Fixed data for the dashboard: a fleet on an ordinary night, and every other situation."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sensor_tui.model.action import (
    ActionKind,
    ActionRun,
    LoggedAction,
    Proof,
    Step,
    UnitOutcome,
)
from sensor_tui.model.check import Check, CheckVerdict
from sensor_tui.model.letter import LetterRow, Minute
from sensor_tui.model.overview import EngineView, Link, Overview
from sensor_tui.model.progress import EngineState, LaneProgress, Totals
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.table import Table
from sensor_tui.model.unit import Health, HostState, LogLine, Role, Unit, UnitState, UnitStats

NOW: Final = 1_773_500_966.0
"""2026-03-14T15:09:26Z."""

HOSTILE: Final = (
    "\x1b[31m[red]rm\x1b]0;owned\x07[/] \u202egnp.exe\r\n[/var/log] temp[C]=3 [@click=app.quit]x[/]"
)
"""Everything that must never reach the terminal or a markup parser."""


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

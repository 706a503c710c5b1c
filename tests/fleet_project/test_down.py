"""The order in which a project is ended, with a service and an engine made up here."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from sensor_tui.cli import project_down, unit_actions
from sensor_tui.cli.project_down import Ending, check_drain, end, raise_for
from sensor_tui.errors import FleetError, UsageError
from sensor_tui.fleet import labels
from sensor_tui.fleet.project_engine import Container, Survey
from sensor_tui.model.action import ActionKind, ActionRun, Plan, PlanItem, Step, UnitOutcome
from sensor_tui.model.unit import HostState, Role, Unit, UnitState, unit_id

OPTIONS = {"drain": True, "grace": 10.0, "dry_run": False, "batch": 2, "wipe_data": True}


def container(service: str, state: str = "running") -> Container:
    role = "uploader" if service.startswith("uploader") else "sensor"
    named = {labels.COMPOSE_SERVICE: service, labels.ROLE: role}
    return Container(f"id {service}", f"p_{service}_1", service, state, "", "i:v1", named)


class World:
    """Place, embedding, service and engine in one; `known` are the units that the service looks after."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.name = "p"
        self.address = self.settings = self.cosmos = self.project = self
        self.endpoint: str | None = None
        self.file = None
        self.stack: Any = None
        self.kept: dict[str, str] = {}
        self.graces: list[tuple[list[str], float]] = []
        self.instance = "one"
        self.started = False
        self.runs = False
        self.asked: list[tuple[ActionKind, list[str], Any]] = []
        self.fails: set[str] = set()
        self.calls: list[str] = []
        self.docker = True
        self.containers = [
            container("uploader-london"),
            container("sensor-london-1"),
            container("sensor-london-2", "exited"),
        ]
        self.foreign: tuple[Container, ...] = ()
        self.hidden: set[str] = set()

    @property
    def hosts(self) -> tuple[HostState, ...]:
        return (HostState("p", "docker" if self.docker else "process", reachable=True),)

    @property
    def units(self) -> list[Unit]:
        states = {"running": UnitState.RUNNING, "exited": UnitState.STOPPED}
        return [
            Unit(
                unit_id("p", "docker", each.name),
                "p",
                "docker",
                each.name,
                Role(each.labels[labels.ROLE]),
                states[each.state],
                labels=each.labels,
            )
            for each in self.containers
            if each.service not in self.hidden
        ]

    def ending(self, **changes: Any) -> Ending:
        me: Any = self
        found = Survey("p", tuple(self.containers), foreign=self.foreign)
        return Ending(me, me, found, {**OPTIONS, **changes})

    async def survey(self, engine: Any) -> Survey:
        return Survey("p", tuple(self.containers), foreign=self.foreign)

    async def tool(self) -> Any:
        self.calls.append("compose")
        raise FleetError("it cannot")

    async def ask(self, call: Any, *args: Any, **options: Any) -> Any:
        return call(*args, **options)

    def remember(self) -> None:
        self.calls.append("remember")

    def embedding(self, session: Any) -> Any:
        return self

    def find(self) -> Any:
        return self if self.runs else None

    async def start(self) -> Any:
        self.calls.append("start")
        self.started = True
        return self

    def stop(self, *args: Any, **options: Any) -> Any:
        """The engine's, or the embedding's."""
        if args:
            self.calls.append("engine")
            ended = [each.service for each in args[0]]
            self.graces.append((ended, options["grace"]))
            self.containers = [
                replace(each, state="exited") if each.service in ended else each for each in self.containers
            ]
            return []
        return self._stop_service()

    async def _stop_service(self) -> bool:
        self.calls.append("stop")
        return True

    async def record(self, *line: str) -> None:
        self.calls.append(" ".join(line))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def status(self) -> Any:
        return self

    async def plan(self, kind: ActionKind, units: list[str], options: Any) -> Plan:
        items = [(each, self.kept.get(each.rpartition("/")[2], "")) for each in units]
        return Plan(kind, [PlanItem(each, each, applies=not why, note=why) for each, why in items], options)

    async def carry_out(self, client: Any, asked: Any) -> ActionRun:
        names = [asked.names[each] for each in asked.units]
        self.asked.append((asked.plan.kind, names, asked.plan.options))
        outcomes = [
            UnitOutcome(each, name, Step.FAILED if name in self.fails else Step.DONE)
            for each, name in zip(asked.units, names, strict=True)
        ]
        return ActionRun("1", asked.plan.kind, "me", 0.0, outcomes, ended=1.0)


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    monkeypatch.setattr(unit_actions, "carry_out", made.carry_out)
    monkeypatch.setattr(project_down, "_KNOWN_SECONDS", 0.0)
    return made


async def test_sensors_end_before_those_who_send_what_they_left(world):
    world.runs = True

    run = await end(None, world.ending())

    assert [(kind, names) for kind, names, _ in world.asked] == [
        (ActionKind.STOP, ["sensor-london-1"]),
        (ActionKind.STOP, ["uploader-london"]),
    ]
    assert [options.grace for *_, options in world.asked] == [10.0, 40.0]
    assert not any(options.wipe_data for *_, options in world.asked)
    assert [each.name for each in run.outcomes] == ["sensor-london-1", "uploader-london"]
    assert world.calls == ["remember"]


async def test_data_goes_while_it_can_still_be_sent_and_no_sensor_is_stopped_before(world):
    world.runs = True

    await end(None, world.ending(), wipe=True)

    assert [(kind, names) for kind, names, _ in world.asked] == [
        (ActionKind.REMOVE, ["sensor-london-1", "sensor-london-2"]),
        (ActionKind.STOP, ["uploader-london"]),
    ]
    options = world.asked[0][2]
    assert (options.wipe_data, options.drain, options.batch) == (True, True, 2)

    world.asked.clear()
    world.fails.add("sensor-london-1")
    run = await end(None, world.ending(), wipe=True)

    assert len(world.asked) == 1
    with pytest.raises(FleetError, match="1 unit could not be ended: sensor-london-1") as caught:
        raise_for(run)
    assert "brought up by 'sensor-tui start': sensor-london-2" in caught.value.fix


async def test_data_that_cannot_be_wiped_is_found_before_anything_ends(world):
    world.runs = True
    world.kept["p_sensor-london-2_1"] = "it is used by another"

    with pytest.raises(FleetError, match=r"nothing was done.*sensor-london-2: it is used by another"):
        await end(None, world.ending(), wipe=True)

    assert world.asked == []


async def test_where_containers_upload_no_service_is_started_and_they_end_last(world):
    check_drain(world.ending(), live=False)

    await end(None, world.ending())

    assert "start" not in world.calls
    assert [names for names, _ in world.graces] == [["sensor-london-1"], ["uploader-london"]]


async def test_compose_is_not_asked_where_it_would_stop_what_is_somebody_elses(world):
    """It goes by the name of the project, and two may have one."""
    del world.containers[0]
    world.stack = "a file"

    await end(None, world.ending(drain=False))
    assert world.calls.count("compose") == 1

    world.containers = [container("sensor-london-1")]
    world.foreign = (container("sensor-london-9"),)
    await end(None, world.ending(drain=False))
    assert world.calls.count("compose") == 1


async def test_a_service_that_was_started_for_it_is_stopped_again(world):
    del world.containers[0]

    await end(None, world.ending())

    assert world.calls == ["remember", "start", "stop"]
    assert len(world.asked) == 1


async def test_a_service_that_does_not_know_them_is_done_without_but_deletes_nothing(world):
    world.runs = True
    world.hidden = {"sensor-london-1"}

    with pytest.raises(FleetError, match="no data can be deleted"):
        await end(None, world.ending(), wipe=True)
    assert world.calls == ["remember"]

    run = await end(None, world.ending())

    assert world.asked == []
    assert "engine" in world.calls
    assert [(each.name, each.step) for each in run.outcomes] == [
        ("sensor-london-1", Step.DONE),
        ("uploader-london", Step.DONE),
    ]
    assert world.calls[-1] == "stop project p 2 done"


async def test_without_draining_no_service_is_started(world):
    await end(None, world.ending(drain=False))

    assert "start" not in world.calls
    assert "engine" in world.calls


def test_a_drain_that_nobody_can_do_is_refused(world):
    del world.containers[0]
    with pytest.raises(UsageError, match="no endpoint is configured") as caught:
        check_drain(world.ending(), live=False)
    assert "--no-drain" in caught.value.fix

    check_drain(world.ending(), live=True)
    check_drain(world.ending(drain=False), live=False)
    check_drain(world.ending(dry_run=True), live=False)
    world.endpoint = "https://here"
    check_drain(world.ending(), live=False)
    world.endpoint, world.containers = None, []
    check_drain(world.ending(), live=False)

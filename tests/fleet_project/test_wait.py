"""Waiting for a project, with an engine and a service made up here and a clock that jumps."""

from typing import Any

import pytest

from sensor_tui.cli.project import Story
from sensor_tui.cli.project_wait import Limits, Waiting
from sensor_tui.errors import ServiceError
from sensor_tui.fleet import labels
from sensor_tui.fleet.project_engine import Container, Fate
from sensor_tui.model.action import Proof, Step
from sensor_tui.service.merge import iso
from sensor_tui.service.wire import EngineReport, SensorReport, StatusReport
from tests.support.clock import JumpingClock

LIMITS = Limits(wait=30.0, prove=20.0)


class World:
    """One unit, `one`, of the sensor LON_000001; `fate` is how it fares, `newest` the age of its reading."""

    def __init__(self) -> None:
        self.clock = JumpingClock()
        self.began = self.clock.now()
        self.name = "p"
        self.address = self
        self.fate: Fate | None = self.of("running", "Up 1 second", ready=True)
        self.backlog: int | None = 0
        self.written_until = float("inf")
        self.lost = False
        self.synced = 0
        self.told: list[str] = []

    def of(self, state: str, status: str, **changes: Any) -> Fate:
        return Fate(
            Container("1", "p_one_1", "one", state, status, "i:v1", {labels.SENSOR: "LON_000001"}), **changes
        )

    async def ask(self, call: Any, *args: Any, **options: Any) -> Any:
        return call(*args, **options)

    def restarts(self, containers: Any) -> dict[str, int]:
        return {each.id: 0 for each in containers}

    def fates(self, project: str, *, services: Any, began: Any) -> list[Fate]:
        assert (project, set(services)) == ("p", {"one"})
        return [] if self.fate is None else [self.fate]

    async def status(self) -> StatusReport:
        if self.lost:
            raise ServiceError("it does not answer")
        now = self.clock.now()
        sensor = SensorReport(
            sensor_id="LON_000001",
            city="London",
            backlog=self.backlog,
            lag_seconds=None,
            freshness_seconds=None,
            newest=iso(min(now, self.written_until)),
            oldest_open=iso(self.began) if self.backlog else None,
            source="a.db",
        )
        engine = EngineReport(state="running", reason="the key is refused", version="0", attached=True)
        return StatusReport(
            at=iso(now) or "",
            backlog=0,
            lag_seconds=None,
            dead_letters=0,
            engine=engine,
            sensors=(sensor,),
        )

    async def sync(self, *, quiet: bool) -> None:
        assert quiet
        self.synced += 1

    async def wait(self, limits: Limits = LIMITS, *, service: bool = True, sensor: bool = True) -> Any:
        story = Story("p")
        story.say = lambda name, step: self.told.append(f"{name}: {step}")  # type: ignore[method-assign]
        world: Any = self
        waiting = Waiting(world, world, world if service else None, self.clock, story)
        await waiting.begin([])
        (outcome,) = await waiting.until_well({"one": "LON_000001" if sensor else None}, limits)
        return outcome


@pytest.fixture
def world() -> World:
    return World()


async def test_up_and_proven(world):
    outcome = await world.wait()

    assert (outcome.step, outcome.proof, outcome.unit) == (Step.DONE, Proof.PROVEN, "p/docker/p_one_1")
    assert world.clock.elapsed < 2
    assert world.told == ["one: up, proven"]


async def test_a_proof_need_not_wait_for_the_health_check(world):
    world.fate = world.of("running", "Up 1 second (health: starting)")

    outcome = await world.wait()

    assert (outcome.step, outcome.proof, outcome.message) == (Step.DONE, Proof.PROVEN, "")


@pytest.mark.parametrize("case", [{"service": False}, {"sensor": False}, {"limits": Limits(30.0, None)}])
async def test_without_a_proof_it_has_to_stay_up_for_a_while(world, case):
    outcome = await world.wait(**case)

    assert (outcome.step, outcome.proof) == (Step.DONE, Proof.NONE)
    assert 2 <= world.clock.elapsed < 3


async def test_no_new_reading_is_not_proven(world):
    world.written_until = world.clock.now()

    outcome = await world.wait()

    assert (outcome.step, outcome.proof, outcome.missing) == (Step.DONE, Proof.NOT_PROVEN, "no new reading")
    assert 20 <= world.clock.elapsed < 22


async def test_readings_that_nobody_takes_are_asked_for_and_not_proven(world):
    world.backlog = 3

    outcome = await world.wait()

    assert outcome.proof is Proof.NOT_PROVEN
    assert outcome.missing == "new readings, not acknowledged: the key is refused"
    assert world.synced > 5


async def test_a_service_that_goes_away_is_the_reason(world):
    world.lost = True

    outcome = await world.wait()

    assert (outcome.proof, outcome.missing) == (Proof.NOT_PROVEN, "it does not answer")


async def test_one_that_ended_is_said_with_its_last_words(world):
    world.fate = world.of("exited", "Exited (3)", ended="it ended, with exit code 3", lines=("a", "b"))

    outcome = await world.wait()

    assert outcome.step is Step.FAILED
    assert outcome.message == "it ended, with exit code 3; it last said: a | b"
    assert world.clock.elapsed == 0


@pytest.mark.parametrize(
    ("fate", "why"),
    [
        (None, "there is no container"),
        (("created", "Created"), "Created"),
        (("running", "Up 9 seconds (health: starting)"), "Up 9 seconds (health: starting)"),
    ],
)
async def test_one_that_is_not_up_in_time(world, fate, why):
    world.fate = None if fate is None else world.of(*fate)
    world.written_until = world.clock.now()

    outcome = await world.wait()

    assert (outcome.step, outcome.message) == (Step.FAILED, f"not up and well after 30 s: {why}")

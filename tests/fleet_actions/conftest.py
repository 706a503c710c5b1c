import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet.actions import Actions, Standing
from sensor_tui.model.action import ActionKind, ActionOptions, ActionRun, Step
from sensor_tui.model.unit import HostState, Role, Unit, UnitState, unit_id
from tests.support.clock import JumpingClock


class FakeRuntime:
    """Units in memory. `calls` says what was asked for; `fails` what is refused, by (call, name)."""

    def __init__(self, clock, host_name="here", name="process"):
        self.host_name = host_name
        self.name = name
        self.clock = clock
        self.units: dict[str, Unit] = {}
        self.calls: list[tuple[str, str]] = []
        self.fails: dict[tuple[str, str], Exception] = {}
        self.gates: dict[tuple[str, str], asyncio.Event] = {}
        self.dies: set[str] = set()
        """Names of units that end as soon as they were started."""

    def add(self, name, state=UnitState.RUNNING, **changes):
        values = {
            "id": unit_id(self.host_name, self.name, name),
            "host": self.host_name,
            "runtime": self.name,
            "name": name,
            "role": Role.SENSOR,
            "state": state,
            "sensor_id": f"id of {name}",
            "city": "London",
            "data": f"London/{name}",
        }
        unit = Unit(**values | changes)
        self.units[unit.id] = unit
        return unit.id

    def change(self, unit, **changes):
        self.units[unit] = replace(self.units[unit], **changes)

    def host(self):
        return HostState(self.host_name, self.name, reachable=True)

    def list(self):
        return list(self.units.values())

    async def _called(self, call, unit):
        name = self.units[unit].name
        self.calls.append((call, name))
        if gate := self.gates.get((call, name)):
            await gate.wait()
        if error := self.fails.get((call, name)):
            raise error
        return name

    async def start(self, unit):
        name = await self._called("start", unit)
        state = UnitState.FAILED if name in self.dies else UnitState.RUNNING
        reason = "exit code 1" if name in self.dies else ""
        self.change(unit, state=state, reason=reason, started_at=self.clock.now())

    async def stop(self, unit, *, grace):
        await self._called("stop", unit)
        self.change(unit, state=UnitState.STOPPED, started_at=None)

    async def restart(self, unit, *, grace):
        await self._called("restart", unit)
        self.change(unit, state=UnitState.RUNNING, started_at=self.clock.now())

    async def regenerate(self, unit):
        await self._called("regenerate", unit)

    async def remove(self, unit, *, grace):
        await self._called("remove", unit)
        del self.units[unit]


class FakeReadings:
    """A unit that runs writes all the time; what is open is uploaded when asked, unless `stuck`."""

    def __init__(self, clock, runtime):
        self.clock = clock
        self.runtime = runtime
        self.unsent_of: dict[str, int | None] = {}
        """Readings open, by name; a running unit has a new one at each look besides."""
        self.stuck: set[str] = set()
        self.keep: dict[str, str] = {}
        self.lets_wipe = False
        """What is to be kept is found out only when it is to be deleted."""
        self.wiped: list[tuple[str, bool]] = []
        self.asked = 0
        self.asked_for: dict[str, int] = {}
        self.say: dict[str, Callable[[], Standing | None]] = {}

    def _uploaded(self, name):
        if self.asked > self.asked_for.get(name, 0) and name not in self.stuck:
            self.unsent_of[name] = 0

    async def standing(self, unit):
        await asyncio.sleep(0)
        if unit.name in self.say:
            return self.say[unit.name]()
        if unit.sensor_id is None:
            return None
        self._uploaded(unit.name)
        now = self.clock.now()
        running = any(each.id == unit.id and each.state.up for each in self.runtime.list())
        left = self.unsent_of.get(unit.name, 0)
        return Standing(left, newest=now if running else now - 60, oldest_open=now - 100 if left else None)

    async def unsent(self, unit):
        self._uploaded(unit.name)
        return self.unsent_of.get(unit.name, 0)

    def sync_now(self):
        self.asked += 1

    async def why_keep(self, unit):
        return "" if self.lets_wipe else self.keep.get(unit.name, "")

    async def wipe(self, unit, *, keep_folder, destroy=False):
        if not destroy and (left := await self.unsent(unit)):
            raise FleetError(f"its data is not wiped: {left} readings are unsent")
        if self.keep.get(unit.name) == "surprise":
            raise FleetError("its data is not wiped: a disk is gone", fix="Mend it")
        self.wiped.append((unit.name, keep_folder))


class World:
    """Two runtimes, their readings, and the actions on them."""

    def __init__(self):
        self.clock = JumpingClock()
        self.runtime = FakeRuntime(self.clock)
        self.other = FakeRuntime(self.clock, name="docker")
        self.readings = FakeReadings(self.clock, self.runtime)
        self.log: list[tuple[str, str, str, str]] = []
        self.changes = 0
        self.actions = Actions(
            [self.runtime, self.other], self.readings, self.clock, self._record, changed=self._changed
        )

    async def _record(self, *line):
        self.log.append(line)

    def _changed(self):
        self.changes += 1

    async def run(self, kind, *units, **options) -> ActionRun:
        """Do it, to its end."""
        begun = await self.actions.run(ActionKind(kind), units, ActionOptions(**options), "me")
        return await self.ended(begun.id)

    async def ended(self, run_id) -> ActionRun:
        while True:
            run = self.get(run_id)
            if run.ended is not None:
                return run
            await self.clock.sleep(0.05)

    async def reached(self, run_id, step, index=0) -> None:
        """Wait until a unit is at that step."""
        while self.get(run_id).outcomes[index].step is not Step(step):
            await asyncio.sleep(0)

    def get(self, run_id) -> ActionRun:
        return next(run for run in self.actions.runs if run.id == run_id)

    async def one(self, kind, unit, **options):
        """The outcome for a single unit."""
        return (await self.run(kind, unit, **options)).outcomes[0]


@pytest.fixture
def world():
    return World()

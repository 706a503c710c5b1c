"""One process unit: started, watched, started again when it ends by itself, and ended when asked."""

import asyncio
import logging
import random
import signal
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sensor_tui.errors import FleetError
from sensor_tui.fleet import process_table
from sensor_tui.fleet.process_ground import Ground
from sensor_tui.fleet.process_spec import (
    load_spec,
    masked_command,
    masked_environment,
    write_whole,
)
from sensor_tui.fleet.process_state import Record, load_record
from sensor_tui.fleet.process_watch import ExitWatch
from sensor_tui.model.unit import Role, Unit, UnitSpec, UnitState, unit_id

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
STEADY_SECONDS: Final = 60.0
"""A unit that ran so long starts its pauses from the shortest again."""
KILL_SECONDS: Final = 10.0
"""How long a process may take to vanish after SIGKILL."""

_LOOK_SECONDS: Final = 0.05
_NO_SPEC: Final = "?"


class ProcessUnit:
    """Supervises one unit; its methods may overlap, and take turns."""

    def __init__(self, name: str, ground: Ground) -> None:
        self.name = name
        self.id = unit_id(ground.host, "process", name)
        self.spec = UnitSpec(name, (_NO_SPEC,), role=Role.OTHER)
        self.broken: FleetError | None = None
        self.removing = False
        """Whether it is about to be forgotten, and must not be started any more."""
        self.record = Record()
        self._ground = ground
        self._lock = asyncio.Lock()
        self._watch: ExitWatch | None = None
        self._again: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._began = 0.0
        self._shown: Unit | None = None

    def path(self, suffix: str) -> Path:
        """A file of this unit."""
        return self._ground.path(self.name, suffix)

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return self._watch.pid if self._watch is not None else None

    def unit(self) -> Unit:
        """How it stands."""
        if self._shown is None:
            self._shown = self._unit()
        return self._shown

    def _unit(self) -> Unit:
        spec, record = self.spec, self.record
        return Unit(
            id=self.id,
            host=self._ground.host,
            runtime="process",
            name=self.name,
            role=spec.role,
            state=record.state,
            reason=str(self.broken) if self.broken is not None else record.reason,
            exit_code=record.exit_code,
            pid=self.pid,
            started_at=record.started_at if self.pid is not None else None,
            restarts=record.restarts,
            city=spec.city,
            project=spec.project,
            sensor_id=spec.sensor_id,
            data=spec.data,
            command=masked_command(spec.command) if self.broken is None else (),
            environment=masked_environment(spec.environment),
            labels=dict(spec.labels),
        )

    def load(self) -> None:
        """Read its spec and what is remembered of it; blocks."""
        self.record = load_record(self.path(".state"))
        try:
            self.spec, self.broken = load_spec(self.path(".json")), None
        except FleetError as error:
            self.broken = error
            log.warning("%s", error)

    async def take_over(self, marked: Mapping[str, list[int]]) -> None:
        """Adopt what runs, start what should and does not; `marked` are processes by their mark."""
        async with self._lock:
            record = self.record
            found = await self._ground.run(self._find, marked.get(self._ground.mark(self.name), []))
            if found is not None:
                await self._adopt(found)
                return
            await self._ground.kill(self.name, None)
            was_up, record.pid = record.pid is not None, None
            if record.wanted and self.spec.restart and self.broken is None:
                record.restarts += 1
                await self._start_or_pause()
            elif record.wanted and was_up:
                gone = "ended while no service looked after it, its exit code is not known"
                await self._set(UnitState.FAILED, gone, wanted=False)
            elif record.state.up or record.state is UnitState.BACKOFF:
                await self._set(UnitState.STOPPED, "", wanted=False)

    def _find(self, marked: list[int]) -> process_table.Entry | None:
        """The process that was left running: the one remembered, else the one that says it is this unit."""
        for pid in filter(None, [self.record.pid, *marked]):
            found = process_table.entry(pid)
            leads = found is not None and found.session == found.pid
            if leads and (pid in marked or (found is not None and found.birth == self.record.birth)):
                return found
        return None

    async def _adopt(self, found: process_table.Entry) -> None:
        record, clock = self.record, self._ground.clock
        if record.birth != found.birth or record.started_at is None:
            record.started_at = clock.now()
        if record.state is UnitState.CREATED:
            record.wanted = True  # what was remembered of it is lost, and it runs
        record.pid, record.birth = found.pid, found.birth
        self._began = clock.monotonic() - max(0.0, clock.now() - record.started_at)
        self._watch = ExitWatch(process_table.Leader(found.pid, found.birth), clock, self._on_end)
        if record.wanted:
            await self._set(UnitState.RUNNING, "")
        else:
            await self._set(UnitState.STOPPING, "was being stopped")
            self.later(self.stop(grace=KILL_SECONDS))

    async def start(self) -> None:
        """Start it on purpose; nothing where it is up already. Raises FleetError."""
        async with self._lock:
            await self._start()

    async def stop(self, *, grace: float) -> None:
        """End it, and all it started, and return once that is so. Raises FleetError where it will not die."""
        async with self._lock:
            await self._stop(grace, wanted=False)

    async def restart(self, *, grace: float) -> None:
        """Stop and start; a service that ends in between leaves it to the next. Raises FleetError."""
        async with self._lock:
            self._check()
            await self._stop(grace, wanted=True)
            await self._start()

    def _check(self) -> None:
        """Raise FleetError where it cannot be started."""
        if self.removing:
            raise FleetError(f"{self.name} is being removed")
        if self.broken is not None:
            raise self.broken

    async def _start(self) -> None:
        if self._watch is not None and not self._watch.ended.is_set():
            return
        await self._settle()
        self._check()
        self._cancel_again()
        record = self.record
        record.restarts = record.attempts = 0
        record.exit_code, record.wanted = None, True
        try:
            await self._spawn()
        except FleetError as error:
            await self._set(UnitState.FAILED, error.message, wanted=False)
            raise

    async def _stop(self, grace: float, *, wanted: bool) -> None:
        self._cancel_again()
        watch = self._watch
        if watch is None:
            if self.record.wanted or self.record.state is UnitState.BACKOFF:
                await self._set(UnitState.STOPPED, "", wanted=wanted)
            return
        await self._set(UnitState.STOPPING, "", wanted=wanted)
        await self._end(watch, grace)
        await self._settle()

    async def regenerate(self) -> None:
        """Read its definition again and forget how it fared. Raises FleetError."""
        async with self._lock:
            if self._watch is not None:
                raise FleetError(f"{self.name} runs", fix="Stop it first")
            self._cancel_again()
            self.spec, self.broken = await self._ground.run(load_spec, self.path(".json")), None
            self.record = Record()
            await self._set(UnitState.STOPPED, "", wanted=False)

    def close(self) -> list[asyncio.Task[Any]]:
        """Let go of it; returns what is still to end."""
        self._cancel_again()
        if self._watch is not None:
            self._watch.close()
        for task in self._tasks:
            task.cancel()
        return list(self._tasks)

    def paused(self, *, stopped: bool) -> None:
        """Take note of whether its process is held by SIGSTOP."""
        state = self.record.state
        if stopped == (state is UnitState.PAUSED) or state not in {UnitState.RUNNING, UnitState.PAUSED}:
            return
        self.record.state = UnitState.PAUSED if stopped else UnitState.RUNNING
        self.record.reason = "held by a signal; SIGCONT lets it go on" if stopped else ""
        self._tell()

    def later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do this beside everything else; what goes wrong is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s: %s", self.name, error)

    async def _spawn(self) -> None:
        """Start its process; raises FleetError."""
        await self._set(UnitState.STARTING, "")
        try:
            leader = await self._ground.run(self._ground.spawn, self.spec)
        except OSError as error:
            raise FleetError(
                f"{self.name} cannot be started: {error.strerror}: {error.filename or self.spec.command[0]}",
                fix="Mend its command or its folder",
            ) from error
        clock, record = self._ground.clock, self.record
        record.pid, record.birth = leader
        record.started_at, self._began = clock.now(), clock.monotonic()
        self._watch = ExitWatch(leader, clock, self._on_end)
        await self._set(UnitState.RUNNING, "")

    def _on_end(self, watch: ExitWatch) -> None:
        self.later(self._ended(watch))

    async def _ended(self, watch: ExitWatch) -> None:
        """It ended; where nobody asked it to, decide what comes next."""
        async with self._lock:
            if self._watch is not watch:
                return
            await self._settle()
            record = self.record
            if not record.wanted:
                return
            how = self._how()
            if self.spec.restart:
                record.restarts += 1
                await self._pause(how)
            elif record.exit_code == 0:
                await self._set(UnitState.STOPPED, how, wanted=False)
            else:
                await self._set(UnitState.FAILED, how, wanted=False)

    async def _settle(self) -> None:
        """Clear up after a process that ended: what it left running, and its exit code."""
        watch = self._watch
        if watch is None:
            return
        # Its number is given to no other before it is collected, so that its session can be told by it.
        await self._ground.kill(self.name, watch.leader)
        record, clock = self.record, self._ground.clock
        record.exit_code, record.pid, self._watch = watch.collect(), None, None
        if clock.monotonic() - self._began >= STEADY_SECONDS:
            record.attempts = 0
        if not record.wanted:
            await self._set(UnitState.STOPPED, self._how())

    def _how(self) -> str:
        code = self.record.exit_code
        if code is None:
            return "ended, its exit code is not known: an earlier service started it"
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"

    async def _pause(self, how: str) -> None:
        """Start it again after a pause, the longer the more often it ended soon."""
        record, clock = self.record, self._ground.clock
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(record.attempts, 10))
        seconds = random.uniform(0.8 * longest, longest)
        record.attempts += 1
        at = datetime.fromtimestamp(clock.now() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._again = self.later(self._start_again(seconds))
        await self._set(UnitState.BACKOFF, f"{how}; is started again at {at}")

    async def _start_again(self, seconds: float) -> None:
        await self._ground.clock.sleep(seconds)
        async with self._lock:
            if self._again is asyncio.current_task():
                self._again = None
                await self._start_or_pause()

    async def _start_or_pause(self) -> None:
        try:
            await self._spawn()
        except FleetError as error:
            await self._pause(error.message)

    def _cancel_again(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    async def _end(self, watch: ExitWatch, grace: float) -> None:
        clock = self._ground.clock
        deadline = clock.monotonic() + grace
        if not watch.ended.is_set():
            await self._ground.end_softly(self.name, watch.leader)
            await watch.within(grace)
        while clock.monotonic() < deadline and await self._ground.left(self.name, watch.leader):
            await clock.sleep(_LOOK_SECONDS)
        if not watch.ended.is_set():
            await self._ground.kill(self.name, watch.leader)
            if not await watch.within(KILL_SECONDS):
                raise FleetError(
                    f"{self.name}: process {watch.pid} does not end, not even by SIGKILL",
                    fix="It may wait for a disk or a network drive that does not answer",
                )

    async def _set(self, state: UnitState, reason: str, *, wanted: bool | None = None) -> None:
        """Take on a state, keep it on disk, and tell."""
        record = self.record
        record.state, record.reason = state, reason
        record.wanted = record.wanted if wanted is None else wanted
        self._tell()
        try:
            await self._ground.run(write_whole, self.path(".state"), record.encoded())
        except OSError as error:
            log.warning("%s: its state cannot be written: %s", self.name, error.strerror)

    def _tell(self) -> None:
        self._shown = None
        self._ground.changed(self.name, str(self.record.state))

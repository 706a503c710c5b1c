"""What containers use: from the kernel where they are this machine's, else from their engine.

An engine answers such a question only with its next tick, up to a second later, so its answers are asked for
in the background, a few at a time, the oldest first; our own differences make them rates.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sensor_tui.errors import FleetError
from sensor_tui.fleet.docker_calls import Calls
from sensor_tui.fleet.docker_cgroup import Cgroups, Group, Sample
from sensor_tui.fleet.docker_unit import Container, time_of
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import UnitStats

ASK_SECONDS: Final = 0.9
"""Between two questions about a container, at least."""
STALE_SECONDS: Final = 30.0
"""An engine's answer that is older is not shown any more."""
_NANOSECONDS: Final = 1e-9


class _Look(NamedTuple):
    """One look at a container: which run, when by whose clock ever, and what was seen."""

    pid: int
    at: float
    cpu: float


class Rates:
    """Remembers the look before of every container."""

    def __init__(self) -> None:
        self._before: dict[str, _Look] = {}

    def is_new(self, container: str, pid: int, at: float) -> bool:
        """Whether a look is later than the one before, or of another run."""
        before = self._before.get(container)
        return before is None or before.pid != pid or at > before.at

    def percent(self, container: str, pid: int, at: float, cpu: float) -> float | None:
        """Of one core since the look before; None on the first of a run."""
        before = self._before.get(container)
        if not self.is_new(container, pid, at):
            return None
        self._before[container] = _Look(pid, at, cpu)
        if before is None or before.pid != pid or cpu < before.cpu:
            return None
        return 100 * (cpu - before.cpu) / (at - before.at)

    def keep(self, containers: Iterable[str]) -> None:
        """Forget all others."""
        kept = set(containers)
        self._before = {each: look for each, look in self._before.items() if each in kept}


class KernelMeter:
    """Reads the files of this machine; `measure` blocks, for one caller at a time."""

    def __init__(self, cgroups: Cgroups | None = None) -> None:
        self._cgroups = cgroups or Cgroups()
        self._groups: dict[str, tuple[int, Group]] = {}
        self._rates = Rates()

    def measure(
        self, containers: Sequence[Container], monotonic: Callable[[], float]
    ) -> dict[str, tuple[Sample, float | None]]:
        """What those use that are this machine's, by container id."""
        found: dict[str, tuple[Sample, float | None]] = {}
        for each in containers:
            pid = each.unit.pid
            if pid is None or (group := self._group(each.id, pid)) is None:
                continue
            sample = group.sample()
            if sample is None:
                del self._groups[each.id]
                continue
            found[each.id] = sample, self._rates.percent(each.id, pid, monotonic(), sample.cpu)
        if len(self._groups) > len(containers):
            kept = {each.id for each in containers}
            self._groups = {each: group for each, group in self._groups.items() if each in kept}
            self._rates.keep(kept)
        return found

    def _group(self, container: str, pid: int) -> Group | None:
        known = self._groups.get(container)
        if known is not None and known[0] == pid:
            return known[1]
        group = self._cgroups.find(pid, container)
        if group is not None:
            self._groups[container] = pid, group
        return group


class EngineMeter:
    """Asks the engine; `ask` gives its answer to `GET /containers/{id}/stats` and blocks."""

    def __init__(self, calls: Calls, clock: Clock, *, at_once: int) -> None:
        self._calls = calls
        self._clock = clock
        self._most = at_once
        self._asked: dict[str, float] = {}
        self._stats: dict[str, tuple[float, UnitStats]] = {}
        self._rates = Rates()
        self._asking: dict[str, asyncio.Task[None]] = {}

    def known(self, containers: Sequence[Container], ask: Callable[[str], Any]) -> dict[str, UnitStats]:
        """What was answered lately about these, by unit; those asked longest ago are asked again."""
        now = self._clock.monotonic()
        present = {each.id for each in containers}
        self._asked = {each: at for each, at in self._asked.items() if each in present}
        self._stats = {each: stats for each, stats in self._stats.items() if each in present}
        self._rates.keep(present)
        due = [
            each
            for each in containers
            if each.id not in self._asking and now - self._asked.get(each.id, float("-inf")) >= ASK_SECONDS
        ]
        due.sort(key=lambda each: self._asked.get(each.id, float("-inf")))
        for each in due[: max(0, self._most - len(self._asking))]:
            self._asked[each.id] = now
            self._asking[each.id] = asyncio.get_running_loop().create_task(self._ask(each, ask))
        return {
            stats.unit: stats
            for each in containers
            if each.id in self._stats
            for at, stats in [self._stats[each.id]]
            if now - at < STALE_SECONDS
        }

    def close(self) -> None:
        """Wait for no answer any more."""
        for task in self._asking.values():
            task.cancel()

    async def _ask(self, container: Container, ask: Callable[[str], Any]) -> None:
        try:
            answer = await self._calls.run(ask, container.id)
        except (FleetError, OSError):
            return
        finally:
            del self._asking[container.id]
        pid = container.unit.pid or 0
        sample = sample_of(answer)
        if sample is None:
            return
        at, cpu, memory = sample
        if not self._rates.is_new(container.id, pid, at):
            return
        percent = self._rates.percent(container.id, pid, at, cpu)
        stats = UnitStats(container.unit.id, self._clock.now(), percent, memory, container.memory_limit)
        self._stats[container.id] = self._clock.monotonic(), stats


def sample_of(answer: Any) -> tuple[float, float, int] | None:
    """The engine's time, seconds of processor time, and bytes, of an answer; None where it says nothing."""
    if not isinstance(answer, Mapping):
        return None
    at = time_of(answer.get("read"))
    memory = answer.get("memory_stats") or {}
    try:
        cpu = int(answer["cpu_stats"]["cpu_usage"]["total_usage"]) * _NANOSECONDS
        used = int(memory["usage"])
        details = memory.get("stats") or {}
        idle = int(details.get("total_inactive_file", details.get("inactive_file", 0)))
    except (KeyError, TypeError, ValueError):
        return None
    return None if at is None else (at, cpu, used - idle if idle < used else used)

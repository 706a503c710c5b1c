"""What units use: processor and memory of all their processes, read in one pass."""

import time
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sensor_tui.fleet import process_table

_SHARE: Final = 0.005
"""Of one core; looking for new processes among all of the machine's takes no more in the long run."""


class Usage(NamedTuple):
    """Of one unit: per cent of one core since the look before, bytes, and whether it is held by SIGSTOP."""

    cpu_percent: float | None
    memory_bytes: int
    stopped: bool


class Meter:
    """Remembers the look before. `measure` blocks; for one caller at a time."""

    def __init__(self) -> None:
        self._families: dict[int, list[int]] = {}
        self._before: dict[int, tuple[str, float, float]] = {}
        self._search_at = float("-inf")

    def measure(self, leaders: Mapping[str, int], chosen: Iterable[str], now: float) -> dict[str, Usage]:
        """Usage of the chosen that are still there, by name.

        `leaders` are the first processes of all units by name, `now` is of the monotonic clock.
        """
        if now >= self._search_at or self._families.keys() != set(leaders.values()):
            began = time.perf_counter()
            self._families = process_table.families(process_table.table(), frozenset(leaders.values()))
            self._before = {leader: each for leader, each in self._before.items() if leader in self._families}
            self._search_at = now + (time.perf_counter() - began) / _SHARE
        found: dict[str, Usage] = {}
        for name in chosen:
            leader = leaders[name]
            alive = [each for pid in self._families[leader] if (each := process_table.entry(pid)) is not None]
            first = next((each for each in alive if each.pid == leader), None)
            if first is None:
                continue
            cpu = sum(each.cpu for each in alive)
            birth, cpu_before, at = self._before.get(leader, ("", 0.0, 0.0))
            self._before[leader] = (first.birth, cpu, now)
            known = birth == first.birth and now > at
            percent = max(0.0, 100 * (cpu - cpu_before) / (now - at)) if known else None
            memory = sum(process_table.memory(each.pid) for each in alive)
            found[name] = Usage(percent, memory, first.state == "T")
        return found

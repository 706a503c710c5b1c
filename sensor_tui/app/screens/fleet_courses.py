"""What every unit used over the last minutes, as far as this screen was looked at."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sensor_tui.model.unit import UnitStats

POINTS: Final = 180
"""Kept of each unit: three minutes at one a second."""


@dataclass(slots=True)
class Course:
    """CPU and memory of one unit, the oldest first."""

    at: deque[float] = field(default_factory=lambda: deque(maxlen=POINTS))
    cpu: deque[float | None] = field(default_factory=lambda: deque(maxlen=POINTS))
    memory: deque[float | None] = field(default_factory=lambda: deque(maxlen=POINTS))


class Courses:
    """A course for each unit there is; those of units that are gone are forgotten."""

    def __init__(self) -> None:
        self._of: dict[str, Course] = {}

    def take(self, stats: Mapping[str, UnitStats]) -> None:
        """Add what is new."""
        for gone in self._of.keys() - stats.keys():
            del self._of[gone]
        for key, used in stats.items():
            course = self._of.get(key)
            if course is None:
                course = self._of[key] = Course()
            if course.at and used.at <= course.at[-1]:
                continue
            course.at.append(used.at)
            course.cpu.append(used.cpu_percent)
            course.memory.append(used.memory_bytes)

    def of(self, unit: str) -> Course:
        """The course of a unit by its id."""
        return self._of.get(unit) or Course()


def span(values: Sequence[float | None]) -> tuple[float, float] | None:
    """The least and the greatest of some values; None where there are not two."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if len(known) > 1 else None

"""What is wrong with a configuration, collected and said in one line each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn

from sensor_tui.errors import ConfigError

_ORIGINS: Final = ("option", "environment", ".env")
"""The origins before the file, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: `where` for errors, `source` for `config show`, `line` for sorting."""

    where: str
    source: str
    line: int = 0

    @property
    def file(self) -> str:
        """What `where` says without the line."""
        return self.where.removesuffix(f":{self.line}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place.where}: {self.text}"


def fail(place: Place, text: str) -> NoReturn:
    """Raise a `ConfigError` for one problem that leaves nothing to go on with."""
    raise ConfigError(str(Problem(place, text))) from None


def raise_for(problems: Iterable[Problem]) -> None:
    """Raise one `ConfigError` for all problems, a line each: the first of each line of a file."""
    first: dict[tuple[str, int | str], Problem] = {}
    for problem in problems:
        place = problem.place
        first.setdefault((place.where, place.line or problem.text), problem)
    files = list(dict.fromkeys([*_ORIGINS, *(problem.place.file for problem in first.values())]))
    if first:
        ordered = sorted(first.values(), key=lambda one: (files.index(one.place.file), one.place.line))
        raise ConfigError("\n".join(str(problem) for problem in ordered)) from None

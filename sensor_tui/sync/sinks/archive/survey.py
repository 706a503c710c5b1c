"""A look at the datasets of an archive, without any lock: whether what an append has to read can be read."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

from sensor_tui.sync.sinks.archive.formats import Format, Unreadable, make_format
from sensor_tui.sync.sinks.archive.names import Part, parse_part
from sensor_tui.sync.sinks.archive.options import SUFFIXES, FormatName

_WHOLE: Final = 4 << 20
"""Bytes of a part whose ids are read; of a larger one only the columns are."""
_FIRST, _LAST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look has found: how many datasets it looked at, of how many, and parts that cannot be read."""

    datasets: int
    there: int
    problems: tuple[str, ...]


def look(root: Path, name: FormatName, most: int, stopping: Callable[[], bool]) -> Looked:
    """Read the newest part of each dataset, of those that were written last, at most so many.

    Raises:
        ImportError: Parquet is asked for and pyarrow is missing.
        OSError: the folder cannot be listed.
    """
    file_format = make_format(name)
    found = _datasets(root, SUFFIXES[name])
    problems: list[str] = []
    looked = 0
    for dataset in found[:most]:
        if stopping():
            break
        looked += 1
        if problem := _problem(dataset, file_format):
            problems.append(problem)
    return Looked(looked, len(found), tuple(problems))


def _datasets(root: Path, suffix: str) -> list[str]:
    """Datasets of all cities, those written last first."""
    cities = [each for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")]
    found: list[tuple[int, str]] = []
    for folder in (root, *(city for city in cities if not city.name.endswith(suffix))):
        with os.scandir(folder) as entries:
            found += [
                (each.stat().st_mtime_ns, each.path)
                for each in entries
                if each.name.endswith(suffix) and not each.name.startswith(".") and each.is_dir()
            ]
    return [path for _, path in sorted(found, reverse=True)]


def _problem(dataset: str, file_format: Format) -> str:
    try:
        part = _newest(dataset, file_format.suffix)
    except OSError:  # it is changing places with a compacted one, or was taken away
        return ""
    if part is None:
        return ""
    path = f"{dataset}/{part.name}"
    try:
        file_format.learn(path)
        if part.size <= _WHOLE:
            for block in file_format.blocks(path, _FIRST, _LAST):
                file_format.ids(path, block)
    except Unreadable as error:
        return str(error) if Path(path).exists() else ""  # a part that was compacted is read no more
    return ""


def _newest(dataset: str, suffix: str) -> Part | None:
    with os.scandir(dataset) as entries:
        parts = [parse_part(each.name, suffix, each.stat().st_size) for each in entries]
    return max((part for part in parts if part is not None), key=attrgetter("sequence"), default=None)

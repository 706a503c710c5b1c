"""Small parts made into larger ones, without a moment in which a reader sees a document twice or not at all.

A new folder is built beside the dataset: the parts that stay are hard links, the others are one file. Then
the two folders change places in one step. Where the file system has no such step, the old folder is renamed
away and the new one takes its name: for an instant there is no dataset, never a wrong one. Whoever is listing
the old folder at that moment must see all of it, so it is removed some time later.
"""

import os
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from sensor_tui.sync.sinks.archive import files
from sensor_tui.sync.sinks.archive.dataset import Dataset
from sensor_tui.sync.sinks.archive.formats import Unreadable
from sensor_tui.sync.sinks.archive.names import GONE, TEMPORARY, Part, part_name

# Paths are strings here, as they go to system calls by the thousand.
# ruff: noqa: PTH102, PTH116, PTH120

_MOST_BYTES: Final = 64 * 1024 * 1024
_LEAST: Final = 2


def chosen(parts: Sequence[Part], count: int, most_rows: int) -> list[Part]:
    """The oldest parts of the lowest level that has `count` of them; empty where none has.

    Parts of one level are of about one size, so each document is written again once per level and not with
    every compaction. Parts of half the bound or more are left as they are.
    """
    small = [part for part in parts if part.size * 2 <= _MOST_BYTES and part.rows * 2 <= most_rows]
    small.sort(key=lambda part: (part.level, part.sequence))
    for _, group in groupby(small, key=lambda part: part.level):
        same = list(group)
        if len(same) >= count:
            return _within_bounds(same[:count], most_rows)
    return []


def _within_bounds(parts: list[Part], most_rows: int) -> list[Part]:
    size = rows = 0
    for index, part in enumerate(parts):
        size, rows = size + part.size, rows + part.rows
        if index >= _LEAST and (size > _MOST_BYTES or rows > most_rows):
            return parts[:index]
    return parts


def compact(dataset: Dataset, count: int, stopping: Callable[[], bool]) -> str | None:
    """Make `count` small parts one, where there are so many.

    Returns the folder that was replaced, to be removed when nobody lists it any longer.

    Raises:
        Busy, Unreadable: as `Dataset.held`, or a part cannot be read.
        Abandoned: `stopping` said so; nothing has changed.
        OSError: the file system refuses, or knows no hard links; nothing has changed.
    """
    with dataset.held():
        parts = chosen(dataset.parts, count, dataset.format.most_rows)
        if not parts:
            return None
        new = f"{dataset.hidden}.new"
        files.remove_folder(new)
        os.mkdir(new)
        try:
            made = _build(dataset, new, parts, stopping)
            files.sync_folder(new)
        except BaseException:
            files.remove_folder(new)
            raise
        old = _put_in_place(dataset, new)
        left = set(parts)
        dataset.parts = sorted(
            [made, *(part for part in dataset.parts if part not in left)], key=lambda part: part.sequence
        )
        return old


def _build(dataset: Dataset, new: str, parts: Sequence[Part], stopping: Callable[[], bool]) -> Part:
    """The new folder: one file of the chosen parts, and links to everything else."""
    gone = {part.name for part in parts} | {TEMPORARY}
    rows = sum(part.rows for part in parts)
    facts = (
        parts[0].sequence,
        parts[0].level + 1,
        rows,
        min(part.low for part in parts),
        max(part.high for part in parts),
    )
    name = part_name(*facts, dataset.format.suffix)
    with os.scandir(dataset.path) as found:
        kept = [each.name for each in found if each.name not in gone]
    for each in kept:
        os.link(f"{dataset.path}/{each}", f"{new}/{each}", follow_symlinks=False)
    target = f"{new}/{name}"
    paths = [f"{dataset.path}/{part.name}" for part in parts]
    written = dataset.format.merge(paths, target, dataset.columns, stopping)
    if written != rows:
        raise Unreadable(f"{dataset.path}: its parts hold {written} documents where their names say {rows}")
    return Part(*facts, name, os.stat(target).st_size)


def _put_in_place(dataset: Dataset, new: str) -> str:
    """Put the new folder in the dataset's place; what the old one is called now."""
    city = os.path.dirname(dataset.path)
    gone = f"{dataset.hidden}{GONE}{time.time_ns():x}"
    try:
        files.exchange(new, dataset.path)
        old = new
    except files.CannotExchange:
        old = f"{dataset.hidden}.old"
        files.move(dataset.path, old)
        files.move(new, dataset.path)
    files.move(old, gone)
    # the new folder must last before anything of the old one is removed
    files.sync_folder(city)
    return gone

"""One sensor's dataset: a folder of parts, each written once, whole, and beside those that are there."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sensor_tui.sync.sinks.archive import files, lock
from sensor_tui.sync.sinks.archive.documents import Entry
from sensor_tui.sync.sinks.archive.formats import Columns, Format
from sensor_tui.sync.sinks.archive.known import KnownIds
from sensor_tui.sync.sinks.archive.names import GONE, TEMPORARY, Part, parse_part, part_name
from sensor_tui.sync.sinks.archive.schema import is_aggregated

# Paths are strings here, as they go to system calls by the thousand.
# ruff: noqa: PTH102, PTH116, PTH120


class OtherKind(Exception):
    """A dataset of readings is given aggregated documents, or the other way round."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What came of an append: documents there before, and bytes written."""

    already_there: int
    written: int


class Dataset:
    """The parts of one sensor. Every method may take its time; one at a time, from any thread.

    What is known of the folder is kept from one call to the next, and read anew where somebody else held
    the lock or changed the folder meanwhile.
    """

    def __init__(self, path: str, file_format: Format, ids: KnownIds, *, holder: bytes) -> None:
        self.path = path
        self.parts: list[Part] = []
        """In the order of their sequence."""
        self.format = file_format
        self.columns: Columns = {}
        self._ids = ids
        self._holder = holder
        self._stamp: tuple[int, int] | None = None
        city, name = os.path.split(path)
        self.hidden = f"{city}/.{name}"
        """What the names of everything beside the folder begin with."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the dataset against other processes, with what is in it read.

        Raises:
            Busy: another process writes it.
            Unreadable: its newest part cannot be read.
            OSError: the file system refuses.
        """
        try:
            os.mkdir(os.path.dirname(self.path))
        except FileExistsError:
            pass
        else:
            files.sync_folder(os.path.dirname(os.path.dirname(self.path)))
        with lock.hold(f"{self.hidden}.lock", self._holder) as alone:
            if not alone:
                self._stamp = None
            self._look()
            try:
                yield
            except BaseException:
                self._stamp = None
                raise
            self._stamp = self._now()

    def append(self, entries: Sequence[Entry], *, alike: bool = True) -> Appended:
        """Write the documents that are not there yet as one part.

        Raises:
            OtherKind: `alike`, and the dataset began with documents of the other kind.
            Busy, Unreadable, OSError: as `held`.
        """
        with self.held():
            if alike and self.parts and is_aggregated(self.columns) != entries[0].aggregated:
                raise OtherKind
            fresh = self._fresh(entries)
            if not fresh:
                return Appended(len(entries), 0)
            low, high = min(entry.at for entry in fresh), max(entry.at for entry in fresh)
            content, columns = self.format.pack(fresh, self.columns)
            sequence = self.parts[-1].sequence + 1 if self.parts else 1
            name = part_name(sequence, 0, len(fresh), low, high, self.format.suffix)
            files.write_whole(self.path, TEMPORARY, name, content)
            self.columns = columns
            self.parts.append(Part(sequence, 0, len(fresh), low, high, name, len(content)))
            self._ids.put((self.path, name, 0), frozenset(entry.id for entry in fresh))
            return Appended(len(entries) - len(fresh), len(content))

    def recover(self) -> None:
        """Finish or undo what a crash left in the middle; raises as `held`."""
        with self.held():
            self._stamp = None
            self._look()
            city, name = os.path.split(self.hidden)
            with os.scandir(city) as found:
                gone = [each.path for each in found if each.name.startswith(f"{name}{GONE}")]
            for path in gone:
                files.remove_folder(path)

    def _fresh(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those that are in no part yet. Only parts of the same times are looked into."""
        found = {entry.id: entry for entry in reversed(entries)}
        low, high = min(entry.at for entry in entries), max(entry.at for entry in entries)
        for part in self.parts:
            if part.low > high or part.high < low:
                continue
            asked = {name for name, entry in found.items() if part.low <= entry.at <= part.high}
            for there in self._seen_in(part, low, high) if asked else ():
                for name in asked & there:
                    del found[name]
                asked -= there
        return [entry for entry in entries if found.get(entry.id) is entry]

    def _seen_in(self, part: Part, low: int, high: int) -> Iterator[frozenset[str]]:
        only = self._ids.peek((self.path, part.name, 0)) if part.level == 0 else None
        if only is not None:
            yield only
            return
        path = f"{self.path}/{part.name}"
        for block in self.format.blocks(path, low, high):
            yield self._ids.get((self.path, part.name, block), partial(self.format.ids, path, block))

    def _look(self) -> None:
        """Read what is in the folder, after a crash or another writer; nothing where it is as left."""
        if self._stamp is not None and self._stamp == self._now():
            return
        self._mend()
        with os.scandir(self.path) as found:
            parts = [
                part
                for each in found
                if (part := parse_part(each.name, self.format.suffix, each.stat().st_size)) is not None
            ]
        parts.sort(key=lambda part: part.sequence)
        self.columns = self.format.learn(f"{self.path}/{parts[-1].name}") if parts else {}
        self.parts = parts

    def _mend(self) -> None:
        """Put right what a crash in the middle of a compaction left; see `compact`."""
        new, old = f"{self.hidden}.new", f"{self.hidden}.old"
        if not os.path.lexists(self.path):
            if os.path.lexists(old):
                files.move(old, self.path)
            else:
                os.mkdir(self.path)
            files.sync_folder(os.path.dirname(self.path))
        files.remove_folder(new)
        files.remove_folder(old)
        Path(self.path, TEMPORARY).unlink(missing_ok=True)

    def _now(self) -> tuple[int, int] | None:
        try:
            facts = os.stat(self.path)
        except FileNotFoundError:
            return None
        return facts.st_ino, facts.st_mtime_ns

"""Sensor files for a command that prunes: found, chosen and written without being taken from their engine.

Pruning needs no ownership. It removes only rows that are closed, which no engine reads or marks again, in
statements that ask for that themselves; so it may run beside the engine that has the file.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from sensor_tui.errors import SourceFileError
from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import city_of
from sensor_tui.storage.discovery import Tree
from sensor_tui.storage.files import SensorConnection, explain, header_problem, is_read_only
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.locks import find_owner, lock_path
from sensor_tui.storage.pool import FilePool, Lease
from sensor_tui.storage.scanner import attempt
from sensor_tui.storage.schema import quote
from sensor_tui.storage.signatures import signature_of
from sensor_tui.storage.tracked import TrackedFile
from sensor_tui.storage.windows import facts_of, look_at_ends

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""Seconds a file may be locked by another process before that is a problem."""
_LEAST_REST: Final = 0.004
_MOST_REST: Final = 0.05


@dataclass(frozen=True, slots=True)
class Prunable:
    """A file of the data folder: whose it is, as its newest row says."""

    key: str
    city: str
    sensor_id: str | None = None
    problem: str = ""
    """Why it cannot be used."""
    left: str = ""
    """Why nothing can be removed from it."""
    owner: str = ""
    """The other engine that has it, in words."""


class LooseFiles:
    """The sensor files under a root, written or only read, at most a few open at once."""

    def __init__(self, root: Path, ledger: Ledger, clock: Clock, *, write: bool, place: str | None) -> None:
        self._tree = Tree(root, place=place)
        self._ledger = ledger
        self._clock = clock
        self._write = write
        self._pool = FilePool(threads=1, max_open=4, write=write)
        self._files: dict[str, TrackedFile] = {}

    async def find(self, *, socket: Path | None = None) -> list[Prunable]:
        """Every database there is, in the order of their keys.

        `socket` is that of our own service, whose files count as nobody else's.

        Raises:
            StorageError: the ledger cannot be read.
        """
        known = {record.path: record for record in await self._ledger.files()}
        walk = await self._pool.run(self._tree.walk)
        paths: set[str] = set()
        found: list[Prunable] = [Prunable(key, "", problem=text) for key, text in walk.problems.items()]
        for each in sorted(walk.files, key=lambda one: (not one.path.endswith(one.key), one.key)):
            if each.path in paths:
                continue
            paths.add(each.path)
            file = TrackedFile(each.key, each.path, each.city, city=each.city)
            record = known.get(each.key)
            if record is not None:
                file.city, file.anchor = record.city, record.anchor
            self._files[each.key] = file
            found.append(await self._meet(file, socket))
        return sorted(found, key=lambda one: one.key)

    async def change(self, key: str, job: Callable[[SensorConnection, TrackedFile], T]) -> T | None:
        """Do one short transaction on a file, after the rest its sensor is due; None where it takes none.

        Raises:
            SourceFileError: it cannot be used now.
        """
        file = self._files[key]
        async with self._pool.lease(file) as lease:
            pause = file.rest_until - self._clock.monotonic()
            if pause > 0:
                await self._clock.sleep(pause)
            try:
                return await attempt(
                    file,
                    lease,
                    partial(_guarded, file=file, job=job),
                    clock=self._clock,
                    patience=_PATIENCE,
                )
            finally:
                self._rest(file, lease)

    async def close(self) -> None:
        """Let go of every file."""
        await self._pool.close()

    async def _meet(self, file: TrackedFile, socket: Path | None) -> Prunable:
        try:
            file.signature = await self._pool.run(partial(signature_of, file.path, wal=True))
            problem = await self._pool.run(partial(header_problem, file.path))
            facts = None if problem is not None else await self.change(file.key, _facts)
        except SourceFileError as error:
            return Prunable(file.key, file.city, problem=str(error))
        except OSError as error:
            return Prunable(file.key, file.city, problem=str(explain(file.key, file.path, error)))
        if facts is None:
            return Prunable(file.key, file.city, problem=f"{file.key}: {problem}")
        left = "it may not be written" if self._write and not facts.writable else ""
        if not facts.tracked:
            left = "it has no column `synced`, so nothing says which rows were acknowledged"
        owner = await self._pool.run(partial(_other_owner, file.path, socket))
        return Prunable(
            file.key,
            city_of(facts.location, file.city),
            facts.sensor_id,
            left=left,
            owner=owner,
        )

    def _rest(self, file: TrackedFile, lease: Lease) -> None:
        """Let the sensor have its turn: back to back, our transactions could keep it waiting."""
        rest = min(_MOST_REST, max(_LEAST_REST, 2 * lease.seconds))
        file.rest_until = self._clock.monotonic() + rest


class _Facts(NamedTuple):
    writable: bool
    tracked: bool
    sensor_id: str | None
    location: Any


def _facts(connection: SensorConnection, file: TrackedFile) -> _Facts:
    """What the file allows, and whose its newest row is."""
    ends = look_at_ends(connection, file, 0)
    _, sensor = facts_of(connection, ends.last)
    schema = connection.schema
    location = None
    if schema.reading.location is not None:
        column = quote(schema.reading.columns[schema.reading.location])
        select = f"SELECT {column} FROM {schema.table} WHERE {schema.row_id} = ?"
        (location,) = connection.ask("facts", select, (ends.last,), width=1)
    return _Facts(connection.writable, schema.reading.has_synced, sensor, location)


def _guarded(
    connection: SensorConnection, file: TrackedFile, job: Callable[[SensorConnection, TrackedFile], T]
) -> T | None:
    """Do a job on the file that is meant; None where it turns out to take no writing."""
    connection.check_place()
    try:
        return job(connection, file)
    except sqlite3.OperationalError as error:
        if not is_read_only(error):
            raise
        connection.check_place()
        return None


def _other_owner(path: str, socket: Path | None) -> str:
    """The engine that has the file, in words; empty where that is nobody, or the service at this socket."""
    owner = find_owner(path)
    if owner is None:
        return ""
    try:
        said = json.loads(Path(lock_path(path)).read_bytes())
        ours = socket is not None and Path(said["socket"]).resolve() == socket.resolve()
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    return "" if ours else owner

"""How the files under a root stand, without an engine: nothing is locked and nothing is written."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sensor_tui.errors import SourceFileError
from sensor_tui.model.clock import Clock
from sensor_tui.model.source import FeedStatus, SourceFile
from sensor_tui.storage.locks import find_owner
from sensor_tui.storage.store import SqliteStore


@dataclass(frozen=True, slots=True)
class Survey:
    """Files in the order of their keys, and what under the root cannot be used, with the reason."""

    files: tuple[FeedStatus, ...]
    problems: dict[str, str] = field(default_factory=dict)


async def survey(root: Path, *, clock: Clock, state_dir: Path | None = None) -> Survey:
    """Look at every file once.

    Raises:
        StorageError: the root is missing, or the ledger cannot be read.
    """
    store = SqliteStore(root, clock=clock, state_dir=state_dir, read_only=True)
    try:
        await store.open()
        scan = await store.scan()
        dead = await store.dead_letters()
        problems = dict(scan.problems)
        files = await asyncio.gather(*(_status(store, file, dead, problems) for file in store.files()))
    finally:
        await store.close()
    return Survey(files=tuple(files), problems=problems)


async def _status(
    store: SqliteStore, file: SourceFile, dead: Mapping[str, int], problems: dict[str, str]
) -> FeedStatus:
    """One file; a problem met here is added to `problems`."""
    owner = find_owner(str(store.path(file.key)))
    after = min((await store.positions(file.key)).values(), default=0)
    facts = FeedStatus(
        source=file.key,
        sensor_id=None,
        city=file.city,
        backlog=0,
        oldest_open=None,
        newest=None,
        dead_letters=dead.get(file.key, 0),
        owner=owner,
    )
    try:
        peek = await store.peek(file.key, after=after)
    except SourceFileError as error:
        problems[file.key] = str(error)
        return replace(facts, problem=str(error))
    return replace(
        facts,
        sensor_id=peek.sensor_id,
        backlog=peek.open_rows,
        oldest_open=peek.oldest_open,
        newest=peek.newest,
        problem=problems.get(file.key),
    )

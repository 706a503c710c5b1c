"""Data trees, stores, and other processes that hold, write or read the same files."""

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sensor_tui.model.clock import SystemClock
from sensor_tui.model.reading import Batch, Row
from sensor_tui.model.source import Mark, Tracking
from sensor_tui.simulator.sample import write_sample
from sensor_tui.storage.store import SqliteStore

HOLD = """
import fcntl, sqlite3, sys
kind, path = sys.argv[1:]
if kind == "database":
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
else:
    import asyncio
    from pathlib import Path
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.storage.store import SqliteStore
    store = SqliteStore(Path(path), clock=SystemClock(), socket_hint="/run/other.sock")
    async def start():
        await store.open()
        return await store.scan()
    loop = asyncio.new_event_loop()
    scan = loop.run_until_complete(start())
    print(len(scan.changed), flush=True)
print("held", flush=True)
sys.stdin.readline()
if kind == "database":
    db.execute("ROLLBACK")
else:
    loop.run_until_complete(store.close())
    loop.close()
print("free", flush=True)
sys.stdin.readline()
"""


class Holder:
    """Another process that holds something until told otherwise."""

    def __init__(self, kind: str, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD, kind, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._wait_for("held")

    @property
    def pid(self) -> int:
        return self._process.pid

    def let_go(self) -> None:
        self._send()
        self._wait_for("free")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _send(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def _wait_for(self, word: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.strip())
            if self.said[-1] == word:
                return
        raise AssertionError(f"the other process ended: {self.said}")


@pytest.fixture
def holder() -> Iterator[Callable[[str, Path], Holder]]:
    """Start a process that holds a `database` exclusively, or the files under a root as a `store`."""
    with ExitStack() as stack:

        def start(kind: str, path: Path) -> Holder:
            return stack.enter_context(closing(Holder(kind, path)))

        yield start


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sample(data: Path) -> Callable[..., Path]:
    """Write a sensor's database: `sample("London/A", generation=…, rows=…, wal=…)` gives its path."""

    def write(
        where: str = "London/A", *, name: str = "sensor_data.db", generation: str = "2025-04", **facts: Any
    ) -> Path:
        path = data / where / name
        facts.setdefault("rows", 50)
        write_sample(path, generation=generation, **facts)
        return path

    return write


@pytest_asyncio.fixture
async def open_store(data: Path) -> AsyncIterator[Callable[..., Awaitable[SqliteStore]]]:
    """Open a store on the data folder, or on `root`; closed at the end of the test."""
    opened: list[SqliteStore] = []

    async def start(root: Path | None = None, **options: Any) -> SqliteStore:
        options.setdefault("clock", SystemClock())
        options.setdefault("rescan_seconds", 0.0)
        store = SqliteStore(root or data, **options)
        await store.open()
        opened.append(store)
        return store

    yield start
    for store in opened:
        await store.close()


@pytest.fixture
def drain() -> Callable[..., Awaitable[list[Row]]]:
    """Read a file to its end and close what was read; gives the rows."""

    async def run(
        store: SqliteStore, key: str, *, after: int = 0, limit: int = 100, mark: bool = True
    ) -> list[Row]:
        rows: list[Row] = []
        columns: tuple[str, ...] = ()
        more = True
        while more:
            batch = await store.read(key, after=after, limit=limit)
            assert len(batch.rows) <= limit
            assert batch.through >= after
            assert [row[0] for row in batch.rows] == sorted({row[0] for row in batch.rows})
            if mark and batch.rows:
                await store.close_rows(key, [marks(batch)])
            # columns that repeat come last from the second batch on
            columns = columns or batch.schema.columns
            order = [batch.schema.columns.index(column) for column in columns]
            rows += [tuple(row[index] for index in order) for row in batch.rows]
            after, more = batch.through, batch.more
        return rows

    return run


def marks(batch: Batch, value: Tracking = Tracking.DONE, rows: Sequence[Row] | None = None) -> Mark:
    chosen = batch.rows if rows is None else rows
    index = batch.schema.timestamp
    return Mark(value, [row[0] for row in chosen], [None if index is None else row[index] for row in chosen])


@pytest.fixture
def mark() -> Callable[..., Mark]:
    """The mark for all rows of a batch, or for some."""
    return marks


@pytest.fixture
def read_only_view(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """A second place where a folder can be seen and not written, as a container mounts it."""
    with ExitStack() as stack:

        def show(folder: Path) -> Path:
            return stack.enter_context(_mounted(folder, tmp_path / "view"))

        yield show


@pytest.fixture
def frozen_folder() -> Callable[[Path], AbstractContextManager[None]]:
    """Let nothing be made in a folder any more, for root neither."""

    @contextmanager
    def freeze(folder: Path) -> Iterator[None]:
        if subprocess.run(["chattr", "+i", folder], capture_output=True, check=False).returncode:
            pytest.skip("a frozen folder needs chattr and a file system that knows it")
        try:
            yield
        finally:
            subprocess.run(["chattr", "-i", folder], check=True)

    return freeze


@contextmanager
def _mounted(folder: Path, place: Path) -> Iterator[Path]:
    place.mkdir()
    done = subprocess.run(["mount", "--bind", folder, place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a read-only bind mount needs the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)

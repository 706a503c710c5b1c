"""Runs `sensor-tui` as it is, and notes what it is doing, or dies in the middle of it.

The product has no switches for this: functions of it are wrapped from outside, and nothing they do is
changed. Variables: `CRASH_NOTES` names a file for the notes, `CRASH_WINDOW` the window to die in (`b`, `c`
or `d`, as DESIGN 11 lists them; `a` is made at the endpoint; those of aggregated documents are in
`wrap_aggregates`), `CRASH_PASSES` how many chances to let pass before, `CRASH_REPORT` a file that says what
was under way.

Window c has two ways. In a file with a write-ahead log, and where the other way cannot be had, the marks
are made in a transaction that is killed before its COMMIT. In a file with a rollback journal the process
dies as SQLite removes the journal, which is the very act that commits: the marks are in the file, and the
next one to open it has to take them back. There the kernel kills, by a filter that forbids `unlink` to
this thread (SIGSYS with the effect of SIGKILL: nothing runs any more).
"""

import ctypes
import functools
import json
import mmap
import os
import platform
import signal
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, NoReturn

from sensor_tui.cli.main import main
from sensor_tui.model.source import DeadLetter, HeldRows, Intent, Mark, Tracking
from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.store import SqliteStore
from sensor_tui.sync.aggregate_feed import HoldingFeed
from sensor_tui.sync.contract import Settlement
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from sensor_tui.sync.sources.sqlite import SqliteFeed

NOTES: Final = ("sending", "settling", "closing", "marking", "answers")
"""Numbers in the file of notes: requests, settlements, closings of dead letters and marks under way, and
the requests that were answered."""
LAYOUT: Final = struct.Struct(f"={len(NOTES)}q")

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_KILL_PROCESS: Final = 0x80000000
_ALLOW: Final = 0x7FFF0000
_UNLINKS: Final = {"x86_64": (0xC000003E, (87, 263)), "aarch64": (0xC00000B7, (35,))}
"""Per machine: its number for the kernel, and its system calls that remove a file (unlink, unlinkat)."""


class Notes:
    """Numbers in a file that outlives the process, however that ends."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(LAYOUT.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), LAYOUT.size)
        self._numbers = [0] * len(NOTES)
        self._guard = threading.Lock()

    def add(self, name: str, number: int) -> None:
        with self._guard:
            self._numbers[NOTES.index(name)] += number
            LAYOUT.pack_into(self._map, 0, *self._numbers)

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        self.add(name, 1)
        try:
            yield
        finally:
            self.add(name, -1)


class Executioner:
    """Ends this process in one window, after some chances have passed."""

    def __init__(self, window: str, passes: int, report: Path) -> None:
        self._window = window
        self._passes = passes
        self._report = report

    def is_due(self, window: str) -> bool:
        """Whether this chance is the one."""
        if window != self._window:
            return False
        self._passes -= 1
        return self._passes < 0

    def testify(self, **facts: Any) -> None:
        self._report.write_text(json.dumps({"window": self._window, **facts}))

    def kill(self) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


def forbid_removing_files() -> bool:
    """From now on this thread's process dies where it would remove a file; False where that cannot be had."""
    if platform.machine() not in _UNLINKS:
        return False
    architecture, calls = _UNLINKS[platform.machine()]
    load, equal, answer = 0x20, 0x15, 0x06
    code = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, _ALLOW), (load, 0, 0, 0)]
    code += [(equal, len(calls) - at, 0, call) for at, call in enumerate(calls)]
    code += [(answer, 0, 0, _ALLOW), (answer, 0, 0, _KILL_PROCESS)]
    instructions = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    buffer = ctypes.create_string_buffer(instructions)
    program = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return not libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(program), 0, 0)


def wrap(notes: Notes, executioner: Executioner) -> None:
    """Put the wrappers in place."""
    send, settle, bury = CosmosSink.send, SqliteFeed.settle, Ledger.bury
    close_rows, run = SqliteStore.close_rows, SensorConnection.run

    @functools.wraps(send)
    async def noted_send(*given: Any, **named: Any) -> Any:
        with notes.during("sending"):
            answer = await send(*given, **named)
        notes.add("answers", 1)
        return answer

    @functools.wraps(settle)
    async def noted_settle(self: SqliteFeed, settlements: Sequence[Settlement]) -> None:
        accepted = [each.batch.rows[index][0] for each in settlements for index in each.accepted]
        if accepted and executioner.is_due("b"):
            executioner.testify(source=self.key, rows=accepted)
            executioner.kill()
        with notes.during("settling"):
            await settle(self, settlements)

    @functools.wraps(bury)
    async def noted_bury(self: Ledger, letters: Sequence[DeadLetter]) -> None:
        await bury(self, letters)
        if executioner.is_due("d"):
            executioner.testify(source=letters[0].source, rows=[letter.row_id for letter in letters])
            executioner.kill()

    @functools.wraps(close_rows)
    async def noted_close_rows(self: SqliteStore, key: str, marks: Sequence[Mark]) -> None:
        dead = any(mark.value is Tracking.DEAD for mark in marks)
        with notes.during("closing") if dead else nullcontext():
            await close_rows(self, key, marks)

    @functools.wraps(run)
    def noted_run(self: SensorConnection, purpose: str, sql: str, values: Any = ()) -> int:
        if purpose != "mark":
            return run(self, purpose, sql, values)
        with notes.during("marking"):
            if executioner.is_due("c"):
                die_marking(self, lambda: run(self, purpose, sql, values), values, executioner)
            return run(self, purpose, sql, values)

    wrap_aggregates(executioner)
    replace(CosmosSink, "send", noted_send)
    replace(SqliteFeed, "settle", noted_settle)
    replace(Ledger, "bury", noted_bury)
    replace(SqliteStore, "close_rows", noted_close_rows)
    replace(SensorConnection, "run", noted_run)


def wrap_aggregates(executioner: Executioner) -> None:
    """The windows that only aggregated documents have; the names are those of `tests.crash.aggregates`."""
    intend, close_held, fulfil = SqliteStore.intend, SqliteStore.close_held, SqliteStore.fulfil
    close = HoldingFeed._close

    @functools.wraps(intend)
    async def noted_intend(self: SqliteStore, key: str, intents: Sequence[Intent], closings: Any) -> None:
        if executioner.is_due("before intent"):
            executioner.testify(documents=_facts(intents))
            executioner.kill()
        await intend(self, key, intents, closings)
        if executioner.is_due("unsent"):
            executioner.testify(documents=_facts(intents))
            executioner.kill()

    @functools.wraps(close)
    async def noted_close(self: HoldingFeed, intents: Sequence[Intent], value: Tracking) -> None:
        if intents and executioner.is_due("unmarked"):
            executioner.testify(documents=_facts(intents))
            executioner.kill()
        await close(self, intents, value)

    @functools.wraps(close_held)
    async def noted_close_held(
        self: SqliteStore, key: str, held: Sequence[HeldRows], value: Tracking
    ) -> bool:
        if len(held) > 1 and executioner.is_due("partly marked"):
            await close_held(self, key, held[:1], value)
            executioner.testify(runs=[list(run) for rows in held for run in rows.runs])
            executioner.kill()
        return await close_held(self, key, held, value)

    @functools.wraps(fulfil)
    async def noted_fulfil(self: SqliteStore, intents: Sequence[Intent], *, keep: bool) -> None:
        if executioner.is_due("unfulfilled"):
            executioner.testify(documents=_facts(intents))
            executioner.kill()
        await fulfil(self, intents, keep=keep)

    replace(SqliteStore, "intend", noted_intend)
    replace(SqliteStore, "close_held", noted_close_held)
    replace(SqliteStore, "fulfil", noted_fulfil)
    replace(HoldingFeed, "_close", noted_close)


def _facts(intents: Sequence[Intent]) -> list[dict[str, Any]]:
    return [json.loads(intent.document) for intent in intents]


def die_marking(
    connection: SensorConnection, mark: Callable[[], int], values: Any, executioner: Executioner
) -> None:
    """Make the marks and die before they are committed; returns where there was nothing to mark."""
    if isinstance(values, Mapping):
        rows = list(range(values["first"], values["last"] + 1))
    else:
        rows = [row for (row,) in connection._db.execute("SELECT id FROM temp.marks").fetchall()]
    if connection.rollback and forbid_removing_files():
        executioner.testify(path=connection.path, rows=rows, how="journal")
        assert not mark(), "the marks were committed, and the kernel let it happen"
        return
    executioner.testify(path=connection.path, rows=rows, how="transaction")
    connection._db.execute("BEGIN IMMEDIATE").close()
    if mark():
        executioner.kill()
    connection._db.execute("COMMIT").close()


def replace(owner: type, name: str, function: Callable[..., int | Awaitable[Any]]) -> None:
    setattr(owner, name, function)


if __name__ == "__main__":
    wrap(
        Notes(Path(os.environ["CRASH_NOTES"])),
        Executioner(
            os.environ.get("CRASH_WINDOW", ""),
            int(os.environ.get("CRASH_PASSES", "0")),
            Path(os.environ.get("CRASH_REPORT", os.devnull)),
        ),
    )
    main()

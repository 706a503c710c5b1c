"""The processes of this machine: which are whose, since when, and what they use.

`/proc` is read directly where there is one, which costs a tenth of what psutil does; psutil elsewhere.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import psutil

HAS_PROC: Final = Path("/proc/self/stat").exists()

_ENDED: Final = frozenset({"Z", "X"})
_STAT: Final = 2048
_ENVIRONMENT: Final = 4 * 1024 * 1024
_TICKS: Final = float(os.sysconf("SC_CLK_TCK"))
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Entry:
    """One process; `cpu` in seconds, with that of children it has waited for."""

    pid: int
    parent: int
    session: int
    state: str
    """A letter as in `/proc/PID/stat`; `T` is stopped."""
    cpu: float
    birth: str
    """When it was started, unlike that of any other process with its number, on this boot or another."""


class Leader(NamedTuple):
    """The first process of a unit, and what tells it from another with its number."""

    pid: int
    birth: str


def entry(pid: int) -> Entry | None:
    """One process; None where there is none, or where it has ended and only waits to be waited for."""
    found = _entry(pid)
    return None if found is None or found.state in _ENDED else found


def birth(pid: int) -> str:
    """When a process was started that may have ended by now and was not waited for; empty without one."""
    found = _entry(pid)
    return "" if found is None else found.birth


def _entry(pid: int) -> Entry | None:
    return _from_proc(pid) if HAS_PROC else _from_psutil(pid)


def table() -> dict[int, Entry]:
    """Every process that has not ended."""
    pids = map(int, filter(str.isdigit, os.listdir("/proc"))) if HAS_PROC else psutil.pids()  # noqa: PTH208
    return {pid: found for pid in pids if (found := entry(pid)) is not None}


def _read(path: str, size: int) -> bytes:
    """A file of `/proc`, empty where its process is gone or somebody else's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, size)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _from_proc(pid: int) -> Entry | None:
    fields = _read(f"/proc/{pid}/stat", _STAT).rpartition(b")")[2].split()
    if not fields:
        return None
    ticks = int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    born = f"{_boot()}:{fields[19].decode()}"
    return Entry(pid, int(fields[1]), int(fields[3]), fields[0].decode(), ticks / _TICKS, born)


@cache
def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id", _STAT).decode().strip()


def _from_psutil(pid: int) -> Entry | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            state = _LETTERS.get(process.status(), "R")
            parent, session, born = process.ppid(), os.getsid(pid), repr(process.create_time())
            times = process.cpu_times() if state != "Z" else None
    except (psutil.Error, OSError):
        return None
    waited = 0.0 if times is None else times.children_user + times.children_system
    return Entry(pid, parent, session, state, waited + (times.user + times.system if times else 0.0), born)


_LETTERS: Final = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_DEAD: "X", psutil.STATUS_STOPPED: "T"}


def mark_of(pid: int, name: str) -> str | None:
    """Value of a variable it was started with; None where it has none, or is another user's."""
    if HAS_PROC:
        start = f"{name}=".encode()
        for variable in _read(f"/proc/{pid}/environ", _ENVIRONMENT).split(b"\x00"):
            if variable.startswith(start):
                return os.fsdecode(variable[len(start) :])
        return None
    try:
        return psutil.Process(pid).environ().get(name)
    except (psutil.Error, OSError):
        return None


def marked(every: Iterable[int], name: str) -> dict[str, list[int]]:
    """Processes by the value of a variable they were started with."""
    found: dict[str, list[int]] = {}
    for pid in every:
        if pid != os.getpid() and (value := mark_of(pid, name)) is not None:
            found.setdefault(value, []).append(pid)
    return found


def send(pids: Iterable[int], number: int) -> None:
    """Signal each of them that is still there and ours."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def families(every: Mapping[int, Entry], leaders: Collection[int]) -> dict[int, list[int]]:
    """Processes of each leader: its session, and what it or they started."""
    whose: dict[int, int | None] = {leader: leader for leader in leaders}

    def owner(pid: int) -> int | None:
        chain = []
        while pid not in whose:
            each = every.get(pid)
            whose[pid] = None  # also ends a circle, which a number used again while we look can make
            chain.append(pid)
            if each is None:
                break
            pid = each.session if each.session in leaders else each.parent
        for passed in chain:
            whose[passed] = whose[pid]
        return whose[pid]

    found: dict[int, list[int]] = {leader: [] for leader in leaders}
    for pid in every:
        leader = owner(pid)
        if leader is not None:
            found[leader].append(pid)
    return found


def memory(pid: int) -> int:
    """Bytes that are its own; pages of files, which the kernel can take back, are not counted."""
    if HAS_PROC:
        fields = _read(f"/proc/{pid}/statm", _STAT).split()
        return max(0, int(fields[1]) - int(fields[2])) * _PAGE if fields else 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, OSError):
        return 0

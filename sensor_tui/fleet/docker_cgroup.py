"""What containers of this machine use, from the kernel's files, version 1 and 2, at no cost to the engine.

Facts from cgroups(7) and the kernel's `cgroup-v1/memory`, `cgroup-v1/cpuacct` and `cgroup-v2` documents.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_NANOSECONDS: Final = 1e-9
_MICROSECONDS: Final = 1e-6


class Sample(NamedTuple):
    """Processor time in seconds since its start, and bytes without what the kernel can take back at once."""

    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class _Mount:
    """Where one hierarchy is: the part of it that is mounted, at which folder."""

    root: str
    folder: Path

    def place(self, path: str) -> Path | None:
        """Folder of a group of it; None where that is outside of what is mounted."""
        if self.root != "/":
            if path != self.root and not path.startswith(f"{self.root}/"):
                return None
            path = path[len(self.root) :]
        return None if ".." in path.split("/") else self.folder / path.lstrip("/")


@dataclass(frozen=True, slots=True)
class Group:
    """The group of one container: two folders in version 1, twice the same in version 2."""

    unified: bool
    cpu: Path
    memory: Path

    def sample(self) -> Sample | None:
        """What it uses now; None once it is gone."""
        try:
            if self.unified:
                cpu = _field(_read(self.cpu / "cpu.stat"), b"usage_usec") * _MICROSECONDS
                used = int(_read(self.memory / "memory.current"))
                idle = _field(_read(self.memory / "memory.stat"), b"inactive_file")
            else:
                cpu = int(_read(self.cpu / "cpuacct.usage")) * _NANOSECONDS
                used = int(_read(self.memory / "memory.usage_in_bytes"))
                idle = _field(_read(self.memory / "memory.stat"), b"total_inactive_file")
        except (OSError, ValueError):
            return None
        return Sample(cpu, used - idle if idle < used else used)


class Cgroups:
    """Finds groups by a process of theirs. Methods block for next to nothing."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._unified: _Mount | None = None
        self._mounts: dict[str, _Mount] = {}
        self._looked = False

    def find(self, pid: int, container: str) -> Group | None:
        """The group a container's first process is in; None where that is not this machine's to tell.

        An engine in a virtual machine, or in another process namespace, gives numbers that are somebody
        else's here: the group has to bear the container's id.
        """
        try:
            if not self._looked:
                self._look()
            lines = _read(self._proc / str(pid) / "cgroup").decode("utf-8", "surrogateescape").splitlines()
        except OSError:
            return None
        paths = dict(_paths(lines))
        cpu, memory = self._place(paths, "cpuacct", container), self._place(paths, "memory", container)
        if cpu is not None and memory is not None:
            return Group(unified=False, cpu=cpu, memory=memory)
        place = self._unified.place(paths[""]) if self._unified is not None and "" in paths else None
        if place is None or container not in paths[""] or not (place / "memory.current").exists():
            return None
        return Group(unified=True, cpu=place, memory=place)

    def _place(self, paths: dict[str, str], controller: str, container: str) -> Path | None:
        mount, path = self._mounts.get(controller), paths.get(controller, "")
        return mount.place(path) if mount is not None and container in path else None

    def _look(self) -> None:
        """Find out where the hierarchies are mounted: `mountinfo` of proc(5)."""
        for line in (self._proc / "self" / "mountinfo").read_text(errors="surrogateescape").splitlines():
            before, _, after = line.partition(" - ")
            fields, about = before.split(), after.split()
            mount = _Mount(_plain(fields[3]), Path(_plain(fields[4])))
            if about[0] == "cgroup2":
                self._unified = mount
            elif about[0] == "cgroup":
                for controller in about[2].split(","):
                    self._mounts.setdefault(controller, mount)
        self._looked = True


def _paths(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Controller and path of every line of `/proc/PID/cgroup`; version 2 has no controller."""
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            yield controller, path


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 8)), text)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 16384)
    finally:
        os.close(descriptor)


def _field(content: bytes, name: bytes) -> int:
    start = content.index(b"\n" + name + b" ") + 1 if not content.startswith(name + b" ") else 0
    return int(content[start + len(name) + 1 :].split(b"\n", 1)[0])

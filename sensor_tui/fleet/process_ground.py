"""What all process units stand on: their folder, their threads, and how processes are begun and ended."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sensor_tui.fleet import process_table
from sensor_tui.fleet.process_census import Census
from sensor_tui.fleet.process_spec import environment_of
from sensor_tui.fleet.process_table import Leader
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import UnitSpec

T = TypeVar("T")

_KILL_ROUNDS: Final = 100
_KILL_LOOK_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Ground:
    """What all units of a runtime stand on."""

    host: str
    folder: Path
    """Specs, records and logs, flat."""
    root: Path
    clock: Clock
    environment: Mapping[str, str]
    pool: Executor
    census: Census
    changed: Callable[[str, str], None]
    """Told the unit's name and what happened."""

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Do something that may block, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work, *arguments)

    def path(self, name: str, suffix: str) -> Path:
        """A file of a unit."""
        return self.folder / f"{name}{suffix}"

    def mark(self, name: str) -> str:
        """What the processes of a unit carry in their environment."""
        return str(self.folder / name)

    def spawn(self, spec: UnitSpec) -> Leader:
        """Begin a unit's process in a session of its own; blocks, raises OSError."""
        output = os.open(
            self.path(spec.name, ".log"),
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW,
            0o600,
        )
        try:
            process = subprocess.Popen(  # noqa: S603 - what the operator defined, and no shell
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.root / spec.cwd if spec.cwd is not None else self.root,
                env=environment_of(spec, self.environment, self.mark(spec.name)),
                start_new_session=True,
            )
        finally:
            os.close(output)
        # Its watch waits for it; this object must neither do that nor complain when it is forgotten.
        process.returncode = 0
        return Leader(process.pid, process_table.birth(process.pid))

    async def left(self, name: str, leader: Leader | None) -> list[int]:
        """Processes of a unit that have not ended, the first among them."""
        return await self.census.members(leader, self.mark(name))

    async def end_softly(self, name: str, leader: Leader) -> None:
        """SIGTERM to all of a unit's processes; those that were held go on, so that they can heed it."""
        left = await self.left(name, leader)
        process_table.send(left, signal.SIGTERM)
        process_table.send(left, signal.SIGCONT)

    async def kill(self, name: str, leader: Leader | None) -> None:
        """SIGKILL to all of them, also to what they start meanwhile."""
        for _ in range(_KILL_ROUNDS):
            left = await self.left(name, leader)
            if not left:
                return
            process_table.send(left, signal.SIGKILL)
            await self.clock.sleep(_KILL_LOOK_SECONDS)

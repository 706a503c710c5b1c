"""Commands of this program that run as processes of their own, and none of which outlives their parent."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sensor_tui.errors import SensorTuiError

STOP_SECONDS: Final = 10.0
_LAST_LINES: Final = 3


class ChildEnded(SensorTuiError):
    """A process ended that should run."""

    title = "Demo"


@dataclass(frozen=True, slots=True)
class Child:
    """One process: its name for people, and the file its log goes to."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    async def answer(self) -> Any:
        """The JSON document it writes, complete as soon as it can be read, or at its end.

        Raises:
            ChildEnded: it ended without one.
        """
        assert self.process.stdout is not None
        text = b""
        while line := await self.process.stdout.readline():
            text += line
            with suppress(json.JSONDecodeError):
                return json.loads(text)
        raise await self.ended()

    async def ended(self) -> ChildEnded:
        """Why it is gone, from the last lines of its log."""
        code = await self.process.wait()
        lines = await asyncio.to_thread(_last_lines, self.log)
        told = f": {' / '.join(lines)}" if lines else ""
        return ChildEnded(f"{self.name} ended with code {code}{told}", fix="Run it again with --debug --keep")

    def signal(self, number: int) -> None:
        """Signal it and whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    async def stop(self, within: float = STOP_SECONDS) -> int:
        """End it: ask first, and insist after that many seconds; returns its exit code."""
        if self.process.returncode is None:
            self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within):
                return await self.process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.process.wait()


class Children:
    """Starts children in sessions of their own, and ends all of them when left, whatever the reason."""

    def __init__(self, *, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = dict(env)
        self._all: list[Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = [child for child in self._all if child.process.returncode is None]
        try:
            await asyncio.gather(*(child.stop() for child in running))
        finally:
            for child in self._all:
                if child.process.returncode is None:
                    child.signal(signal.SIGKILL)
                if child.process.stdin is not None:
                    child.process.stdin.close()

    async def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
        """Run a command of this program; its standard output is read by `Child.answer`."""
        log = self._folder / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sensor_tui.cli.leash",
                *arguments,
                cwd=self._folder,
                env=self._env | dict(env or {}),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._all.append(child)
        return child

    async def check(self, expected: Iterable[Child]) -> None:
        """Raise ChildEnded for the first of these that is gone."""
        for child in expected:
            if child.process.returncode is not None:
                raise await child.ended()


def _last_lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.strip() for line in deque(file, maxlen=_LAST_LINES)]

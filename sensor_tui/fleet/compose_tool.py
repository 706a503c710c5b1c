"""The Compose tool that is present, `docker compose` or `docker-compose`, and what is done with it.

It runs in a process group of its own: Ctrl-C in a terminal reaches us alone, and we end it in order.
"""

import asyncio
import os
import re
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensor_tui.errors import FleetError
from sensor_tui.fleet.compose_tool_lines import Progress, problem, progress

Tell = Callable[[Progress], None]

_VERSION_SECONDS: Final = 30.0
_INTERRUPT_SECONDS: Final = 15.0
"""How long it gets to end by itself once interrupted."""
_TERMINATE_SECONDS: Final = 5.0
_KEPT_LINES: Final = 400
_LONGEST_LINE: Final = 8192
_CHUNK: Final = 65536
_HTTP_SECONDS: Final = "180"
"""How long docker-compose 1.29 waits for an answer of the engine; 60 s are short for a hundred containers."""
_OURS: Final = frozenset(
    {
        "COMPOSE_FILE",
        "COMPOSE_PROJECT_NAME",
        "COMPOSE_PROFILES",
        "COMPOSE_IGNORE_ORPHANS",
        "COMPOSE_REMOVE_ORPHANS",
    }
)
"""Variables that would change which containers are meant."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A compose file, and the project it is brought up as."""

    file: Path
    project: str


@dataclass(frozen=True, slots=True)
class ComposeTool:
    """A Compose tool, with the environment it runs in."""

    command: tuple[str, ...]
    version: str
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """As a person would write it."""
        return " ".join(self.command)

    async def up(self, stack: Stack, tell: Tell, *, recreate: bool | None = None) -> None:
        """Create what is missing and start what is down.

        What is there is made anew where it differs from the file; with `recreate` in any case, or never.
        Containers that are not in the file are left alone: Compose cannot tell whose they are.
        Images are neither built nor looked for again where the engine has them.

        Raises:
            FleetError: it could not be done, or not for all; what was started runs on.
        """
        further = {None: (), True: ("--force-recreate",), False: ("--no-recreate",)}[recreate]
        await self._run(stack, ("up", "-d", "--no-build", *further), tell, orphans=True)

    async def stop(self, stack: Stack, tell: Tell, *, grace: float) -> None:
        """Stop every container of the file, with SIGKILL after `grace` seconds.

        Raises:
            FleetError: it could not be done.
        """
        await self._run(stack, ("stop", "--timeout", str(max(0, round(grace)))), tell)

    async def config(self, stack: Stack) -> None:
        """Have the file checked, and nothing done.

        Raises:
            FleetError: it is not valid.
        """
        await self._run(stack, ("config", "--quiet"), _ignore)

    async def _run(
        self, stack: Stack, arguments: Sequence[str], tell: Tell, *, orphans: bool = False
    ) -> None:
        command = [*self.command, "--ansi", "never", "-f", str(stack.file), "-p", stack.project, *arguments]
        environment = {name: value for name, value in self.environment.items() if name not in _OURS}
        environment.setdefault("COMPOSE_HTTP_TIMEOUT", _HTTP_SECONDS)
        if orphans:
            environment["COMPOSE_IGNORE_ORPHANS"] = "1"
        said: deque[str] = deque(maxlen=_KEPT_LINES)
        process = await _begin(command, environment)
        try:
            async for line in _lines(process):
                said.append(line)
                if (step := progress(line)) is not None:
                    tell(step)
            code = await process.wait()
        finally:
            await _end(process)
        if code != 0:
            raise problem(list(said), file=str(stack.file))


async def find_tool(environment: Mapping[str, str]) -> ComposeTool:
    """`docker compose`, where the plugin is installed, else `docker-compose`.

    Raises:
        FleetError: there is neither.
    """
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0], path=environment.get("PATH", os.defpath)) is None:
            continue
        version = await _version(command, environment)
        if version is not None:
            return ComposeTool(command, version, environment)
    raise FleetError(
        "no Compose tool was found: neither 'docker compose' nor 'docker-compose' works",
        fix="Install the package docker-compose-plugin (or docker-compose)",
    )


async def _version(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """The version it says it has; None where it does not work."""
    try:
        process = await _begin([*command, "version", "--short"], environment)
    except FleetError:
        return None
    try:
        async with asyncio.timeout(_VERSION_SECONDS):
            said = [line async for line in _lines(process)]
            code = await process.wait()
    except TimeoutError:
        return None
    finally:
        await _end(process)
    words = [line.split()[-1].removeprefix("v") for line in said if line.strip()]
    # one that was built from its sources calls itself `dev`
    return next((word for word in words if word[0].isdigit() or word == "dev"), None) if code == 0 else None


async def _begin(command: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    except OSError as error:
        raise FleetError(
            f"{command[0]} cannot be run: {error.strerror}", fix="Install it anew, or mend its permissions"
        ) from error


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    """What it prints, line by line; a line that never ends is cut."""
    assert process.stdout is not None
    rest = b""
    while chunk := await process.stdout.read(_CHUNK):
        *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
        for line in whole:
            if line:
                yield line[:_LONGEST_LINE].decode("utf-8", "replace")
        rest = rest[:_LONGEST_LINE]
    if rest:
        yield rest.decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it where it still runs: as Ctrl-C would, then harder; nothing of it is left behind."""
    if process.returncode is not None:
        return
    try:
        for number, seconds in ((signal.SIGINT, _INTERRUPT_SECONDS), (signal.SIGTERM, _TERMINATE_SECONDS)):
            _signal(process, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await process.wait()
                    return
    finally:
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _ignore(_: Progress) -> None:
    """Nobody wants to know."""

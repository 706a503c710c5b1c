"""Starting and stopping the service of some sensor files, as a process of its own."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sensor_tui.errors import (
    ConfigError,
    ExitCode,
    OwnedElsewhere,
    SensorTuiError,
    ServiceError,
    StorageError,
)
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import EngineState
from sensor_tui.service.attach import attach, state_of
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.logfile import LOG, open_log, rotate
from sensor_tui.service.pipeline import check_request
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.sockets import find_socket, holder
from sensor_tui.service.wire import StatusReport

_LOOK_SECONDS: Final = 0.05
_TOLD_BYTES: Final = 16 * 1024
_ERRORS: Final[Mapping[int, type[SensorTuiError]]] = {
    ExitCode.REJECTED: StorageError,
    ExitCode.USAGE: ConfigError,
    ExitCode.SINK: ServiceError,
    ExitCode.OWNED: OwnedElsewhere,
}


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answers."""

    pid: int | None
    where: str
    """Its socket."""
    log: Path
    status: StatusReport


async def start_service(
    request: SyncRequest,
    options: Sequence[str],
    clock: Clock,
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = 20.0,  # noqa: ASYNC109 - of the clock, not of the loop
) -> RunningService:
    """Start `sensor-tui sync --continuous` with these options, and wait until it answers.

    It gets a session of its own, and what it prints goes to `service.log` in the state folder. A key reaches
    it through the environment, which it inherits, or a file: never put one among the options.

    Raises:
        UsageError: there is no such file or folder.
        OwnedElsewhere: a service runs already, or it found every file owned by another engine.
        SensorTuiError: it ended at once; the message is the last line it printed.
        ServiceError: it does not answer in time.
    """
    check_request(request)
    running = await service_status(request, clock)
    if running is not None:
        raise OwnedElsewhere(
            f"A service for {request.root} runs already: process {running.pid}",
            fix="Attach to it (sensor-tui status), or stop it first (sensor-tui service stop)",
        )
    log = _log_of(state_of(request))
    before = log.stat().st_size
    process = _spawn(log, options, environment)
    deadline = clock.monotonic() + timeout
    while clock.monotonic() < deadline:
        code = process.poll()
        if code is not None:
            raise _ended(code, log, before)
        running = await _answering(request, log, clock)
        if running is not None and running.status.engine.state is not EngineState.STARTING:
            return running
        await clock.sleep(_LOOK_SECONDS)
    if running is not None:
        return running  # it answers, and is still looking at the files
    process.terminate()
    raise ServiceError(
        f"The service (process {process.pid}) did not answer within {timeout:.0f} s and was told to stop",
        fix=f"See {log}",
    )


async def service_status(request: SyncRequest, clock: Clock) -> RunningService | None:
    """The service of these files, None where none runs.

    Raises:
        ServiceError: there is one, and it does not answer or speaks another protocol.
    """
    state = state_of(request)
    client = attach(request, clock)
    if client is not None:
        async with client:
            return await _running(client, state / LOG)
    about = await asyncio.to_thread(holder, state)
    if about is not None:
        raise ServiceError(
            f"A service for {request.root} (process {about.get('pid')} on {about.get('host')}) runs"
            " and does not answer",
            fix="It may be starting or stopping: try again, or end that process",
        )
    return None


async def stop_service(
    request: SyncRequest,
    clock: Clock,
    *,
    drain: bool = True,
    timeout: float = 60.0,  # noqa: ASYNC109 - of the clock, not of the loop
) -> bool:
    """Stop the service of these files and wait until it is gone; False where none ran.

    With `drain` it finishes what is under way first; without, it ends at once. Neither loses a reading.

    Raises:
        ServiceError: it does not answer, or is not gone in time.
    """
    running = await service_status(request, clock)
    if running is None:
        return False
    client = attach(request, clock)
    if client is not None:
        async with client:
            await client.drain(stop=True, now=not drain)
    state = state_of(request)
    deadline = clock.monotonic() + timeout
    while (about := await asyncio.to_thread(holder, state)) is not None:
        if clock.monotonic() >= deadline:
            raise ServiceError(
                f"The service (process {about.get('pid')}) is still stopping after {timeout:.0f} s",
                fix="Wait, or stop it without draining (--no-drain)",
            )
        await clock.sleep(_LOOK_SECONDS)
    return True


async def _answering(request: SyncRequest, log: Path, clock: Clock) -> RunningService | None:
    """The service, once it answers."""
    client = attach(request, clock)
    if client is None:
        return None
    async with client:
        try:
            return await _running(client, log)
        except ServiceError:
            if find_socket(state_of(request)) is None:
                return None  # it has just ended
            raise


async def _running(client: ServiceClient, log: Path) -> RunningService:
    status = await client.status()
    return RunningService(status.engine.pid, client.where, log, status)


def _log_of(state: Path) -> Path:
    """The log, which is there afterwards.

    Raises:
        StorageError: it cannot be made.
    """
    path = state / LOG
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        rotate(path)
        os.close(open_log(path))
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", fix="Make the state folder writable") from error
    return path


def _spawn(
    log: Path, options: Sequence[str], environment: Mapping[str, str] | None
) -> "subprocess.Popen[Any]":
    output = open_log(log)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program, and no shell
            [sys.executable, "-m", "sensor_tui", "sync", "--continuous", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    finally:
        os.close(output)
    # somebody has to wait for it, or it stays a zombie for as long as we live
    threading.Thread(target=process.wait, name="service", daemon=True).start()
    return process


def _ended(code: int, log: Path, before: int) -> SensorTuiError:
    """Why a process ended before it answered, from what it printed."""
    with log.open("rb") as file:
        file.seek(max(before, log.stat().st_size - _TOLD_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    told = lines[-1].removeprefix("sensor-tui: ") if lines else f"it ended with code {code} and said nothing"
    told = told.rstrip().removesuffix(".")
    return _ERRORS.get(code, ServiceError)(f"The service did not start: {told}", fix=f"See {log}")

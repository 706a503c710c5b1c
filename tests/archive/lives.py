"""A process that appends to an archive, dies at chosen points or at any, and begins again: `python -m
tests.archive.lives FOLDER FORMAT`. Writes as JSON how often it died where.

Every life is a fork, so that a death costs nothing but itself. It begins a few requests before the last one
whose answer it saw, as the engine does after a crash.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from sensor_tui.model.clock import SystemClock
from sensor_tui.sync.sinks.archive import files
from sensor_tui.sync.sinks.archive.documents import read
from sensor_tui.sync.sinks.archive.formats import make_format
from sensor_tui.sync.sinks.archive.options import ArchiveOptions
from sensor_tui.sync.sinks.archive.sink import ArchiveSink
from tests.archive.kit import Archive, documents

REQUESTS = 75
IN_A_REQUEST = 12
AGAIN = 4
RANDOM_LIVES = 8
WINDOWS = (
    "written, not named",
    "named, not answered",
    "answered, not heard",
    "compacted file written",
    "new folder ready",
    "folders exchanged",
    "old folder put away",
    "old folder half removed",
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(window: str, nth: int) -> None:
    """Die when that point is passed for the nth time."""
    left = [nth]

    def passed() -> None:
        left[0] -= 1
        if left[0] == 0:
            die()

    def before(name: str) -> None:
        real = getattr(files, name)

        def call(*args: Any) -> Any:
            passed()
            return real(*args)

        setattr(files, name, call)

    def after(name: str) -> None:
        real = getattr(files, name)

        def call(*args: Any) -> Any:
            result = real(*args)
            passed()
            return result

        setattr(files, name, call)

    match window:
        case "written, not named":
            before("publish")
        case "named, not answered":
            after("publish")
        case "compacted file written":
            form = type(make_format(sys.argv[2]))
            merge = form.merge

            def merged(*args: Any) -> Any:
                rows = merge(*args)
                passed()
                return rows

            form.merge = merged
        case "new folder ready":
            before("exchange")
        case "folders exchanged":
            after("exchange")
        case "old folder put away":
            after("move")
        case "old folder half removed":
            from sensor_tui.sync.sinks.archive import sink

            def half(path: str) -> None:
                next(iter(Path(path).glob("[!.]*"))).unlink()
                passed()

            sink.remove_folder = half
            sink._LISTING_SECONDS = 0.0


async def live(folder: Path, window: str, nth: int, first: int, heard: int) -> None:
    options = ArchiveOptions(path=folder, format=sys.argv[2], compact_files=3)
    sink = ArchiveSink(options, SystemClock())
    await sink.open()
    archive = Archive(sink, folder, options.format)
    for request in range(first, REQUESTS):
        await archive.send(documents(request * IN_A_REQUEST, IN_A_REQUEST))
        if window == "answered, not heard" and request - first == nth:
            die()
        os.write(heard, bytes([request]))
    await archive.settled()
    await sink.close()


def born(folder: Path, window: str, nth: int, first: int, *, seconds: float = 0.0) -> tuple[int, bool]:
    """One life; the last request that was answered, or -1, and whether it died."""
    hear, heard = os.pipe()
    child = os.fork()
    if not child:
        os.close(hear)
        if seconds:
            signal.setitimer(signal.ITIMER_REAL, seconds)  # its default is to end the process at once
        arm(window, nth)
        asyncio.run(live(folder, window, nth, first, heard))
        os._exit(0)
    os.close(heard)
    answered = bytearray()
    while found := os.read(hear, 65536):
        answered += found
    os.close(hear)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
        raise SystemExit("a life ended by an error of its own")
    return (answered[-1] if answered else -1), os.WIFSIGNALED(status)


def main() -> None:
    folder = Path(sys.argv[1])
    random.seed(sys.argv[2])
    # what it needs is loaded once, for every life; pyarrow loads pandas where it can
    form = make_format(sys.argv[2])
    [entries] = read(documents(0, 1))[0].values()
    form.pack(entries, {})
    deaths: Counter[str] = Counter()
    last = -1
    for window in (*WINDOWS, *WINDOWS):
        told, died = born(folder, window, 2, max(0, last + 1 - AGAIN))
        last = max(last, told)
        deaths[window] += died
    for _ in range(RANDOM_LIVES):
        told, died = born(folder, "", 0, max(0, last + 1 - AGAIN), seconds=random.uniform(0.002, 0.06))
        last = max(last, told)
        deaths["anywhere"] += died
    while last < REQUESTS - 1:
        told, died = born(folder, "", 0, max(0, last + 1 - AGAIN))
        assert not died
        last = told
    born(folder, "", 0, 0)
    sys.stdout.write(json.dumps(deaths))


if __name__ == "__main__":
    main()

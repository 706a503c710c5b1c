"""`python -m sensor_tui.cli.leash [--hold=FILE] COMMAND …`: a command that ends when another process does.

The leash is standard input, of which the one who started it holds the other end, or a lock of which somebody
else is the holder. The system lets go of both even where a process is killed outright.
"""

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

GRACE_SECONDS: Final = 40.0
"""Longer than a drain may take."""

_CHUNK: Final = 1024
_HOLD: Final = "--hold="


def main() -> None:
    """Run the command, and end it once its leash is let go of."""
    from sensor_tui.cli.main import main as command

    arguments = sys.argv[1:]
    hold: Path | None = None
    if arguments and arguments[0].startswith(_HOLD):
        hold = Path(arguments.pop(0).removeprefix(_HOLD))
    threading.Thread(target=_follow, args=(hold,), daemon=True).start()
    command(arguments)


def hold(path: Path) -> int:
    """Be the holder of a new lock file, until the descriptor is closed or this process ends.

    Raises:
        OSError: it cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def held_by(path: Path, arguments: Sequence[str]) -> list[str]:
    """Arguments of Python that run this command until the holder of the lock lets go."""
    return ["-m", __name__, f"{_HOLD}{path}", *arguments]


def _follow(hold: Path | None) -> None:
    if hold is None:
        while os.read(sys.stdin.fileno(), _CHUNK):
            pass
    else:
        # Without a file there is no holder either.
        with suppress(OSError):
            fcntl.flock(os.open(hold, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()

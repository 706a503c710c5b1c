"""`python -m sensor_tui.cli.leash COMMAND …`: a command that ends when whoever started it does.

Standard input is the leash. The one who started it holds the other end of that pipe, and the system lets go
of it even where a process is killed outright.
"""

import os
import signal
import sys
import threading
import time
from typing import Final

GRACE_SECONDS: Final = 40.0
"""Longer than a drain may take."""

_CHUNK: Final = 1024


def main() -> None:
    """Run the command, and end it once standard input ends."""
    from sensor_tui.cli.main import main as command

    threading.Thread(target=_follow, daemon=True).start()
    command(sys.argv[1:])


def _follow() -> None:
    while os.read(sys.stdin.fileno(), _CHUNK):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()

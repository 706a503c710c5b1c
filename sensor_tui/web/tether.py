"""`python -m sensor_tui.web.tether MODULE ARGUMENT…`: a module as the program, which ends with its server.

A dashboard reads its standard input itself, so that the tether is a pipe of its own, whose other end the
server holds. The system lets go of that end even where the server is killed outright.
"""

import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Final

TETHER_VARIABLE: Final = "SENSOR_TUI_WEB_TETHER"
"""Number of the file descriptor."""
GRACE_SECONDS: Final = 5.0


def main() -> None:
    """Run the module, and end it once the tether is let go of."""
    descriptor = int(os.environ.pop(TETHER_VARIABLE))
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_follow, args=[descriptor], name="tether", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _follow(descriptor: int) -> None:
    with suppress(OSError):
        while os.read(descriptor, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()

"""What still runs of a demo, and ending it, whatever became of those who should have."""

import os
import signal
import time
from pathlib import Path
from typing import Final

from sensor_tui.fleet import process_table
from sensor_tui.fleet.process_spec import MARK

DEMO_MARK: Final = "SENSOR_TUI_DEMO"
"""Variable of the endpoint and the service of a demo; its value is the folder. Units have their own mark."""
LOCK: Final = "leash"
"""File in the folder whose lock the keeper holds while the demo goes on; sensors end without it."""

_LOOK_SECONDS: Final = 0.05
_KILL_SECONDS: Final = 5.0


def remains(folder: Path) -> list[int]:
    """Processes of the demo in this folder, but for its keeper and its dashboard."""
    every = process_table.table()
    units = f"{folder}{os.sep}"
    found = set(process_table.marked(every, DEMO_MARK).get(str(folder), ()))
    for mark, pids in process_table.marked(every, MARK).items():
        if mark.startswith(units):
            found.update(pids)
    return sorted(found)


def sweep(folder: Path, *, patience: float, grace: float) -> bool:
    """Wait so many seconds until nothing is left, SIGTERM, and after `grace` seconds SIGKILL; blocks.

    Returns whether nothing is left.
    """
    for number, seconds in ((0, patience), (signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        deadline = time.monotonic() + seconds
        signalled: set[int] = set()
        while left := remains(folder):
            if number == signal.SIGKILL:
                signalled.clear()
            if number:
                process_table.send(set(left) - signalled, number)
                signalled.update(left)
            if time.monotonic() >= deadline:
                break
            time.sleep(_LOOK_SECONDS)
        else:
            return True
    return False

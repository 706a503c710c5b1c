"""What the dashboard itself uses, so that an operator can see what watching costs."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensor_tui.app.driver_meter import METER


@dataclass(frozen=True, slots=True)
class Footprint:
    """Counts since the dashboard started; None where it is not known."""

    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    terminal_bytes: int | None = None
    """Sent to the terminal."""
    dropped_lines: int | None = None
    """Log lines that were let go to keep memory bounded."""
    redraws: int | None = None


_STATM: Final = Path("/proc/self/statm")


def own_footprint() -> Footprint:
    """Of this process, as far as it can be known without asking anybody."""
    sent = METER.bytes_written if METER.writes else None
    return Footprint(cpu_seconds=own_cpu_seconds(), memory_bytes=own_memory(), terminal_bytes=sent)


def own_cpu_seconds() -> float:
    """User and system time of this process so far."""
    used = os.times()
    return used.user + used.system


def own_memory() -> int | None:
    """Resident bytes of this process; None where the machine does not say."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None

"""The log of a process that nobody looks after: what is kept of it, and what its unit goes on writing."""

import os
from pathlib import Path

from sensor_tui.fleet.process_logfile import UnitLog
from sensor_tui.model.clock import Clock


class GrowingLog(UnitLog):
    """Once read to its end it is read on from the file itself, and nothing about it is written down.

    So a service that starts meanwhile may rotate it: what is left of the file is then read again.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path)
        self._clock = clock
        self._start: int | None = None
        """Place of the first byte of the file; None until all that is kept was read."""

    def read(self, place: int, most: int) -> tuple[int, bytes]:
        """As of any log; empty where there is no more for now."""
        if self._start is None:
            start, data = super().read(place, most)
            if not data:
                self._start = self._base
            return start, data
        try:
            with self._path.open("rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size < place - self._start:
                    self._start = place
                file.seek(place - self._start)
                return place, file.read(most)
        except FileNotFoundError:
            self._start = place
            return place, b""

    def time_of(self, end: int) -> float | None:
        """As of any log; what came since all was read was written just now."""
        return super().time_of(end) if self._start is None else self._clock.now()

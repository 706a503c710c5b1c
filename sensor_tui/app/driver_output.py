"""Writing to the terminal from a thread of its own, so that a slow one holds nobody up."""

import os
import select
import threading
from collections.abc import Callable
from typing import Final

from sensor_tui.app.driver_meter import Meter
from sensor_tui.model.clock import Clock, SystemClock

PAUSE_SECONDS: Final = 0.5
"""Between two updates in low-bandwidth mode, at least."""
LONGEST_PAUSE_SECONDS: Final = 5.0
LOW_BYTES_PER_SECOND: Final = 1500
"""What low-bandwidth mode may take, but for answers to keys."""
ECHO_PAUSE_SECONDS: Final = 0.05
"""Between two updates while the operator types."""
TYPING_SECONDS: Final = 0.4
"""After a key what is drawn is taken to answer it."""
CHUNK: Final = 4096
LOOK_MILLISECONDS: Final = 100
CLOSE_SECONDS: Final = 1.0
"""A terminal that takes nothing is given up after so long."""


class Output:
    """Asks what to write whenever somebody says there may be something, and writes it.

    While a write is stuck nothing queues up: what is to be shown meanwhile is asked for afterwards, once.
    """

    def __init__(
        self,
        descriptor: int,
        take: Callable[[], str],
        meter: Meter,
        *,
        low_bandwidth: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._take = take
        self._meter = meter
        self._low_bandwidth = low_bandwidth
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._wanted = False
        self._give_up_at: float | None = None
        """When to stop trying; None while it is open."""
        self._typed_at = float("-inf")
        self._wrote_at = float("-inf")
        self._wrote = 0
        self._thread = threading.Thread(target=self._run, name="frugal-output", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to write."""
        with self._changed:
            self._wanted = True
            self._changed.notify()

    def typed(self) -> None:
        """The operator has pressed a key, and waits for what it does."""
        with self._changed:
            self._typed_at = self._clock.monotonic()
            self._changed.notify()

    def close(self) -> None:
        """Write what is left and end."""
        with self._changed:
            self._give_up_at = self._clock.monotonic() + CLOSE_SECONDS
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS * 2)

    def _run(self) -> None:
        try:
            while self._wait():
                self._write(self._take())
            self._write(self._take())
        except OSError:
            return  # the terminal is gone: there is nobody to write for

    def _wait(self) -> bool:
        """Wait until something may and is to be written; returns False once closed."""
        with self._changed:
            while self._give_up_at is None:
                wait = self._pause() if self._wanted else None
                if wait is not None and wait <= 0:
                    self._wanted = False
                    return True
                self._changed.wait(wait)
            return False

    def _pause(self) -> float:
        if not self._low_bandwidth:
            return 0.0
        now = self._clock.monotonic()
        pause = min(max(PAUSE_SECONDS, self._wrote / LOW_BYTES_PER_SECOND), LONGEST_PAUSE_SECONDS)
        if now - self._typed_at < TYPING_SECONDS:
            pause = ECHO_PAUSE_SECONDS
        return self._wrote_at + pause - now

    def _write(self, text: str) -> None:
        data = memoryview(text.encode("utf-8", "replace"))
        if not data:
            return
        self._meter.wrote(len(data))
        self._wrote = len(data)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while data:
            if not poll.poll(LOOK_MILLISECONDS):
                if self._give_up_at is not None and self._clock.monotonic() > self._give_up_at:
                    return
                continue
            try:
                data = data[os.write(self._descriptor, data[:CHUNK]) :]
            except BlockingIOError:
                continue
        self._wrote_at = self._clock.monotonic()

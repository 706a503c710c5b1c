"""A driver that sends the terminal only what differs from what it shows.

Textual repaints whole regions; over SSH that is what a dashboard costs. Here what it writes is drawn on a
screen in memory, and from there cells that changed go out, with the shortest moves and colour changes.
"""

import os
import signal
import threading
from types import FrameType
from typing import Any, ClassVar, Final

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from sensor_tui.app.driver_core import SYNC_END, SYNC_START, Core
from sensor_tui.app.driver_meter import METER
from sensor_tui.app.driver_output import Output

ENVIRONMENT: Final = "SENSOR_TUI_LOW_BANDWIDTH"
RESIZE_SECONDS: Final = 0.3
"""After a change of size the app repaints; if it has not by then, what was drawn is sent again."""

_EVERY_MOVE: Final = "\x1b[?1003h"


class FrugalDriver(LinuxDriver):
    """`App(driver_class=FrugalDriver)`."""

    low_bandwidth: ClassVar[bool] = False
    """Send a few times a second at most, but answer keys at once; no animations, no mouse hovering."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._slow = self.low_bandwidth or os.environ.get(ENVIRONMENT, "0") not in {"", "0"}
        self._lock = threading.Lock()
        self._core = Core(1, 1)
        self._output: Output | None = None
        self._reported: Size | None = None
        """What the terminal last said its size is, where it says so itself."""
        if self._slow:
            app.animation_level = "none"

    def start_application_mode(self) -> None:
        """Take the terminal; nothing is known of what it shows."""
        self._core = Core(*self._get_terminal_size())
        assert self._file is not None
        self._output = Output(self._file.fileno(), self._take, METER, low_bandwidth=self._slow)
        self._output.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        resized = signal.getsignal(signal.SIGWINCH)

        def on_resize(number: int, frame: FrameType | None) -> None:
            # a terminal that was resized may have lost what it showed, whatever its size is now
            self._loop.call_soon_threadsafe(self._resized)
            if callable(resized):
                resized(number, frame)

        signal.signal(signal.SIGWINCH, on_resize)

    def write(self, data: str) -> None:
        """Draw what Textual writes; what has to be sent is sent soon."""
        if data == SYNC_END or (self._slow and data == _EVERY_MOVE):
            return
        METER.offered(data)
        with self._lock:
            core, size = self._core, self._get_terminal_size()
            if size != (core.screen.width, core.screen.height):
                core.resize(*size)
            core.feed(data)
        if data != SYNC_START:
            self._wake()

    def forget(self) -> None:
        """Send everything again, whatever the terminal shows."""
        with self._lock:
            self._core.forget()
        self._wake()

    def process_message(self, message: Message) -> None:
        """Look out for what the operator types, and for terminals that say their size themselves."""
        if isinstance(message, events.InputEvent) and not isinstance(message, events.MouseMove):
            if self._output is not None:
                self._output.typed()
        elif isinstance(message, events.Resize):
            before, self._reported = self._reported, message.size
            if before is not None or message.size != self._get_terminal_size():
                self._loop.call_soon_threadsafe(self._resized)
        super().process_message(message)

    def close(self) -> None:
        """Send what is left; a terminal that takes nothing is not waited for."""
        super().close()
        if self._output is not None:
            self._output.close()
            self._output = None

    def _take(self) -> str:
        with self._lock:
            return self._core.take()

    def _wake(self) -> None:
        if self._output is not None:
            self._output.wake()

    def _resized(self) -> None:
        with self._lock:
            self._core.forget()
        self._loop.call_later(RESIZE_SECONDS, self._wake)

"""What the dashboard itself uses, measured while it is looked at."""

from collections.abc import Callable
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer

from sensor_tui.app.footprint import Footprint
from sensor_tui.app.format import age, count, percent, size
from sensor_tui.app.screens.dialogs import Dialog, Words
from sensor_tui.model.clock import Clock

EVERY_SECONDS: Final = 2.0
SLOW_SECONDS: Final = 10.0
WIDTH: Final = 24


class FootprintDialog(Dialog[None]):
    """CPU, memory, bytes to the terminal, redraws and dropped log lines."""

    DEFAULT_CSS = """
    FootprintDialog > .box { max-width: 64; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,F,q,enter", "back", "Close")]
    HINT = "esc close"

    def __init__(self, look: Callable[[], Footprint], clock: Clock) -> None:
        super().__init__("What the dashboard uses")
        self._look, self._clock = look, clock
        self._before: tuple[float, Footprint] = (clock.monotonic(), look())
        self._timer: Timer | None = None

    def compose_box(self) -> ComposeResult:
        yield Words(describe(self._before[1], self._before[1], 0.0), id="use")

    def on_mount(self) -> None:
        every = SLOW_SECONDS if self.dash.look.low_bandwidth else EVERY_SECONDS
        self._timer = self.set_interval(every, self.measure)

    def on_screen_suspend(self) -> None:
        """Measure nothing while it is covered."""
        if self._timer is not None:
            self._timer.pause()

    def on_screen_resume(self) -> None:
        """Go on."""
        if self._timer is not None:
            self._timer.resume()

    def measure(self) -> None:
        """Show what was used since the last look."""
        now, found = self._clock.monotonic(), self._look()
        at, before = self._before
        self._before = (now, found)
        self.query_one("#use", Words).show(describe(found, before, now - at))


def describe(now: Footprint, before: Footprint, seconds: float) -> Content:
    """Totals, and what they grew by a second over so many seconds."""
    rows = [
        ("CPU, of one core", percent(_per_second(now.cpu_seconds, before.cpu_seconds, seconds, 100.0))),
        ("CPU, in all", age(now.cpu_seconds)),
        ("memory", size(now.memory_bytes)),
        (
            "to the terminal",
            f"{size(_per_second(now.terminal_bytes, before.terminal_bytes, seconds))} a second",
        ),
        ("to the terminal, in all", size(now.terminal_bytes)),
        ("redraws", count(now.redraws)),
        ("log lines let go", count(now.dropped_lines)),
    ]
    return Content("\n").join(
        Content.assemble((f"{name:<{WIDTH}}", "$text-muted"), (value, "")) for name, value in rows
    )


def _per_second(now: float | None, before: float | None, seconds: float, scale: float = 1.0) -> float | None:
    if now is None or before is None or seconds <= 0:
        return None
    return max(0.0, now - before) / seconds * scale

"""What the tests of Logs share."""

import asyncio

from sensor_tui.app.widgets.loglines import LogLines
from sensor_tui.model.unit import LogLine
from tests.app.fake import NOW, FrozenClock, sample_units

UNITS = sorted(sample_units())
A, B = list(sample_units())[:2]


class PatientClock(FrozenClock):
    """Whoever waits for the time waits until the test says so."""

    def __init__(self):
        super().__init__()
        self.slept = []
        self.go_on = asyncio.Event()

    async def sleep(self, seconds):
        if seconds < 0.1:
            await super().sleep(seconds)
            return
        self.slept.append(seconds)
        await self.go_on.wait()
        self.go_on.clear()


def numbered(first, count, *, unit=A, at=NOW):
    return [LogLine(unit, at + number, f"INFO line {number}") for number in range(first, first + count)]


def shown(dash):
    view = dash.app.get_screen("logs")._view
    return [view[index].text for index in range(len(view))]


def lines_of(dash) -> LogLines:
    return dash.app.get_screen("logs").query_one(LogLines)


def bar(dash):
    return dash.text().splitlines()[1]


def cursor_lines(dash):
    """Rows with the cursor's mark, by place, without the scroll bar."""
    rows = enumerate(dash.text().splitlines())
    return [(place, text.rstrip("█ ")) for place, text in rows if text.startswith("▌")]


async def until(dash, true):
    for _ in range(200):
        await dash.settle()
        if true():
            return
    raise AssertionError(dash.text())

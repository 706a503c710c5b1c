"""Pictures of the dashboard for the documents: `python -m tests.support.pictures docs/pictures`.

Each is made from the fixed data of the dashboard's tests and a clock that stands still, so that the same code
always makes the same bytes.
"""

import asyncio
import html
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.screens import fleet, logs, sensors
from sensor_tui.app.widgets import chart_draw
from sensor_tui.model.action import ActionKind
from sensor_tui.model.check import Check, CheckVerdict
from sensor_tui.model.letter import Minute
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Series
from sensor_tui.model.table import Table
from sensor_tui.model.unit import LogLine
from tests.app.fake import FakePort, FrozenClock
from tests.app.fake_data import NOW, sample_minutes, sample_overview, sample_units

SIZE: Final = (120, 34)
LARGEST: Final = 150_000
"""Bytes of a picture."""

_CLASS: Final = re.compile(r"terminal-\d+-")
_FONT: Final = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_TEXT: Final = re.compile(
    r'(<text class="[^"]+-r\d+") x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+" ([^>]*)>([^<]*)</text>'
)
_WORDS: Final = re.compile(r"\S+(?: \S+)*")
_BLANK: Final = "&#160;"
_CELL: Final = 12.2
"""Width of a cell in the units of the picture."""
_ROUNDS: Final = 4


class StillClock(FrozenClock):
    """Whoever waits for longer than a moment waits for ever."""

    async def sleep(self, seconds: float) -> None:
        if seconds < 0.1:
            await super().sleep(seconds)
        else:
            await asyncio.Event().wait()


class PicturePort(FakePort):
    """Courses that look like a day's weather instead of a saw."""

    async def series(self, sensor: str, measure: str | None, **options: Any) -> Series:
        found = await super().series(sensor, measure, **options)
        values = [_wave(place / max(1, len(found.times) - 1)) for place in range(len(found.times))]
        if values:
            values[len(values) // 2] += 4.0
        return replace(found, values=values)

    async def recent(self, points: int = 24) -> dict[str, list[float]]:
        found = await super().recent(points)
        return {
            key: [_wave((place + 5 * rank) / points) for place in range(len(values))]
            for rank, (key, values) in enumerate(found.items())
        }


def _wave(share: float) -> float:
    """Between 19 and 25, in halves and quarters of itself, without a function whose last digit may differ."""
    place = share * 4 % 2
    rise = place if place < 1 else 2 - place
    return round(19 + 4.5 * rise * rise * (3 - 2 * rise) + (share * 97 % 1), 2)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: the screen to begin with, keys to press, and what else there is to do."""

    name: str
    start: str
    keys: Sequence[str] = ()
    theme: str = "dark"
    overview: Overview | None = None
    before: Callable[[DashboardApp], Awaitable[None]] | None = None


async def _ask_to_stop(app: DashboardApp) -> None:
    app.act(ActionKind.STOP, [unit.id for unit in sample_units().values() if unit.city == "London"][:4])


PICTURES: Final = (
    Picture("fleet", "fleet", ("down", "down", "down")),
    Picture("fleet-light", "fleet", theme="light"),
    Picture("sensors", "sensors", ("down", "down", "down")),
    Picture("uploads", "uploads"),
    Picture("logs", "logs"),
    Picture("diagnostics", "diagnostics"),
    Picture("query", "query", ("ctrl+r",)),
    Picture("stop", "fleet", before=_ask_to_stop),
)


def _lines() -> list[LogLine]:
    """A minute of three units, one of them in trouble."""
    units = [unit for unit in sample_units().values() if unit.city == "London"]
    first, _, _, failed, uploader = units
    lines = []
    for place in range(14):
        at = NOW - 56 + 4 * place
        lines += [
            LogLine(first.id, at, f"INFO reading {90_210 + 4 * place} written: 21.{place % 10}4 °C, 12.1 V"),
            LogLine(
                uploader.id, at + 1.2, f"INFO batch of {88 + place % 12} accepted, {470 + 3 * place}.6 RU"
            ),
        ]
        if place % 5 == 3:
            lines.append(LogLine(uploader.id, at + 2, "WARNING 429 on range 2: waits 40 ms, batch now 50"))
    lines += [
        LogLine(failed.id, NOW - 9.5, "ERROR cannot write sensor_data.db: disk I/O error", "err"),
        LogLine(failed.id, NOW - 9.0, "ERROR giving up after 5 attempts", "err"),
    ]
    return sorted(lines, key=lambda line: line.at or 0.0)


def _checks() -> list[Check]:
    """A morning with one thing to mend and one to watch."""
    ok, warning, failed, skipped = (
        CheckVerdict.OK,
        CheckVerdict.WARNING,
        CheckVerdict.FAILED,
        CheckVerdict.SKIPPED,
    )
    return [
        Check("python", "Python and packages", ok, "Python 3.11.8, all packages as pinned", seconds=0.02),
        Check("data", "Data and state folder", ok, "/srv/data, state in /srv/data/.sensor-tui", seconds=0.01),
        Check("service", "Service and engine", ok, "pid 4242, 0.1.0, running since 15:02", seconds=0.03),
        Check(
            "units",
            "Units",
            failed,
            "1 of 13 failed: sensor-LON_100004 (exit code 137, SIGKILL); 1 in backoff: sensor-MNL_200002",
            "Read their logs (l on Fleet). Exit code 137 is SIGKILL, most often for lack of memory",
            0.01,
        ),
        Check("files", "Sensor files", ok, "14 files, 13 readable", seconds=0.12),
        Check("backlog", "Backlog and lag", ok, "1,258 open, the oldest 2 h old", seconds=0.05),
        Check(
            "disk",
            "Disk space",
            warning,
            "/srv/data: 4.1 GiB of 60 GiB free (6.8 %)",
            "Move or delete old files; sensors stop writing when the disk is full",
            0.01,
        ),
        Check("endpoint", "Endpoint and key are configured", ok, "https://fleet.documents.azure.com:443/"),
        Check("dns", "Name of the endpoint", ok, "fleet.documents.azure.com is 20.38.1.7", seconds=0.02),
        Check("connect", "Connection and TLS", ok, "TLSv1.3, valid for 61 days", seconds=0.09),
        Check("clock", "Clock", ok, "0.2 s off", seconds=0.09),
        Check("key", "Authentication", ok, "the key is accepted", seconds=0.11),
        Check("container", "Container", ok, "SensorData/SensorReadings, 4 ranges", seconds=0.08),
        Check("write", "Write and delete a document", skipped, "not asked for"),
    ]


def _answer() -> Table:
    """Newest readings of one file."""
    columns = (
        "id",
        "timestamp",
        "sensor_id",
        "temperature",
        "vibration",
        "voltage",
        "anomaly_flag",
        "synced",
    )
    rows = [
        (
            90_266 - place,
            f"2026-03-14T15:09:{25 - place:02}.104512+00:00",
            "LON_100001",
            round(21.4 - place % 7 / 10, 2),
            round(0.12 + place % 5 / 100, 3),
            12.1,
            int(place == 6),
            1 if place > 2 else None,
        )
        for place in range(20)
    ]
    return Table(columns, rows, complete=True, seconds=0.004)


def _history() -> list[Minute]:
    """An hour in which an old backlog goes down."""
    return [
        replace(minute, backlog=1_190 + 137 * back, lag=7_880.0 + 30 * back)
        for back, minute in enumerate(reversed(sample_minutes()))
    ][::-1]


async def draw(picture: Picture) -> str:
    """The picture as SVG."""
    clock = StillClock()
    port = PicturePort(clock, lines=_lines(), found=_checks(), answer=_answer(), history=_history())
    app = DashboardApp(port, clock=clock, look=Look(), start=picture.start, theme=picture.theme)
    app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0
    async with app.run_test(size=SIZE, notifications=False) as pilot:
        await port.push(picture.overview or sample_overview())
        await _settle(pilot)
        for key in picture.keys:
            await pilot.press(key)
            await _settle(pilot)
        if picture.before is not None:
            await picture.before(app)
            await _settle(pilot)
        for field in (*app.screen.query(Input), *app.screen.query(TextArea)):
            field.cursor_blink = False
        await _settle(pilot)
        return steady(app.export_screenshot(title="sensor-tui", simplify=True), picture.name)


def steady(svg: str, name: str) -> str:
    """The same picture with names that stay the same, no fonts from elsewhere, and every word in its cell."""
    svg = _FONT.sub("", _CLASS.sub(f"{name}-", svg))
    return _TEXT.sub(_in_cells, svg).strip() + "\n"


def _in_cells(text: re.Match[str]) -> str:
    """A text as one for every word or words with a blank between: blanks are not as wide in every font."""
    begin, x, y, rest, content = text.groups()
    shown = html.unescape(content).replace("\xa0", " ")
    parts = []
    for found in _WORDS.finditer(shown):
        at = float(x) + _CELL * cell_len(shown[: found.start()])
        width = _CELL * cell_len(found[0])
        words = html.escape(found[0], quote=False).replace(" ", _BLANK)
        parts.append(f'{begin} x="{at:.6g}" y="{y}" textLength="{width:.6g}" {rest}>{words}</text>')
    return "".join(parts)


async def _settle(pilot: Pilot[Any]) -> None:
    """Wait until nothing is under way, and no thread draws a chart."""
    for _ in range(_ROUNDS):
        for _ in range(20):
            await asyncio.sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.gather(
                    *(worker.wait() for worker in pilot.app.workers if worker.group.startswith("chart")),
                    return_exceptions=True,
                )
        await pilot.pause()


def make(folder: Path) -> list[Path]:
    """Write every picture, and return their paths."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    os.environ.pop("NO_COLOR", None)
    chart_draw.load()
    # nothing waits for the operator to rest, and nothing is asked for again
    fleet.REST_SECONDS, fleet.AGAIN_SECONDS, sensors.REST_SECONDS, logs.DRAW_SECONDS = 0.0, 3600.0, 0.0, 0.0
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(picture, folder / f"{picture.name}.svg") for picture in PICTURES]


def _write(picture: Picture, path: Path) -> Path:
    svg = asyncio.run(draw(picture)).encode()
    if len(svg) > LARGEST:
        raise SystemExit(f"{picture.name}: {len(svg):,} bytes are too many")
    path.write_bytes(svg)
    return path


if __name__ == "__main__":
    for made in make(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")):
        print(f"{made} {made.stat().st_size:,} bytes")  # noqa: T201

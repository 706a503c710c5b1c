"""A stepped port and a clock that stands still; with the fixed data, all a test of the dashboard needs."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sensor_tui.errors import FleetError, SensorTuiError, ServiceError
from sensor_tui.model.action import (
    ActionKind,
    ActionOptions,
    ActionRun,
    LoggedAction,
    Plan,
    PlanItem,
    UnitOutcome,
)
from sensor_tui.model.check import Check, CheckInfo
from sensor_tui.model.letter import LetterRow, LetterRows, Minute
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Series
from sensor_tui.model.table import Table
from sensor_tui.model.unit import LogLine
from tests.app.fake_data import (
    HOSTILE,
    NOW,
    empty_overview,
    hostile_overview,
    loading_overview,
    lost_overview,
    refused_overview,
    sample_actions,
    sample_checks,
    sample_engine,
    sample_hosts,
    sample_letters,
    sample_lines,
    sample_minutes,
    sample_overview,
    sample_overviews,
    sample_run,
    sample_sensors,
    sample_stats,
    sample_table,
    sample_units,
    sensor_key,
    stopped_overview,
)

__all__ = [
    "HOSTILE",
    "NOW",
    "FakePort",
    "FrozenClock",
    "empty_overview",
    "hostile_overview",
    "loading_overview",
    "lost_overview",
    "refused_overview",
    "sample_actions",
    "sample_checks",
    "sample_engine",
    "sample_hosts",
    "sample_letters",
    "sample_lines",
    "sample_minutes",
    "sample_overview",
    "sample_overviews",
    "sample_run",
    "sample_sensors",
    "sample_stats",
    "sample_table",
    "sample_units",
    "sensor_key",
    "stopped_overview",
]


class FrozenClock:
    """Stands still until it is told otherwise; waiting is real and as short as it can be."""

    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time - NOW + 1000.0

    def advance(self, seconds: float) -> None:
        self.time += seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class FakePort:
    """Implements `Port`: gives out what it is told to, records every call, fails where it is asked to."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    """Name and arguments of every call, in order."""
    failures: dict[str, SensorTuiError] = field(default_factory=dict)
    """Raised by the call of that name."""
    lines: list[LogLine] = field(default_factory=lambda: list(sample_lines()))
    """What `logs` begins with, of the units asked for."""
    rows: list[LetterRow] = field(default_factory=lambda: list(sample_letters()))
    history: list[Minute] = field(default_factory=lambda: list(sample_minutes()))
    found: list[Check] = field(default_factory=lambda: list(sample_checks()))
    logged: list[LoggedAction] = field(default_factory=lambda: list(sample_actions()))
    answer: Table = field(default_factory=sample_table)
    """What every query brings."""
    plan_items: list[PlanItem] | None = None
    """Items of the next plan; from the overview where None."""
    overview: Overview = field(default_factory=Overview)
    """The latest that was pushed."""
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    """The call of that name waits for its event."""

    def __post_init__(self) -> None:
        self._news = asyncio.Event()
        self._seen = asyncio.Event()
        self._pushed = 0
        self._taken = 0
        self._broken: SensorTuiError | None = None
        self._followers: list[tuple[frozenset[str], asyncio.Queue[Sequence[LogLine] | None]]] = []

    # what a test does

    async def push(self, overview: Overview) -> None:
        """Say how everything stands, and wait until the app has read it."""
        self.overview = overview
        self._pushed += 1
        wanted = self._pushed
        self._news.set()
        while self._taken < wanted:
            self._seen.clear()
            await self._seen.wait()

    def break_updates(self, error: SensorTuiError) -> None:
        """Have the stream of updates fail once."""
        self._broken = error
        self._news.set()

    async def write(self, *lines: LogLine) -> None:
        """New lines for whoever follows their units."""
        for units, queue in self._followers:
            mine = [line for line in lines if line.unit in units]
            if mine:
                queue.put_nowait(mine)

    def end_logs(self) -> None:
        """End every stream of log lines, as when the service goes away."""
        for _, queue in self._followers:
            queue.put_nowait(None)

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of every call of that name."""
        return [call[1:] for call in self.calls if call[0] == name]

    async def _call(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.gates:
            await self.gates[name].wait()
        if name in self.failures:
            raise self.failures[name]

    # Port

    async def updates(self) -> AsyncIterator[Overview]:
        self.calls.append(("updates",))
        while True:
            while self._taken < self._pushed or self._broken is not None:
                if self._broken is not None:
                    error, self._broken = self._broken, None
                    raise error
                wanted = self._pushed
                yield self.overview
                self._taken = wanted
                self._seen.set()
            self._news.clear()
            await self._news.wait()

    async def plan(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> Plan:
        await self._call("plan", kind, tuple(units), options)
        if self.plan_items is not None:
            return Plan(kind, tuple(self.plan_items), options)
        items = []
        for key in units:
            unit = self.overview.units.get(key)
            if unit is None:
                raise FleetError(f"There is no unit {key}")
            sensor = self.overview.sensor_of(unit)
            unsent = 0 if sensor is None else sensor.backlog
            destroys = options.wipe_data and kind in {ActionKind.RESET, ActionKind.REMOVE}
            items.append(PlanItem(key, unit.name, unsent=unsent if kind.ends else 0, destroys=destroys))
        return Plan(kind, tuple(items), options)

    async def act(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> ActionRun:
        await self._call("act", kind, tuple(units), options)
        outcomes = tuple(
            UnitOutcome(key, self.overview.units[key].name if key in self.overview.units else key)
            for key in units
        )
        return ActionRun(f"act-{len(self.called('act'))}", kind, "tester", self.clock.now(), outcomes)

    async def cancel(self, action: str) -> None:
        await self._call("cancel", action)

    async def action_log(self, limit: int) -> Sequence[LoggedAction]:
        await self._call("action_log", limit)
        return self.logged[:limit]

    async def pause(self) -> str:
        await self._call("pause")
        return "paused"

    async def resume(self) -> str:
        await self._call("resume")
        return "reads on"

    async def sync_now(self) -> str:
        await self._call("sync_now")
        return "a round was started"

    async def letters(self, *, offset: int = 0, limit: int = 100) -> LetterRows:
        await self._call("letters", offset, limit)
        page = [replace(row, document=None) for row in self.rows[offset : offset + limit]]
        following = offset + limit
        return LetterRows(page, len(self.rows), following if following < len(self.rows) else None)

    async def letter(self, letter: int) -> LetterRow:
        await self._call("letter", letter)
        for row in self.rows:
            if row.id == letter:
                return row
        raise ServiceError(f"There is no dead letter {letter}")

    async def retry(self, letters: Sequence[int] | None) -> str:
        await self._call("retry", None if letters is None else tuple(letters))
        return f"{len(self.rows) if letters is None else len(letters)} will be read and sent again"

    async def drop(self, letters: Sequence[int] | None) -> str:
        await self._call("drop", None if letters is None else tuple(letters))
        gone = {row.id for row in self.rows} if letters is None else set(letters)
        self.rows = [row for row in self.rows if row.id not in gone]
        return f"{len(gone)} forgotten"

    async def minutes(self, since: float) -> Sequence[Minute]:
        await self._call("minutes", since)
        return [minute for minute in self.history if minute.at > since]

    async def logs(
        self,
        units: Sequence[str],
        *,
        since: float | None = None,
        tail: int | None = None,
        follow: bool = True,
    ) -> AsyncIterator[Sequence[LogLine]]:
        await self._call("logs", tuple(units), since, tail, follow)
        wanted = frozenset(units)
        lines = [
            line
            for line in self.lines
            if line.unit in wanted and (since is None or line.at is None or line.at >= since)
        ]
        yield lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]
        if not follow:
            return
        queue: asyncio.Queue[Sequence[LogLine] | None] = asyncio.Queue()
        follower = (wanted, queue)
        self._followers.append(follower)
        try:
            while (more := await queue.get()) is not None:
                yield more
        finally:
            self._followers.remove(follower)

    async def series(
        self,
        sensor: str,
        measure: str | None,
        *,
        since: float | None = None,
        until: float | None = None,
        points: int = 200,
    ) -> Series:
        await self._call("series", sensor, measure, since, until, points)
        known = self.overview.sensors.get(sensor)
        measures = tuple(known.values) if known is not None else ("temperature",)
        if not measures:
            return Series(sensor, measure or "")
        chosen = measure or measures[0]
        count = min(points, 120)
        end = min(until or NOW, NOW)
        begin = since if since is not None else end - 3600
        step = (end - begin) / count
        return Series(
            sensor,
            chosen,
            times=[begin + step * place for place in range(count)],
            values=[20.0 + (place * 7 % 31) / 10 for place in range(count)],
            anomalies=[begin + step * (count // 2)],
            readings=count * 3,
            measures=measures,
        )

    async def recent(self, points: int = 24) -> Mapping[str, Sequence[float]]:
        await self._call("recent", points)
        return {
            key: [20.0 + ((place + rank) * 5 % 17) / 10 for place in range(points)]
            for rank, (key, sensor) in enumerate(self.overview.sensors.items())
            if sensor.newest is not None
        }

    async def checks(self) -> Sequence[CheckInfo]:
        await self._call("checks")
        return [CheckInfo(check.name, check.title) for check in self.found]

    async def check(self, name: str) -> Check:
        await self._call("check", name)
        for check in self.found:
            if check.name == name:
                return check
        raise ServiceError(f"There is no check {name}")

    async def query(self, source: str | None, sql: str, limit: int) -> Table:
        await self._call("query", source, sql, limit)
        return self.answer

    async def start_service(self) -> str:
        await self._call("start_service")
        return "the service was started"

    async def stop_service(self) -> str:
        await self._call("stop_service")
        return "drained and stopped"

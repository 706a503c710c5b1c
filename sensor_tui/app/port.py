"""What the dashboard asks of whoever feeds it; everything is a value of `model`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from sensor_tui.model.action import ActionKind, ActionOptions, ActionRun, LoggedAction, Plan
from sensor_tui.model.check import Check, CheckInfo
from sensor_tui.model.letter import LetterRow, LetterRows, Minute
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Series
from sensor_tui.model.table import Table
from sensor_tui.model.unit import LogLine


class Port(Protocol):
    """One service, near or far, there or not. Every call raises SensorTuiError where it cannot be done."""

    def updates(self) -> AsyncIterator[Overview]:
        """How everything stands, again at every change, for ever; who reads late gets the latest."""
        ...

    async def plan(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> Plan:
        """What an action would do."""
        ...

    async def act(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> ActionRun:
        """Begin it; how it goes on is in `Overview.actions`."""
        ...

    async def cancel(self, action: str) -> None:
        """Begin with no further unit; what has begun is finished."""
        ...

    async def action_log(self, limit: int) -> Sequence[LoggedAction]:
        """What was done of late, the newest first."""
        ...

    async def pause(self) -> str:
        """Stop reading; returns what was done, for people."""
        ...

    async def resume(self) -> str:
        """Read on."""
        ...

    async def sync_now(self) -> str:
        """Start a round now."""
        ...

    async def letters(self, *, offset: int = 0, limit: int = 100) -> LetterRows:
        """A page of dead letters."""
        ...

    async def letter(self, letter: int) -> LetterRow:
        """One with its document."""
        ...

    async def retry(self, letters: Sequence[int] | None) -> str:
        """Have dead letters read and sent again, all of them where None; returns what became of it."""
        ...

    async def drop(self, letters: Sequence[int] | None) -> str:
        """Forget dead letters, all of them where None."""
        ...

    async def minutes(self, since: float) -> Sequence[Minute]:
        """History after that time, in seconds since the epoch, the oldest first."""
        ...

    def logs(
        self,
        units: Sequence[str],
        *,
        since: float | None = None,
        tail: int | None = None,
        follow: bool = True,
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Lines of these units, merged by time as well as they are known, in batches."""
        ...

    async def series(
        self,
        sensor: str,
        measure: str | None,
        *,
        since: float | None = None,
        until: float | None = None,
        points: int = 200,
    ) -> Series:
        """Values of a measure (the first where None) of a sensor by its key, thinned to so many points."""
        ...

    async def recent(self, points: int = 24) -> Mapping[str, Sequence[float]]:
        """The last values of every sensor's first measure, by sensor key, for sparklines."""
        ...

    async def checks(self) -> Sequence[CheckInfo]:
        """Every check there is, in order."""
        ...

    async def check(self, name: str) -> Check:
        """Make one check."""
        ...

    async def query(self, source: str | None, sql: str, limit: int) -> Table:
        """Rows of a SQLite file, by its path relative to the data root, or of Cosmos where None."""
        ...

    async def start_service(self) -> str:
        """Start a service where none runs."""
        ...

    async def stop_service(self) -> str:
        """Drain and stop the service."""
        ...

"""The part of the ledger that screens look back on: throughput, and what operators did."""

from dataclasses import astuple, dataclass
from typing import Final

from sensor_tui.storage.ledger_db import LedgerDatabase

RETENTION_SECONDS: Final = 7 * 86400.0
_PRUNE_EVERY: Final = 60


@dataclass(frozen=True, slots=True)
class ThroughputPoint:
    """What one interval up to `at` (epoch seconds) brought; `lag` in seconds, None with no backlog."""

    at: float
    accepted: int
    rejected: int
    throttled: int
    request_units: float
    backlog: int
    lag: float | None


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """Who did what to which, and what came of it; `at` in seconds since the epoch."""

    at: float
    who: str
    action: str
    target: str
    result: str


class History(LedgerDatabase):
    """Throughput and actions; both raise StorageError where the ledger cannot be used."""

    _recorded = 0

    async def record_throughput(self, point: ThroughputPoint) -> None:
        """Keep a point for a week."""
        async with self.transaction() as db:
            await db.execute(
                "INSERT OR REPLACE INTO throughput VALUES (?, ?, ?, ?, ?, ?, ?)",
                astuple(point),
            )
            if self._recorded % _PRUNE_EVERY == 0:
                await db.execute("DELETE FROM throughput WHERE at < ?", (point.at - RETENTION_SECONDS,))
        self._recorded += 1

    async def throughput(self, since: float) -> list[ThroughputPoint]:
        """Points after `since`, oldest first."""
        rows = await self.fetch(
            "SELECT at, accepted, rejected, throttled, request_units, backlog, lag FROM throughput"
            " WHERE at > ? ORDER BY at",
            (since,),
        )
        return [ThroughputPoint(*row) for row in rows]

    async def record_action(self, action: OperatorAction) -> None:
        """Keep what an operator did."""
        await self.write(
            "INSERT INTO actions (at, who, action, target, result) VALUES (?, ?, ?, ?, ?)",
            [(action.at, action.who, action.action, action.target, action.result)],
        )

    async def actions(self, limit: int = 100) -> list[OperatorAction]:
        """The newest actions, newest first."""
        rows = await self.fetch(
            "SELECT at, who, action, target, result FROM actions ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [OperatorAction(*row) for row in rows]

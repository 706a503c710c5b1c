"""The client's calls that are about readings: series, checks and queries."""

from typing import Any

from sensor_tui.model.check import Check, CheckInfo
from sensor_tui.model.sensor import Series
from sensor_tui.model.table import Table
from sensor_tui.service.caller import Caller


class DataCalls(Caller):
    """What is in files and in Cosmos, and what diagnostics say; errors as Caller says."""

    async def series(
        self,
        sensor: str,
        measure: str | None = None,
        *,
        since: float | None = None,
        until: float | None = None,
        points: int = 200,
    ) -> Series:
        """Values of one measure of a sensor by its key, thinned to so many points."""
        wanted = {"sensor": sensor, "measure": measure, "points": points}
        times = {
            "since": None if since is None else repr(since),
            "until": None if until is None else repr(until),
        }
        query = {name: value for name, value in {**wanted, **times}.items() if value is not None}
        return await self.get(Series, "/v1/series", query)

    async def recent(self, points: int = 24) -> dict[str, list[float]]:
        """The last values of every sensor's first measure, by sensor key."""
        return await self.get(dict[str, list[float]], "/v1/recent", {"points": points})

    async def checks(self) -> list[CheckInfo]:
        """Every check there is, in order."""
        return await self.get(list[CheckInfo], "/v1/checks")

    async def check(self, name: str) -> Check:
        """Make one check."""
        return await self.post(Check, f"/v1/checks/{name}", patient=True)

    async def query(self, source: str | None, sql: str, limit: int = 1000) -> Table:
        """Rows of a SQLite file, by its path relative to the data root, or of Cosmos where None."""
        body: dict[str, Any] = {"source": source, "sql": sql, "limit": limit}
        return await self.post(Table, "/v1/query", body, patient=True)

"""The documents of one partition key range that are to go, page by page, for the engine's machinery."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import orjson

from sensor_tui.model.reading import Batch, schema_of
from sensor_tui.sync.contract import MISSING, RequestFailed, Settlement
from sensor_tui.sync.encode import Encoded
from sensor_tui.sync.sinks.cosmos.delete import Page

_SCHEMA: Final = schema_of(("id", "partition_key"))

ReadPage = Callable[[str, int, str], Awaitable[Page]]
"""Reads a page: range, most rows, continuation; raises RequestFailed where the range has moved."""


class RangeFeed:
    """What is left in one range; it ends early where the range has moved, to be read anew elsewhere."""

    alive = True

    def __init__(self, range_id: str, read_page: ReadPage) -> None:
        self.key = range_id
        self.found = 0
        self._read_page = read_page
        self._continuation = ""
        self._ended = False

    async def read(self, limit: int) -> Batch | None:
        """The next page, which may be empty; None at the end."""
        if self._ended:
            return None
        try:
            page = await self._read_page(self.key, limit, self._continuation)
        except RequestFailed:
            self._ended = True
            return None
        self._continuation = page.continuation
        self._ended = not page.continuation
        rows = [(row["id"], row.get("k", MISSING)) for row in page.rows]
        self.found += len(rows)
        return Batch(self.key, "", _SCHEMA, rows, 0, not self._ended)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Nothing to record: what is gone is gone, and what is not is found again."""

    def abandon(self, batches: Sequence[Batch]) -> None:
        """Nothing to forget."""


def encoded(batch: Batch) -> Encoded:
    """Ids as JSON, and the keys they lie under."""
    bodies: list[bytes | None] = [orjson.dumps(row[0]) for row in batch.rows]
    keys: list[Any] = [row[1] for row in batch.rows]
    first = keys[0]
    return Encoded(bodies, keys, type(first) is str and keys.count(first) == len(keys))

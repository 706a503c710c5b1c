"""Queries that were run, to go back to."""

from typing import Final

MOST: Final = 100


class History:
    """The last queries, the newest last; what is being written is kept while going back."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._back = 0
        self._draft = ""

    def add(self, sql: str) -> None:
        """It was run."""
        self._back = 0
        if not self._kept or self._kept[-1] != sql:
            self._kept = [*self._kept, sql][-MOST:]

    def go(self, step: int, written: str) -> str | None:
        """An earlier one (-1) or a later one (1); None where there is none further."""
        back = self._back - step
        if not 0 <= back <= len(self._kept):
            return None
        if self._back == 0:
            self._draft = written
        if back == 1 and step < 0 and self._kept[-1] == written and len(self._kept) > 1:
            back = 2
        self._back = back
        return self._kept[-back] if back else self._draft

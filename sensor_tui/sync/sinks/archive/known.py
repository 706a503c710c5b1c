"""Ids that were read from parts not long ago, so that the same ones are not read again and again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_IDS: Final = 100_000
"""About 15 MB."""

Key = tuple[str, str, int]
"""Dataset, part, and piece of the part."""


class KnownIds:
    """The ids of the pieces used last, up to a number of ids in all. Any thread may call it."""

    def __init__(self, most: int = MOST_IDS) -> None:
        self.reads = 0
        """Times that a part had to be read."""
        self._most = most
        self._count = 0
        self._kept: OrderedDict[Key, frozenset[str]] = OrderedDict()
        self._guard = threading.Lock()

    def peek(self, key: Key) -> frozenset[str] | None:
        """The ids of a piece as far as they are known."""
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def get(self, key: Key, read: Callable[[], frozenset[str]]) -> frozenset[str]:
        """The ids of a piece, read where they are not known."""
        found = self.peek(key)
        if found is None:
            found = read()
            self.reads += 1
            self.put(key, found)
        return found

    def put(self, key: Key, ids: frozenset[str]) -> None:
        """Keep the ids of a piece, and forget those of others used least."""
        with self._guard:
            self._count += len(ids) - len(self._kept.pop(key, ()))
            self._kept[key] = ids
            while self._count > self._most:
                _, gone = self._kept.popitem(last=False)
                self._count -= len(gone)

"""What the archive asks of a file format, and the formats by name."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sensor_tui.sync.sinks.archive.documents import Entry
from sensor_tui.sync.sinks.archive.options import SUFFIXES, FormatName

Columns = Mapping[str, str]
"""Columns of a dataset in their order, with the kind of each. Parts gain columns and never lose any."""


class Unreadable(Exception):
    """A part cannot be read, or is not as the archive writes it; the message names it."""


class Abandoned(Exception):
    """Work that may wait was given up, since the archive is being closed."""


class Format(Protocol):
    """How documents lie in a file. Every method may take its time and is called in a thread of its own."""

    suffix: str
    most_rows: int
    """Rows of one part, at most."""

    def learn(self, path: str) -> Columns:
        """Columns of a part.

        Raises:
            Unreadable: it cannot be read.
        """
        ...

    def pack(self, entries: Sequence[Entry], columns: Columns) -> tuple[bytes | memoryview, Columns]:
        """Content of a part with these documents and at least these columns, and all its columns."""
        ...

    def blocks(self, path: str, low: int, high: int) -> Sequence[int]:
        """The pieces of a part that may hold documents of these times (microseconds since 1970).

        Raises:
            Unreadable: it cannot be read.
        """
        ...

    def ids(self, path: str, block: int) -> frozenset[str]:
        """Ids of the documents in one piece of a part.

        Raises:
            Unreadable: it cannot be read.
        """
        ...

    def merge(self, paths: Sequence[str], target: str, columns: Columns, stopping: Callable[[], bool]) -> int:
        """Write what the parts hold into one file, in their order, and make it last; how many rows.

        Raises:
            Unreadable: one of them cannot be read, or has columns that are not among `columns`.
            Abandoned: `stopping` said so.
        """
        ...


def make_format(name: FormatName) -> Format:
    """The format of that name. Raises ImportError where Parquet is asked for and pyarrow is missing."""
    if name == "Parquet":
        # pyarrow's own allocator keeps what parts let go of (measured: 30 MB); asked once, as it is loaded
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        from sensor_tui.sync.sinks.archive.parquet import Parquet

        return Parquet()
    from sensor_tui.sync.sinks.archive.text import Csv, JsonLines

    return Csv() if SUFFIXES[name] == Csv.suffix else JsonLines()

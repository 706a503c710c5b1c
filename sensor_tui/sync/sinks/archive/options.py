"""What the archive has to know; built from the configuration by whoever starts it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

FormatName = Literal["Parquet", "CSV", "JSON lines"]

SUFFIXES: Final[dict[FormatName, str]] = {"Parquet": ".parquet", "CSV": ".csv", "JSON lines": ".jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """One archive folder, and how files are kept in it.

    `compact_files` parts of about one size become one. Documents of `own_city` stand right in the folder
    instead of in one named after their city: the folder is that city's already.
    """

    path: Path
    format: FormatName = "Parquet"
    compact_files: int = 32
    own_city: str | None = None

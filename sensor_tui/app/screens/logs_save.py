"""Log lines into a file of the operator's."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sensor_tui.app.logbook import Entry


def save(path: Path, entries: Sequence[Entry], names: Mapping[str, str]) -> None:
    """Write lines to a new file that only its owner may read.

    Raises:
        OSError: it cannot be written, or there is a file already.
    """
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(opened, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 - a descriptor
        file.writelines(f"{line_of(entry, names)}\n" for entry in entries)


def line_of(entry: Entry, names: Mapping[str, str]) -> str:
    """`2026-01-31T14:05:00.123Z name: text`, in UTC."""
    name = names.get(entry.unit, entry.unit)
    more = f"…(+{entry.lost:,})" if entry.lost else ""
    return f"{iso(entry.at)} {f'{name}: ' if name else ''}{entry.text}{more}"


def iso(at: float | None) -> str:
    """ISO 8601 in UTC with milliseconds; `-` where nobody knows."""
    if at is None:
        return "-"
    try:
        text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return "-"
    return text.removesuffix("+00:00") + "Z"


def place_for(text: str) -> Path:
    """The path an operator typed."""
    return Path(text.strip()).expanduser()

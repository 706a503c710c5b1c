"""A table as a file: CSV that a spreadsheet can open safely, or JSON."""

import csv
import io
import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from sensor_tui.app.format import stamp
from sensor_tui.errors import StorageError
from sensor_tui.model.table import Cell, Table

Format = Literal["csv", "json"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "json")

_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet takes for a formula: its sign at the start, full-width ones and blanks before it too."""
_NUMBER: Final = re.compile(r"[+-]?(\d[\d,]*)?\.?\d+([eE][+-]?\d+)?%?")
_OTHER: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def suggested(folder: Path, name: str, now: float, form: Format) -> Path:
    """Where to: `{name}-YYYY-MM-DD-HHMMSS.csv` in that folder; `now` in seconds since the epoch."""
    moment = stamp(now).replace(" ", "-").replace(":", "")
    return folder / f"{_OTHER.sub('-', name).strip('-.')[:60] or 'table'}-{moment}.{form}"


def text_of(table: Table, form: Format) -> str:
    """The whole file."""
    return _csv(table) if form == "csv" else _json(table)


def write(path: Path, text: str, *, replace: bool) -> int:
    """Write a file that only its owner can read, whole or not at all; returns its bytes.

    Raises StorageError where it cannot be written, or exists and is not to be replaced.
    """
    data = text.encode("utf-8", errors="replace")
    try:
        if path.is_dir():
            raise StorageError(f"{path} is a folder", fix="Name a file in it")
        (_replaced if replace else _created)(path, data)
    except FileExistsError:
        raise StorageError(f"{path} exists", fix="Choose another name, or have it replaced") from None
    except FileNotFoundError:
        raise StorageError(f"There is no folder {path.parent}", fix="Create it or choose another") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from None
    return len(data)


def _created(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replaced(path: Path, data: bytes) -> None:
    handle, made = tempfile.mkstemp(prefix=".sensor-tui-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_guarded(column) for column in table.columns])
    writer.writerows([_guarded(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def _guarded(cell: Cell) -> Cell:
    """Text that a spreadsheet would take for a formula is led by an apostrophe; numbers stay numbers."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _json(table: Table) -> str:
    names = _distinct(table.columns)
    rows = [dict(zip(names, map(_finite, row), strict=False)) for row in table.rows]
    return json.dumps(rows, indent=1, ensure_ascii=False, default=str) + "\n"


def _finite(cell: Cell) -> Cell:
    """Infinity and NaN are no JSON; they become text."""
    return cell if not isinstance(cell, float) or abs(cell) < float("inf") else str(cell)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Columns of the same name are told apart, as an object has every key once."""
    names: list[str] = []
    for column in columns:
        name, number = column, 2
        while name in names:
            name = f"{column}_{number}"
            number += 1
        names.append(name)
    return names

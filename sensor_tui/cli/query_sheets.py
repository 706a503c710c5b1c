"""The forms an answer is written in: as it comes (JSON lines, CSV, Parquet), or whole (table, JSON)."""

import csv
import io
import json
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.query_target import Target

if TYPE_CHECKING:
    from sensor_tui.model.table import Cell, Table

_SYSTEM: Final = ("_rid", "_self", "_etag", "_attachments", "_ts")
_NAMED: Final = 5
"""Columns that a message names."""
DOCUMENT_FIELDS: Final = (
    "id", "sensorId", "timestamp", "city", "location", "temperature", "humidity", "pressure", "vibration",
    "voltage", "status", "statusCode", "anomalyFlag", "anomalyType", "firmwareVersion", "model",
    "manufacturer", "latitude", "longitude", "sqlite_id", "processingStage",
)  # fmt: skip
"""What a document may have and need not: a heading written before the last one is seen has to know."""


class Sheet:
    """Takes rows as they come, their columns with them, and writes them at once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.written = 0
        """Rows so far."""

    def add(self, columns: Sequence[str], rows: "Sequence[Sequence[Cell]]") -> None:
        """Write rows; columns may differ from those before."""
        raise NotImplementedError

    def add_documents(self, found: Sequence[Any]) -> None:
        """Write results of Cosmos DB."""
        from sensor_tui.service.query_cosmos import table_of

        self.add(*table_of(found))

    def finish(self) -> list[str]:
        """Write what is held back; what could not be written, in words."""
        return []


class JsonLines(Sheet):
    """One JSON document a line."""

    def add(self, columns: Sequence[str], rows: "Sequence[Sequence[Cell]]") -> None:
        names = unique(columns)
        self.add_documents([dict(zip(names, row, strict=True)) for row in rows])

    def add_documents(self, found: Sequence[Any]) -> None:
        if found:
            self.written += len(found)
            self._target.write("".join(f"{_line(each)}\n" for each in found))


class Csv(Sheet):
    """Comma-separated values under the columns that were met first.

    A file gets columns that come later too, after the others; standard output cannot have them any more.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._columns: list[str] = []
        self._told = 0
        """Columns in the heading."""
        self._late: list[str] = []

    def add(self, columns: Sequence[str], rows: "Sequence[Sequence[Cell]]") -> None:
        names = unique(columns)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if not self._told:
            self._columns = list(names)
            self._told = len(names)
            writer.writerow([_plain(name) for name in names])
        new = [name for name in names if name not in self._columns and name not in self._late]
        if self._target.path is None:
            self._late += new
        else:
            self._columns += new
        if names == self._columns:
            writer.writerows([_plain(cell) for cell in row] for row in rows)
        else:
            places = [names.index(name) if name in names else None for name in self._columns]
            writer.writerows(["" if at is None else _plain(row[at]) for at in places] for row in rows)
        self.written += len(rows)
        if text := out.getvalue():
            self._target.write(text)

    def add_documents(self, found: Sequence[Any]) -> None:
        documents = bool(found) and all(isinstance(each, dict) and "sensorId" in each for each in found)
        if not self._told and documents and self._target.path is None and "_ts" in found[0]:
            from sensor_tui.service.query_cosmos import table_of

            names = dict.fromkeys([*DOCUMENT_FIELDS, *table_of(found)[0]])
            system = [name for name in _SYSTEM if name in names]
            self.add([*(name for name in names if name not in _SYSTEM), *system], [])
        super().add_documents(found)

    def finish(self) -> list[str]:
        self._target.close()
        if len(self._columns) > self._told and self._target.path is not None:
            self._widen(self._target.path)
        if not self._late:
            return []
        named = ", ".join(map(_text, self._late[:_NAMED])) + (", …" if len(self._late) > _NAMED else "")
        text = f"The heading was written before these columns were met, and they were left out: {named}."
        return [f"{text} --output FILE or --format jsonl has them"]

    def _widen(self, path: Path) -> None:
        """Write the file again, with all columns in its heading and in each row."""
        wide = path.with_name(f"{path.name}.wide")
        width = len(self._columns)
        try:
            with (
                path.open(encoding="utf-8", newline="") as narrow,
                wide.open("w", encoding="utf-8", newline="") as out,
            ):
                writer, rows = csv.writer(out, lineterminator="\n"), csv.reader(narrow)
                next(rows)
                writer.writerow([_plain(name) for name in self._columns])
                writer.writerows([*row, *[""] * (width - len(row))] for row in rows)
            wide.replace(path)
        finally:
            wide.unlink(missing_ok=True)


class Whole(Sheet):
    """Keeps an answer that is not too large, and writes it at the end as a table or one JSON document."""

    def __init__(self, target: Target, form: str, *, plain: bool) -> None:
        super().__init__(target)
        self.form = form
        self._plain = plain

    def show(self, table: "Table") -> None:
        """Write an answer."""
        self.written = len(table.rows)
        self.write_text(_as_json(table) if self.form == "json" else self.text(table))

    def text(self, table: "Table") -> str:
        """A table as text; an empty one where it has no rows."""
        if self._target.path is None:
            return as_table(table, plain=self._plain)
        # A file is no terminal: nothing is coloured, folded or cut there.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            return as_table(table, plain=True)

    def write_json(self, value: Any) -> None:
        """Write one JSON document."""
        from sensor_tui.cli.output import to_json

        self.write_text(to_json(value))

    def write_text(self, text: str) -> None:
        """Write text, if there is some."""
        if text:
            self._target.write(f"{text}\n")


def sheet_of(form: str, target: Target, *, plain: bool) -> Sheet:
    """The form by its name.

    Raises:
        UsageError: Parquet, and pyarrow is not installed.
    """
    if form == "jsonl":
        return JsonLines(target)
    if form == "csv":
        return Csv(target)
    if form == "parquet":
        from sensor_tui.cli.query_parquet import Parquet

        return Parquet(target)
    return Whole(target, form, plain=plain)


def unique(columns: Sequence[str]) -> list[str]:
    """Names of columns; one that comes again gets a number."""
    names: dict[str, None] = {}
    for name in columns:
        chosen, number = name, 1
        while chosen in names:
            number += 1
            chosen = f"{name}_{number}"
        names[chosen] = None
    return list(names)


def as_table(result: "Table", *, plain: bool) -> str:
    """Rows under their headings, without columns that are empty."""
    from sensor_tui.cli.output import or_dash, table

    if not result.rows:
        return ""
    columns = [at for at in range(len(result.columns)) if any(row[at] is not None for row in result.rows)]
    if len(columns) > 1:  # what Cosmos DB keeps beside a document fills the screen, and is in the other forms
        columns = [at for at in columns if result.columns[at] not in _SYSTEM]
    names = [result.columns[at] for at in columns]
    numeric = [
        result.columns[at]
        for at in columns
        if all(isinstance(row[at], int | float) or row[at] is None for row in result.rows)
    ]
    rows = [[or_dash(row[at]) for at in columns] for row in result.rows]
    return table(names, rows, plain=plain, numeric=numeric)


def _as_json(result: "Table") -> str:
    from sensor_tui.cli.output import to_json

    names = unique(result.columns)
    rows = [dict(zip(names, row, strict=True)) for row in result.rows]
    facts = {"complete": result.complete, "seconds": result.seconds, "request_units": result.request_units}
    return to_json({"columns": list(result.columns), "rows": rows} | facts)


def _line(value: Any) -> str:
    """JSON on one line, harmless on a terminal."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value).replace("\x7f", "\\u007f")


def _plain(cell: "Cell") -> "Cell":
    return _text(cell) if isinstance(cell, str) else cell


def _text(text: str) -> str:
    if text.isprintable():
        return text
    from sensor_tui.cli.output import clean

    return clean(text)

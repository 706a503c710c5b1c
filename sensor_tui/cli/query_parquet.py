"""Rows into a Parquet file as they come: types are found on the way, and widened where one does not fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.query_sheets import Sheet, unique
from sensor_tui.cli.query_target import Target
from sensor_tui.errors import UsageError

if TYPE_CHECKING:
    from sensor_tui.model.table import Cell

_ROWS: Final = 5_000
"""Taken into columns at a time."""
_GROUP_ROWS: Final = 50_000
"""Of one row group."""
_EXACT: Final = 2**53
_LARGEST: Final = 2**63
_NONE, _BOOL, _INT, _REAL, _TEXT = "none", "bool", "int", "real", "text"


class Parquet(Sheet):
    """A Parquet file. A column that held nothing but numbers becomes text once something else is met.

    What was written by then is written again, some rows at a time, so that memory is bounded.
    """

    def __init__(self, target: Target) -> None:
        """Raises UsageError where pyarrow is missing, or there is no file to write to."""
        super().__init__(target)
        if target.path is None:
            raise UsageError("Parquet is no text", fix="Name the file: --output readings.parquet")
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise UsageError(
                "Parquet needs pyarrow, which is not installed",
                fix="Install the extra: pip install 'sensor-tui[parquet]', or choose another --format",
            ) from None
        self._pa, self._parquet = pa, parquet
        self._path: Path = target.path
        self._kinds: dict[str, str] = {}
        """Kind of every column, in their order."""
        self._large: set[str] = set()
        """Columns with whole numbers that no floating-point number is exactly."""
        self._rows: list[dict[str, Cell]] = []
        self._tables: list[Any] = []
        self._held = 0
        self._writer: Any = None

    def add(self, columns: Sequence[str], rows: "Sequence[Sequence[Cell]]") -> None:
        names = unique(columns)
        for name in names:
            self._kinds.setdefault(name, _NONE)
        for row in rows:
            self._rows.append(dict(zip(names, row, strict=True)))
        self.written += len(rows)
        if len(self._rows) >= _ROWS:
            self._take_in()

    def finish(self) -> list[str]:
        self._take_in()
        self._write()
        self._close()
        return []

    def _take_in(self) -> None:
        """Rows into columns, of the types that they all have."""
        rows, self._rows = self._rows, []
        values = {name: [row.get(name) for row in rows] for name in self._kinds}
        kinds = {name: self._joined(name, values[name]) for name in self._kinds}
        self._kinds = kinds
        if self._writer is not None and self._writer.schema != self._schema:
            self._write_again()
        if self._tables and self._tables[0].schema != self._schema:
            self._tables = [self._cast(table) for table in self._tables]
        if rows:
            arrays = [
                self._pa.array(_fitting(values[name], kind), type=self._type(kind))
                for name, kind in kinds.items()
            ]
            self._tables.append(self._pa.Table.from_arrays(arrays, schema=self._schema))
            self._held += len(rows)
        if self._held >= _GROUP_ROWS:
            self._write()

    def _joined(self, name: str, values: "Sequence[Cell]") -> str:
        """The kind that holds what the column had, and these."""
        kind = self._kinds[name]
        for found in {type(value) for value in values if value is not None}:
            new = _KINDS[found]
            if new == _INT:
                numbers = [abs(value) for value in values if type(value) is int]
                if max(numbers) >= _EXACT:
                    self._large.add(name)
                new = _TEXT if max(numbers) >= _LARGEST else _INT
            if kind in {_NONE, new}:
                kind = new
            elif {kind, new} == {_INT, _REAL} and name not in self._large:
                kind = _REAL
            else:
                kind = _TEXT
        return kind

    @property
    def _schema(self) -> Any:
        return self._pa.schema([(name, self._type(kind)) for name, kind in self._kinds.items()])

    def _type(self, kind: str) -> Any:
        pa = self._pa
        types = {_NONE: pa.string, _BOOL: pa.bool_, _INT: pa.int64, _REAL: pa.float64, _TEXT: pa.string}
        return types[kind]()

    def _write(self) -> None:
        """What is held, as one row group."""
        if self._writer is None:
            self._open()
        if self._tables:
            whole = self._pa.concat_tables(self._tables)
            self._writer.write_table(whole, row_group_size=max(1, whole.num_rows))
        self._tables, self._held = [], 0

    def _write_again(self) -> None:
        """The row groups so far, as columns are now; the file goes on after them."""
        self._close()
        before = self._path.with_name(f"{self._path.name}.before")
        self._path.replace(before)
        try:
            self._open()
            with self._parquet.ParquetFile(before) as file:
                for group in range(file.num_row_groups):
                    self._writer.write_table(self._cast(file.read_row_group(group)))
        finally:
            before.unlink(missing_ok=True)

    def _open(self) -> None:
        self._writer = self._parquet.ParquetWriter(self._path, self._schema, compression="zstd")

    def _cast(self, table: Any) -> Any:
        """The same rows under the columns and types of now."""
        found = []
        for name, kind in self._kinds.items():
            if name in table.schema.names:
                found.append(table.column(name).cast(self._type(kind)))
            else:
                found.append(self._pa.nulls(table.num_rows, type=self._type(kind)))
        return self._pa.Table.from_arrays(found, schema=self._schema)

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


_KINDS: Final[dict[type, str]] = {bool: _BOOL, int: _INT, float: _REAL, str: _TEXT}


def _fitting(values: "Sequence[Cell]", kind: str) -> "Sequence[Cell]":
    """Values as a column of this kind takes them."""
    if kind == _REAL:
        return [None if value is None else float(value) for value in values]
    if kind == _TEXT:
        return [None if value is None else _as_text(value) for value in values]
    return values


def _as_text(value: "Cell") -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    # JSON can carry half a character, which Parquet cannot.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()

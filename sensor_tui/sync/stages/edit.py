"""Changes to a batch, gathered column by column and made in one pass over the rows."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sensor_tui.model.reading import Batch, ReadingSchema, Row

_SCHEMAS_KEPT: Final = 512
_NewColumn = tuple[str, str]
"""Name and document field of a column that is added."""


class Edit:
    """Gathers changes to a batch; `done` gives the changed batch, or the same one where nothing changed.

    Row id, sensor, time and location stay what they are, since ids and cities are made of them: a change
    to one of these hides the column and gives documents another in its place. What repeats goes on
    repeating wherever the change is the same for every row.
    """

    def __init__(self, batch: Batch) -> None:
        schema = batch.schema
        self.batch = batch
        self._head = len(schema.columns) - batch.repeated
        self._fixed = {0, schema.sensor_id, schema.timestamp, schema.location}
        self._cells: dict[int, Mapping[int, Any]] = {}
        self._same: dict[int, Any] = {}
        self._hidden: set[int] = set()
        self._inserted: list[tuple[_NewColumn, list[Any]]] = []
        self._appended: list[tuple[_NewColumn, Any]] = []

    def each(self, index: int) -> Iterator[Any]:
        """A column, row by row, for a glance."""
        return map(itemgetter(index), self.batch.rows)

    def values(self, index: int) -> list[Any]:
        """A column, row by row."""
        return list(self.each(index))

    def repeats(self, index: int) -> bool:
        """Whether the column is known to hold one value in every row."""
        return index >= self._head

    def hide(self, index: int) -> None:
        """Keep the column out of documents."""
        self._hidden.add(index)

    def put(self, index: int, cells: Mapping[int, Any]) -> None:
        """Change the values at some positions of a column."""
        if not cells:
            return
        if index not in self._fixed and index < self._head:
            self._cells[index] = cells
            return
        values = self.values(index)
        for position, value in cells.items():
            values[position] = value
        self._inserted.append((self._instead_of(index), values))

    def put_same(self, index: int, value: Any) -> None:
        """Change a column that repeats, in every row."""
        if index in self._fixed:
            self._appended.append((self._instead_of(index), value))
        else:
            self._same[index] = value

    def add(self, column: str, field: str, cells: Mapping[int, Any]) -> None:
        """A new column, empty but for the positions given."""
        values = [None] * len(self.batch.rows)
        for position, value in cells.items():
            values[position] = value
        self._inserted.append(((column, field), values))

    def done(self) -> Batch:
        """The batch with all changes made."""
        batch = self.batch
        schema = batch.schema
        if self._hidden or self._inserted or self._appended:
            schema = _derived(
                schema,
                self._head,
                frozenset(self._hidden),
                tuple(column for column, _ in self._inserted),
                tuple(column for column, _ in self._appended),
            )
        elif not self._cells and not self._same:
            return batch
        repeated = batch.repeated + len(self._appended)
        return Batch(batch.source, batch.city, schema, self._rows(), batch.through, batch.more, repeated)

    def _instead_of(self, index: int) -> _NewColumn:
        self._hidden.add(index)
        schema = self.batch.schema
        return schema.columns[index], schema.fields[index]

    def _rows(self) -> list[Row]:
        rows = self.batch.rows
        if self._cells:
            rows = _patched(rows, self._cells)
        if not (self._same or self._inserted or self._appended):
            return rows
        head, first = self._head, rows[0]
        tail = (
            *(self._same.get(index, first[index]) for index in range(head, len(first))),
            *(value for _, value in self._appended),
        )
        if not self._inserted:
            return [row[:head] + tail for row in rows]
        inserted = zip(*(values for _, values in self._inserted), strict=True)
        return [row[:head] + extra + tail for row, extra in zip(rows, inserted, strict=True)]


def _patched(rows: list[Row], cells: Mapping[int, Mapping[int, Any]]) -> list[Row]:
    if sum(map(len, cells.values())) > len(rows) // 4:
        return _patched_by_column(rows, cells)
    touched: dict[int, list[Any]] = {}
    for index, column in cells.items():
        for position, value in column.items():
            row = touched.get(position)
            if row is None:
                row = touched[position] = list(rows[position])
            row[index] = value
    patched = rows.copy()
    for position, row in touched.items():
        patched[position] = tuple(row)
    return patched


def _patched_by_column(rows: list[Row], cells: Mapping[int, Mapping[int, Any]]) -> list[Row]:
    """The same for many cells: turning rows into columns and back costs less than taking each row apart."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index, changed in cells.items():
        values = list(columns[index])
        for position, value in changed.items():
            values[position] = value
        columns[index] = values
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=_SCHEMAS_KEPT)
def _derived(
    schema: ReadingSchema,
    head: int,
    hidden: frozenset[int],
    inserted: tuple[_NewColumn, ...],
    appended: tuple[_NewColumn, ...],
) -> ReadingSchema:
    """The schema with some columns hidden and others added; kept, since encoders go by the schema object."""
    fields = tuple("" if index in hidden else field for index, field in enumerate(schema.fields))

    def shifted(index: int | None) -> int | None:
        return index if index is None or index < head else index + len(inserted)

    return ReadingSchema(
        columns=(
            *schema.columns[:head],
            *(n for n, _ in inserted),
            *schema.columns[head:],
            *(n for n, _ in appended),
        ),
        fields=(*fields[:head], *(f for _, f in inserted), *fields[head:], *(f for _, f in appended)),
        generation=schema.generation,
        has_synced=schema.has_synced,
        sensor_id=shifted(schema.sensor_id),
        timestamp=shifted(schema.timestamp),
        location=shifted(schema.location),
    )

"""Parquet parts, by pyarrow; imported only where Parquet is asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sensor_tui.sync.sinks.archive import files
from sensor_tui.sync.sinks.archive.documents import Entry
from sensor_tui.sync.sinks.archive.formats import Abandoned, Columns, Unreadable
from sensor_tui.sync.sinks.archive.schema import (
    DOUBLE,
    FLAG,
    INTEGER,
    SUMMARY,
    SUMMARY_FIELDS,
    TEXT,
    TIME,
    as_text,
    as_time,
    fits,
    grown,
    is_summary,
    overflow,
    plain,
)

_TYPES: Final = {
    TIME: pa.timestamp("us", tz="UTC"),
    DOUBLE: pa.float64(),
    INTEGER: pa.int64(),
    FLAG: pa.bool_(),
    TEXT: pa.string(),
}
_TYPES[SUMMARY] = pa.struct([(name, _TYPES[kind]) for name, kind in SUMMARY_FIELDS.items()])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ROW_GROUP: Final = 32_768


class Parquet:
    """Typed columns, compressed with Zstandard; a piece of a part is a row group."""

    suffix = ".parquet"
    most_rows = 1_000_000

    def learn(self, path: str) -> Columns:
        with _open(path) as file:
            return {field.name: _kind(field, path) for field in file.schema_arrow}

    def pack(self, entries: Sequence[Entry], columns: Columns) -> tuple[bytes | memoryview, Columns]:
        known = grown(columns, entries)
        arrays, beside = [], {}
        for name, kind in known.items():
            if name == "timestamp":
                arrays.append(pa.array([entry.at for entry in entries], _TYPES[TIME]))
                continue
            values = [entry.fields.get(name) for entry in entries]
            array, misfits = _array(values, kind)
            arrays.append(array)
            if misfits:
                beside[name] = misfits
        for name, misfits in beside.items():
            _put_beside(name, misfits, entries, known, arrays)
        sink = pa.BufferOutputStream()
        table = pa.Table.from_arrays(arrays, schema=_schema(known))
        pq.write_table(table, sink, **_options(known))
        return memoryview(sink.getvalue()), known

    def blocks(self, path: str, low: int, high: int) -> Sequence[int]:
        with _open(path) as file:
            groups = range(file.metadata.num_row_groups)
            return [group for group in groups if _overlaps(file.metadata.row_group(group), low, high)]

    def ids(self, path: str, block: int) -> frozenset[str]:
        with _open(path) as file:
            column = file.read_row_group(block, columns=["id"], use_threads=False).column(0)
            return frozenset(column.to_pylist())

    def merge(self, paths: Sequence[str], target: str, columns: Columns, stopping: Callable[[], bool]) -> int:
        schema = _schema(columns)
        rows = waiting = 0
        tables: list[Any] = []
        with (
            pa.OSFile(target, "wb") as out,
            pq.ParquetWriter(out, schema, **_options(columns)) as writer,
        ):
            for path in paths:
                for table in _tables(path, schema):
                    if stopping():
                        raise Abandoned
                    tables.append(table)
                    waiting += table.num_rows
                    rows += table.num_rows
                    if waiting >= _ROW_GROUP:
                        writer.write_table(pa.concat_tables(tables), row_group_size=_ROW_GROUP)
                        tables, waiting = [], 0
            if tables:
                writer.write_table(pa.concat_tables(tables), row_group_size=_ROW_GROUP)
        files.sync_folder(target)
        return rows


@contextmanager
def _open(path: str) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        text = str(error).partition("\n")[0]
        raise Unreadable(f"{path} cannot be read: {text}") from error


def _tables(path: str, schema: Any) -> Iterator[Any]:
    """The row groups of a part, with all columns of the schema."""
    with _open(path) as file:
        for group in range(file.metadata.num_row_groups):
            yield _conformed(file.read_row_group(group, use_threads=False), schema, path)


def _options(columns: Columns) -> dict[str, Any]:
    """How parts are written: what is needed to read them as typed is in Parquet's own types."""
    texts = [name for name, kind in columns.items() if kind == TEXT and name != "id"]
    return {"compression": "zstd", "use_dictionary": texts, "store_schema": False}


def _schema(columns: Columns) -> Any:
    return pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])


def _kind(field: Any, path: str) -> str:
    for kind, known in _TYPES.items():
        if field.type == known:
            return kind
    raise Unreadable(f"{path}: the column {field.name!r} of type {field.type} is not one the archive writes")


def _array(values: list[Any], kind: str) -> tuple[Any, dict[int, Any]]:
    """The column, and by row the values that it cannot take."""
    if kind == TIME:
        return _split([None if value is None else as_time(value) for value in values], values, kind)
    if kind == SUMMARY:
        return _split([value if is_summary(value) else None for value in values], values, kind)
    if plain(values, kind):  # checked here, as pyarrow makes 1 of 1.5 and 1.0 of true
        try:
            return pa.array(values, _TYPES[kind]), {}
        except (pa.ArrowException, OverflowError):
            pass
    if kind == TEXT:
        return pa.array([None if value is None else as_text(value) for value in values], _TYPES[TEXT]), {}
    return _split([value if fits(value, kind) else None for value in values], values, kind)


def _split(taken: list[Any], values: list[Any], kind: str) -> tuple[Any, dict[int, Any]]:
    misfits = {row: value for row, value in enumerate(values) if value is not None and taken[row] is None}
    return pa.array(taken, _TYPES[kind]), misfits


def _put_beside(
    field: str, misfits: Mapping[int, Any], entries: Sequence[Entry], known: dict[str, str], arrays: list[Any]
) -> None:
    """Columns for the values that the field's own column cannot take, added or filled."""
    for kind in sorted({overflow(value) for value in misfits.values()}):
        name = f"{field}__{kind}"
        # a field that happens to be called so keeps its column
        while known.get(name, kind) != kind or any(name in entry.fields for entry in entries):
            name += "_"
        values: list[Any] = [None] * len(entries)
        for row, value in misfits.items():
            if overflow(value) == kind:
                values[row] = as_text(value) if kind == TEXT else value
        array = pa.array(values, _TYPES[kind])
        if name in known:
            arrays[list(known).index(name)] = array
        else:
            known[name] = kind
            arrays.append(array)


def _overlaps(group: Any, low: int, high: int) -> bool:
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema == "timestamp":
            facts = column.statistics
            if facts is None or not facts.has_min_max:
                return True
            return _micros(facts.min) <= high and _micros(facts.max) >= low
    return True


def _micros(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def _conformed(table: Any, schema: Any, path: str) -> Any:
    """The table with all columns of the schema, empty where it has none of that name."""
    if strange := set(table.column_names) - set(schema.names):
        raise Unreadable(f"{path}: the column {min(strange)!r} is not one of this dataset")
    try:
        return pa.Table.from_arrays(
            [
                table.column(field.name)
                if field.name in table.column_names
                else pa.chunked_array([pa.nulls(table.num_rows, field.type)])
                for field in schema
            ],
            schema=schema,
        )
    except (pa.ArrowException, TypeError) as error:
        raise Unreadable(
            f"{path}: its columns have other types than those of this dataset: {error}"
        ) from error

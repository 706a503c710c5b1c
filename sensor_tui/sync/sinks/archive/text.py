"""CSV and JSON-lines parts: plain text in UTF-8, a line a document."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from orjson import JSONDecodeError, dumps, loads

from sensor_tui.sync.sinks.archive.documents import Entry
from sensor_tui.sync.sinks.archive.formats import Abandoned, Columns, Unreadable

_MOST_ROWS: Final = 100_000
_CELL: Final = re.compile(rb'(?:"((?:[^"]|"")*)"|([^,]*))(?:,|\Z)')
_MUST_QUOTE: Final = re.compile('[",\r\n]')


class JsonLines:
    """Every document as it came, on a line of its own."""

    suffix = ".jsonl"
    most_rows = _MOST_ROWS

    def learn(self, path: str) -> Columns:
        """The fields of the first line, which say what kind of documents these are."""
        return dict.fromkeys(_fields(next(_lines(path), b""), path), "")

    def pack(self, entries: Sequence[Entry], columns: Columns) -> tuple[bytes | memoryview, Columns]:
        lines = [dumps(entry.fields) if b"\n" in entry.body else entry.body for entry in entries]
        return b"\n".join(lines) + b"\n", columns or dict.fromkeys(entries[0].fields, "")

    def blocks(self, path: str, low: int, high: int) -> Sequence[int]:  # noqa: ARG002 - a part is one piece
        return (0,)

    def ids(self, path: str, block: int) -> frozenset[str]:  # noqa: ARG002
        return frozenset(_fields(line, path)["id"] for line in _lines(path))

    def merge(
        self,
        paths: Sequence[str],
        target: str,
        columns: Columns,  # noqa: ARG002 - a line names its own fields
        stopping: Callable[[], bool],
    ) -> int:
        rows = 0
        with _create(target) as out:
            for path in paths:
                if stopping():
                    raise Abandoned
                for line in _lines(path):
                    out.write(line)
                    rows += 1
        return rows


class Csv:
    """A header, then a line a document; RFC 4180 with plain line feeds. `id` is the first column.

    A cell without a value is empty, an empty text is two quotes. Nested objects of plain values have a
    column for each of those, `temperature.min`; anything deeper is JSON.
    """

    suffix = ".csv"
    most_rows = _MOST_ROWS

    def learn(self, path: str) -> Columns:
        return dict.fromkeys(_header(_records(path), path), "")

    def pack(self, entries: Sequence[Entry], columns: Columns) -> tuple[bytes | memoryview, Columns]:
        known = {"id": "", **columns}
        rows = [_flat(entry.fields) for entry in entries]
        for row in rows:
            if not row.keys() <= known.keys():
                known |= dict.fromkeys(row, "")
        lines = [",".join(map(_quoted, known))]
        lines += [",".join([_cell(row.get(name)) for name in known]) for row in rows]
        return ("\n".join(lines) + "\n").encode(), known

    def blocks(self, path: str, low: int, high: int) -> Sequence[int]:  # noqa: ARG002 - a part is one piece
        return (0,)

    def ids(self, path: str, block: int) -> frozenset[str]:  # noqa: ARG002
        records = _records(path)
        _header(records, path)
        return frozenset(_first_cell(record, path) for record in records)

    def merge(self, paths: Sequence[str], target: str, columns: Columns, stopping: Callable[[], bool]) -> int:
        rows, names = 0, list(columns)
        with _create(target) as out:
            out.write(",".join(map(_quoted, names)).encode() + b"\n")
            for path in paths:
                if stopping():
                    raise Abandoned
                records = _records(path)
                own = _header(records, path)
                if own != names[: len(own)]:
                    raise Unreadable(f"{path}: its columns are not the first ones of this dataset")
                end = b"," * (len(names) - len(own)) + b"\n"
                for record in records:
                    out.write(record + end)
                    rows += 1
        return rows


def _lines(path: str) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    raise Unreadable(f"{path} ends within a line")
                yield line
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error


def _fields(line: bytes, path: str) -> dict[str, Any]:
    """What is in a line of JSON; it has an id."""
    try:
        fields = loads(line)
    except JSONDecodeError as error:
        raise Unreadable(f"{path} has a line that is not one of the archive: {error}") from error
    if type(fields) is not dict or type(fields.get("id")) is not str:
        raise Unreadable(f"{path} has a line that is not one of the archive: it has no id")
    return fields


@contextmanager
def _create(path: str) -> Iterator[BinaryIO]:
    with Path(path).open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with those of nested objects beside them, `temperature.min`."""
    if not any(type(value) is dict for value in fields.values()):
        return dict(fields)
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        inner = {f"{name}.{key}": each for key, each in value.items()} if type(value) is dict else {}
        if inner and inner.keys().isdisjoint(fields.keys() | flat.keys()):
            flat |= inner
        else:
            flat[name] = value
    return flat


def _cell(value: Any) -> str:
    if type(value) is str:
        return _quoted(value)
    if value is None:
        return ""
    if type(value) in (int, float):
        return repr(value)
    return _quoted(dumps(value).decode())


def _quoted(text: str) -> str:
    if text and _MUST_QUOTE.search(text) is None:
        return text
    return '"' + text.replace('"', '""') + '"'


def _records(path: str) -> Iterator[bytes]:
    """Records without their line feed; a quoted cell may hold line feeds of its own."""
    lines: list[bytes] = []
    quotes = 0
    for line in _lines(path):
        lines.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield b"".join(lines).removesuffix(b"\n")
            lines.clear()
    if lines:
        raise Unreadable(f"{path} ends within a record")


def _header(records: Iterator[bytes], path: str) -> list[str]:
    record = next(records, b"")
    # an empty cell is quoted, so an empty match is the regular expression's own, at the end
    cells = [_unquoted(found) for found in _CELL.finditer(record) if found[0]]
    if not cells or cells[0] != "id":
        raise Unreadable(f"{path} has no header of the archive")
    return cells


def _first_cell(record: bytes, path: str) -> str:
    found = _CELL.match(record)
    if found is None:
        raise Unreadable(f"{path} has a line that is not one of the archive")
    return _unquoted(found)


def _unquoted(found: re.Match[bytes]) -> str:
    quoted, plain = found.groups()
    return (plain if quoted is None else quoted.replace(b'""', b'"')).decode()

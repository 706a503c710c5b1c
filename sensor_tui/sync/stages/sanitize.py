"""Sanitize: what says nothing is left out, text is cleaned, places are blurred, private fields hidden."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sensor_tui.model.reading import ReadingSchema
from sensor_tui.sync.stage import Staged
from sensor_tui.sync.stages.absent import Absent
from sensor_tui.sync.stages.edit import Edit
from sensor_tui.sync.stages.fields import KNOWN, LONG_BITS, finite, folded, number_in, shown

STAGE: Final = "Sanitized"
HASH_BYTES: Final = 16
"""Of the 32 that HMAC-SHA-256 gives: enough for two values never to meet, and fewer request units."""

_KEPT: Final = 4096
"""Texts and hashes that are remembered, at most."""
_LONGEST_KEPT: Final = 256
"""Longer ones seldom repeat, and would be remembered at a price."""
_SCHEMAS_KEPT: Final = 256
_COORDINATES: Final = frozenset({"latitude", "longitude"})
_LOCATION: Final = "location"
_NUMBERS: Final = frozenset(field for field, kind in KNOWN.items() if kind in {"number", "integer"})
_PAIR: Final = re.compile(r"\(\s*[-+]?\d+(?:\.\d+)?\s*,\s*[-+]?\d+(?:\.\d+)?\s*\)", re.ASCII)
_DECIMAL: Final = re.compile(r"[-+]?\d+\.\d+", re.ASCII)
_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)


class Sanitize:
    """Cleans values; fields in `drop` are left out, those in `hashed` replaced by a keyed hash.

    `required` are fields that may not become absent: a reading in which one does is rejected.
    """

    name = "Sanitize"

    def __init__(
        self,
        *,
        coordinate_decimals: int | None = None,
        drop: Iterable[str] = (),
        hashed: Iterable[str] = (),
        hash_key: bytes = b"",
        required: Iterable[str] = (),
    ) -> None:
        self._decimals = coordinate_decimals
        drop, hashed = tuple(drop), tuple(hashed)
        self._drop = frozenset(map(folded, drop))
        self._hashed = frozenset(map(folded, hashed))
        self._absent = Absent(self.name, (*drop, *hashed), "nothing is dropped or hashed there")
        self._key = hash_key
        self._required = frozenset(required)
        self._texts: dict[str, str] = {}
        self._hashes: dict[bytes, str] = {}
        self._columns: dict[ReadingSchema, tuple[_Column, ...]] = {}

    def apply(self, staged: Staged) -> None:
        """Clean, column by column; a column of finite numbers is only glanced at."""
        staged.stage = STAGE
        batch = staged.batch
        if not batch.rows:
            return
        self._absent.look(batch)
        edit = Edit(batch)
        for column in self._columns_of(batch.schema):
            if column.dropped:
                edit.hide(column.index)
            elif edit.repeats(column.index):
                self._repeated(column, edit, staged)
            else:
                self._varying(column, edit, staged)
        staged.batch = edit.done()

    def forget(self, source: str) -> None:
        """Nothing is remembered of a file."""

    def _columns_of(self, schema: ReadingSchema) -> tuple["_Column", ...]:
        """Columns that may be touched: documents have them, and they say neither sensor nor time."""
        found = self._columns.get(schema)
        if found is None:
            if len(self._columns) >= _SCHEMAS_KEPT:
                self._columns.clear()
            found = self._columns[schema] = tuple(
                _Column(
                    index,
                    field,
                    dropped=folded(field) in self._drop,
                    hashed=folded(field) in self._hashed,
                    required=field in self._required,
                )
                for index, field in enumerate(schema.fields)
                if field
                and index not in {schema.sensor_id, schema.timestamp}
                # row ids are whole numbers
                and (index or folded(field) in self._drop | self._hashed)
            )
        return found

    def _repeated(self, column: "_Column", edit: Edit, staged: Staged) -> None:
        before = edit.batch.rows[0][column.index]
        after = self._cleaned(column, before)
        if after is before:
            return
        edit.put_same(column.index, after)
        if after is None and column.required:
            for position in range(len(edit.batch.rows)):
                staged.rejected.setdefault(position, _emptied(column, before))

    def _varying(self, column: "_Column", edit: Edit, staged: Staged) -> None:
        if not column.hashed and column.field not in _COORDINATES and _finite_numbers(edit, column.index):
            return
        values = edit.values(column.index)
        cells = self._changed(column, values)
        if column.required:
            for position, after in cells.items():
                if after is None:
                    staged.rejected.setdefault(position, _emptied(column, values[position]))
        edit.put(column.index, cells)

    def _changed(self, column: "_Column", values: list[Any]) -> dict[int, Any]:
        """What becomes of the values that do not stay, by position."""
        try:
            # values that are equal and not of one type hash to different texts: these are taken one by one
            distinct = None if column.hashed else set(values)
        except TypeError:
            distinct = None
        if distinct is None:
            cleaned = [self._cleaned(column, value) for value in values]
            return {p: after for p, after in enumerate(cleaned) if after is not values[p]}
        changes = {value: after for value in distinct if (after := self._cleaned(column, value)) is not value}
        return {p: changes[value] for p, value in enumerate(values) if value in changes} if changes else {}

    def _cleaned(self, column: "_Column", value: Any) -> Any:
        """What becomes of a value: itself, another, or None for absent."""
        if value is None:
            return None
        after = value
        if type(value) is str:
            after = self._clean_text(column.field, value)
        elif type(value) is float:
            after = self._clean_number(column.field, value)
        return self._hash(after) if column.hashed and after is not None else after

    def _clean_number(self, field: str, value: float) -> float | None:
        if not finite(value):
            return None
        if self._decimals is None or field not in _COORDINATES:
            return value
        rounded = round(value, self._decimals)
        # never minus zero, which reads as if there had been something
        return value if rounded == value else rounded + 0.0

    def _clean_text(self, field: str, value: str) -> Any:
        text = self._texts.get(value)
        if text is None:
            cleaned = _clean(value)
            text = value if cleaned == value else cleaned
            _remember(self._texts, value, text)
        if not text:
            return None
        if field in _NUMBERS:
            return self._clean_figures(field, text)
        if field == _LOCATION and self._decimals is not None:
            return self._blurred(text)
        return text

    def _clean_figures(self, field: str, text: str) -> Any:
        """Text in a field of numbers, which is there where Schematize does not come first."""
        number = number_in(text)
        if number is None:
            return text
        if not finite(number):
            return None
        return text if self._decimals is None or field not in _COORDINATES else round(number, self._decimals)

    def _blurred(self, location: str) -> str:
        """`Manila (14.595554, 120.976885)` with the decimals that coordinates keep."""
        return _PAIR.sub(lambda pair: _DECIMAL.sub(self._shorter, pair[0]), location)

    def _shorter(self, figures: "re.Match[str]") -> str:
        text = figures[0]
        decimals = self._decimals or 0
        if len(text.partition(".")[2]) <= decimals:
            return text
        rounded = f"{float(text):.{decimals}f}"
        return rounded.removeprefix("-") if float(rounded) == 0 else rounded

    def _hash(self, value: Any) -> str:
        """HMAC-SHA-256 of the value as text, in hex; a blob as its bytes."""
        if isinstance(value, str):
            data = value.encode("utf-8", "surrogatepass")
        elif isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value)
        else:
            data = _figures(value).encode("ascii", "backslashreplace")
        found = self._hashes.get(data)
        if found is None:
            found = hmac.digest(self._key, data, "sha256")[:HASH_BYTES].hex()
            _remember(self._hashes, data, found)
        return found


@dataclass(frozen=True, slots=True)
class _Column:
    """A column, and what is asked of it."""

    index: int
    field: str
    dropped: bool
    hashed: bool
    required: bool


def _emptied(column: _Column, value: object) -> str:
    told = "" if column.hashed else f": {shown(value)} counts as nothing"
    return f"{column.field}: required, and empty after cleaning{told}"


def _remember(table: dict[Any, str], key: str | bytes, value: str) -> None:
    if len(key) > _LONGEST_KEPT:
        return
    if len(table) >= _KEPT:
        table.clear()
    table[key] = value


def _finite_numbers(edit: Edit, index: int) -> bool:
    """Whether a column surely holds finite numbers and nothing else, told by their sum."""
    try:
        total = sum(edit.each(index))
    except (TypeError, OverflowError):
        try:
            total = sum(filter(None, edit.each(index)))
        except (TypeError, OverflowError):
            return False
        # filtered out with what is absent
        if "" in edit.each(index):
            return False
    return bool(total - total == 0)


def _clean(text: str) -> str:
    if not text.isprintable():
        text = _UNSEEN.sub("", _BREAKS.sub(" ", text))
    return text.strip()


def _figures(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:d}" if value.bit_length() <= LONG_BITS else f"{value:x}"
    return repr(value)

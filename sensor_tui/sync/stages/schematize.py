"""Schematize: every field has its type, required fields are there, what cannot be mended is rejected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

from sensor_tui.model.reading import Batch, ReadingSchema
from sensor_tui.sync.stage import Staged
from sensor_tui.sync.stages.edit import Edit
from sensor_tui.sync.stages.fields import (
    ALWAYS,
    KNOWN,
    Kind,
    Unfit,
    blank,
    expected,
    fine,
    folded,
    mend,
    shown,
)

STAGE: Final = "Schematized"

_SCHEMAS_KEPT: Final = 256
_FAULTS_TOLD: Final = 3
_FLAGS: Final = frozenset({0, 1, None})


@dataclass(frozen=True, slots=True)
class _Check:
    """What is asked of one column."""

    index: int
    field: str
    kind: Kind | None
    """None where the type is not this stage's business: sensor, time, and fields nobody has named."""
    required: bool
    fine: frozenset[type]


class Schematize:
    """Enforces types and required fields; `types` are added to those known, or instead of them.

    Values of the fields in `private` are not repeated in reasons.
    """

    name = "Schematize"

    def __init__(
        self,
        *,
        types: Mapping[str, Kind] | None = None,
        required: Iterable[str] = (),
        private: Iterable[str] = (),
    ) -> None:
        self._types: dict[str, Kind] = {**KNOWN, **(types or {})}
        self._required = frozenset(required) - ALWAYS
        self._private = frozenset(map(folded, private))
        self._kept: dict[ReadingSchema, tuple[tuple[_Check, ...], tuple[str, ...]]] = {}

    def apply(self, staged: Staged) -> None:
        """Mend and reject, column by column; a column of the right types is only glanced at."""
        staged.stage = STAGE
        batch = staged.batch
        if not batch.rows:
            return
        checks, missing = self._checks(batch.schema)
        faults: dict[int, list[str]] = {}
        for field in missing:
            _blame(faults, range(len(batch.rows)), f"{field}: required, and there is no such column")
        edit = Edit(batch)
        for check in checks:
            if edit.repeats(check.index):
                self._repeated(check, batch, edit, faults)
            else:
                self._varying(check, edit, faults)
        staged.batch = edit.done()
        for position, reasons in faults.items():
            staged.rejected.setdefault(position, _told(reasons))

    def forget(self, source: str) -> None:
        """Nothing is remembered of a file."""

    def _repeated(self, check: _Check, batch: Batch, edit: Edit, faults: dict[int, list[str]]) -> None:
        value = batch.rows[0][check.index]
        if self._settled(check, value):
            return
        try:
            mended = self._mended(check, value)
        except Unfit as error:
            _blame(faults, range(len(batch.rows)), str(error))
        else:
            edit.put_same(check.index, mended)

    def _varying(self, check: _Check, edit: Edit, faults: dict[int, list[str]]) -> None:
        if _clean(check, edit):
            return
        values = edit.values(check.index)
        cells: dict[int, Any] = {}
        for position, value in enumerate(values):
            if self._settled(check, value):
                continue
            try:
                cells[position] = self._mended(check, value)
            except Unfit as error:
                _blame(faults, (position,), str(error))
        edit.put(check.index, cells)

    @staticmethod
    def _settled(check: _Check, value: Any) -> bool:
        """Whether nothing is to be done about a value."""
        if value is None:
            return not check.required
        if check.kind is None:
            return not (check.required and blank(value))
        if type(value) not in check.fine:
            return False
        if check.kind == "flag":
            return value in {0, 1}
        return not (check.required and blank(value))

    def _mended(self, check: _Check, value: Any) -> Any:
        """The value mended; raises Unfit with the reason."""
        if value is None or blank(value):
            if check.required:
                raise Unfit(f"{check.field}: required, and empty")
            return value if check.kind in {None, "text"} else None
        if check.kind is None:
            return value
        try:
            return mend(check.kind, value)
        except Unfit:
            told = "a value" if folded(check.field) in self._private else shown(value)
            raise Unfit(f"{check.field}: {told} where {expected(check.kind)} belongs") from None

    def _checks(self, schema: ReadingSchema) -> tuple[tuple[_Check, ...], tuple[str, ...]]:
        """What is asked of the columns of a schema, and required fields it has no column for."""
        found = self._kept.get(schema)
        if found is None:
            if len(self._kept) >= _SCHEMAS_KEPT:
                self._kept.clear()
            found = self._kept[schema] = self._made(schema)
        return found

    def _made(self, schema: ReadingSchema) -> tuple[tuple[_Check, ...], tuple[str, ...]]:
        checks = []
        for index, field in enumerate(schema.fields):
            if not field or index == 0:
                continue
            settled = index in {schema.sensor_id, schema.timestamp}
            kind = None if settled else self._types.get(field)
            required = field in self._required
            if kind is not None or required:
                checks.append(_Check(index, field, kind, required, fine(kind) if kind else frozenset()))
        missing = sorted(self._required.difference(schema.fields))
        return tuple(checks), tuple(missing)


def _clean(check: _Check, edit: Edit) -> bool:
    """Whether a whole column is right, told from its types as far as that goes."""
    kinds = set(map(type, edit.each(check.index)))
    if check.required and (
        NoneType in kinds or (str in kinds and _some_blank(edit.values(check.index), kinds))
    ):
        return False
    if check.kind is None:
        return True
    if not kinds <= check.fine:
        return False
    return check.kind != "flag" or set(edit.each(check.index)) <= _FLAGS


def _some_blank(values: list[Any], kinds: set[type]) -> bool:
    if kinds == {str}:
        return not all(values) or any(map(str.isspace, values))
    return any(map(blank, values))


def _blame(faults: dict[int, list[str]], positions: Iterable[int], reason: str) -> None:
    for position in positions:
        faults.setdefault(position, []).append(reason)


def _told(reasons: list[str]) -> str:
    rest = len(reasons) - _FAULTS_TOLD
    return "; ".join(reasons[:_FAULTS_TOLD]) + (f"; and {rest} more" if rest > 0 else "")

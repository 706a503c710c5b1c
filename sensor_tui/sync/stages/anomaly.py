"""Anomaly: readings that break a rule are flagged, with the rule in their type."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isinf, isnan
from operator import sub
from typing import Any, Final

from sensor_tui.model.reading import Row
from sensor_tui.sync.stage import Staged
from sensor_tui.sync.stages.absent import Absent
from sensor_tui.sync.stages.edit import Edit
from sensor_tui.sync.stages.fields import LONG_BITS, flag_in

FLAG: Final = "anomalyFlag"
TYPE: Final = "anomalyType"

_FILES_KEPT: Final = 20_000
_SENSORS_KEPT: Final = 256
_LONGEST_SENSOR: Final = 256
_SLACK: Final = 1 + 1e-9
"""A change that equals the limit in decimal figures may exceed it in binary ones."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Bounds of a measure, and the largest change from one reading of a sensor to its next."""

    low: float | None = None
    high: float | None = None
    max_change: float | None = None


@dataclass(frozen=True, slots=True)
class _Last:
    """The newest reading seen of a sensor: its row id, and the measures that rules compare."""

    row_id: int
    values: dict[str, float]


_Found = dict[int, list[tuple[str, str]]]
"""Positions with the fields that break a rule, and which."""


class Anomaly:
    """Flags readings that break a rule; `processingStage` stays that of the stage before.

    With `sensor_flags`, readings that their sensor flagged itself count as anomalous too.
    """

    name = "Anomaly"

    def __init__(self, rules: Mapping[str, Rule] | None = None, *, sensor_flags: bool = True) -> None:
        rules = rules or {}
        self._bounded = {
            field: rule for field, rule in rules.items() if rule.low is not None or rule.high is not None
        }
        self._limits = {
            field: rule.max_change * _SLACK for field, rule in rules.items() if rule.max_change is not None
        }
        self._sensor_flags = sensor_flags
        self._absent = Absent(self.name, rules, "its rule finds nothing there")
        self._last: dict[str, dict[Any, _Last]] = {}

    def apply(self, staged: Staged) -> None:
        """Look at each measure that has a rule; only readings that break one are changed."""
        if not staged.batch.rows:
            return
        self._absent.look(staged.batch)
        edit = Edit(staged.batch)
        index_of = {field: index for index, field in enumerate(staged.batch.schema.fields) if field}
        found: _Found = {}
        for field, rule in self._bounded.items():
            if field in index_of:
                _beyond_bounds(field, rule, edit, index_of[field], found)
        limits = [
            (field, index_of[field], limit) for field, limit in self._limits.items() if field in index_of
        ]
        if limits:
            self._beyond_change(limits, staged, edit, found)
        for position in staged.rejected:
            found.pop(position, None)
        if self._sensor_flags:
            _take_flags(edit, index_of, staged)
        if found:
            _flag(edit, index_of, found)
            staged.batch = edit.done()
            for position, rules in found.items():
                staged.anomalous[position] = tuple(dict.fromkeys(field for field, _ in rules))

    def forget(self, source: str) -> None:
        """The next reading of each sensor in that file has none before it."""
        self._last.pop(source, None)

    def _beyond_change(
        self, limits: list[tuple[str, int, float]], staged: Staged, edit: Edit, found: _Found
    ) -> None:
        """Compare each reading with the one before it of the same sensor."""
        batch = staged.batch
        known = self._known(batch.source)
        now: dict[Any, _Last] = {}
        if staged.rejected or not _steady(limits, known, edit, now):
            _compared(limits, known, staged, now, found)
        for sensor, last in now.items():
            before = known.get(sensor)
            if before is None or last.row_id > before.row_id:
                _keep(known, sensor, last, _SENSORS_KEPT)

    def _known(self, source: str) -> dict[Any, _Last]:
        known = self._last.get(source)
        if known is None:
            known = {}
            _keep(self._last, source, known, _FILES_KEPT)
        return known


def _keep(table: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Put a value into a table that forgets its oldest key when it is full."""
    if key not in table and len(table) >= most:
        del table[next(iter(table))]
    table[key] = value


def _beyond_bounds(field: str, rule: Rule, edit: Edit, index: int, found: _Found) -> None:
    low = float("-inf") if rule.low is None else rule.low
    high = float("inf") if rule.high is None else rule.high
    rows = edit.batch.rows
    values: list[Any] = [rows[0][index]] if edit.repeats(index) else edit.values(index)
    try:
        if not [value for value in values if not low <= value <= high]:
            return
    except TypeError:
        # something that is no number: looked at one by one
        pass
    for position, value in enumerate(values):
        broken = _broken(value, low, high)
        if broken:
            everywhere = range(len(rows)) if edit.repeats(index) else (position,)
            for each in everywhere:
                found.setdefault(each, []).append((field, f"{field}.{broken}"))


def _broken(value: Any, low: float, high: float) -> str:
    if not _is_measure(value):
        return ""
    return "min" if value < low else "max" if value > high else ""


def _is_measure(value: Any) -> bool:
    """Whether it is a number that can be compared: not NaN, nor more digits than a database holds."""
    if type(value) is int:
        return value.bit_length() <= LONG_BITS
    return type(value) is float and not isnan(value)


def _steady(
    limits: list[tuple[str, int, float]], known: Mapping[Any, _Last], edit: Edit, now: dict[Any, _Last]
) -> bool:
    """Whether a batch of one sensor surely keeps all limits; fills `now` where it does.

    Most batches do, and are told here at a fraction of the cost of comparing reading by reading.
    """
    rows, pinned = edit.batch.rows, edit.batch.schema.sensor_id
    sensor = None if pinned is None else rows[0][pinned]
    if pinned is not None and not edit.repeats(pinned):
        sensors = edit.values(pinned)
        if sensors.count(sensor) != len(sensors):
            return False
    if not _can_be_known(sensor):
        return True
    before = known.get(sensor)
    last: dict[str, float] = {}
    for field, index, limit in limits:
        values = [rows[0][index]] if edit.repeats(index) else edit.values(index)
        if before is not None and rows[0][0] > before.row_id and field in before.values:
            values.insert(0, before.values[field])
        try:
            if [step for step in map(sub, values[1:], values) if not -limit <= step <= limit]:
                return False
        except (TypeError, OverflowError):
            return False
        if not _is_measure(values[-1]) or isinf(values[-1]):
            return False
        last[field] = values[-1]
    now[sensor] = _Last(rows[-1][0], last)
    return True


def _compared(
    limits: list[tuple[str, int, float]],
    known: Mapping[Any, _Last],
    staged: Staged,
    now: dict[Any, _Last],
    found: _Found,
) -> None:
    pinned = staged.batch.schema.sensor_id
    for position, row in enumerate(staged.batch.rows):
        sensor = None if pinned is None else row[pinned]
        if position in staged.rejected or not _can_be_known(sensor):
            continue
        values = _values_before(row, sensor, known, now)
        for field, index, limit in limits:
            value = row[index]
            if not _is_measure(value) or isinf(value):
                continue
            if field in values and abs(value - values[field]) > limit:
                found.setdefault(position, []).append((field, f"{field}.max_change"))
            values[field] = value
        now[sensor] = _Last(row[0], values)


def _values_before(
    row: Row, sensor: Any, known: Mapping[Any, _Last], now: Mapping[Any, _Last]
) -> dict[str, float]:
    """Measures of the sensor's reading before this one; none where it is read a second time."""
    if sensor in now:
        return now[sensor].values
    before = known.get(sensor)
    return dict(before.values) if before is not None and row[0] > before.row_id else {}


def _can_be_known(sensor: Any) -> bool:
    """Whether readings of it may become documents, and it is worth being remembered."""
    return (
        sensor is None or (isinstance(sensor, str) and len(sensor) <= _LONGEST_SENSOR) or _is_measure(sensor)
    )


def _take_flags(edit: Edit, index_of: Mapping[str, int], staged: Staged) -> None:
    """Count readings as anomalous that their sensor flagged."""
    index = index_of.get(FLAG)
    if index is None:
        return
    rows = edit.batch.rows
    if edit.repeats(index):
        flagged: Iterable[int] = range(len(rows)) if _is_flag(rows[0][index]) else ()
    else:
        values = edit.values(index)
        flagged = (p for p, value in enumerate(values) if value and _is_flag(value)) if any(values) else ()
    for position in flagged:
        if position not in staged.rejected:
            staged.anomalous[position] = (FLAG,)


def _is_flag(value: Any) -> bool:
    if isinstance(value, (int, float)):
        return value != 0
    return flag_in(value) == 1


def _flag(edit: Edit, index_of: Mapping[str, int], found: _Found) -> None:
    """Write what was found into the batch; a type that the sensor gave stays before ours."""
    told = {position: "rule:" + ",rule:".join(name for _, name in rules) for position, rules in found.items()}
    rows = edit.batch.rows
    index = index_of.get(TYPE)
    if index is None:
        edit.add("anomaly_type", TYPE, told)
    else:
        edit.put(index, {position: _joined(rows[position][index], text) for position, text in told.items()})
    index = index_of.get(FLAG)
    if index is None:
        edit.add("anomaly_flag", FLAG, dict.fromkeys(told, 1))
    else:
        edit.put(index, {position: 1 for position in told if rows[position][index] != 1})


def _joined(own: Any, text: str) -> Any:
    if own is None or own == "":
        return text
    return f"{own},{text}" if isinstance(own, str) or _is_measure(own) else own

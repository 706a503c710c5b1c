"""Aggregation: readings of a sensor within a window of event time become one document."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

from orjson import dumps

from sensor_tui.model.reading import (
    Batch,
    Row,
    UnusableReading,
    city_of,
    epoch_of,
    raw_time_bytes,
    schema_of,
    utc_text,
)
from sensor_tui.model.source import Intent, Run, SensorKey
from sensor_tui.sync.aggregate_plan import NOT_FLAGGED, Plan, find_unusable, kinds_of, plan_of
from sensor_tui.sync.aggregate_window import NOTHING, WindowSums
from sensor_tui.sync.encode import sensor_id_of
from sensor_tui.sync.stage import Stage, Staged

STAGE: Final = "Aggregated"
MOST_IN_RUN: Final = 200
"""Rows of one run: as many as one transaction closes in a file with a rollback journal."""

_DOCUMENT: Final = schema_of(("id", "timestamp", "sensor_id"))

WindowKey = tuple[SensorKey, float]
"""Whose window, and when it starts, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Batch):
    """Aggregated documents ready to be sent; a row of the batch stands for each, with its position as id."""

    documents: Sequence[bytes]
    anomalous: Collection[int]


@dataclass(slots=True)
class Digest:
    """What a batch adds to the windows, without its rows."""

    staged: Staged
    apart: Collection[int]
    windows: dict[WindowKey, WindowSums] = field(default_factory=dict)
    unusable: dict[int, str] = field(default_factory=dict)
    """Positions of rows that fit into no window, with the reason."""

    @property
    def readings(self) -> int:
        """How many rows are in it."""
        return sum(sums.count for sums in self.windows.values())

    def positions(self, rows: int, direct: Collection[int]) -> Collection[int]:
        """Positions of the rows in it, of so many."""
        return frozenset(range(rows)).difference(direct)

    def forget_rows(self) -> None:
        """It is final: what the rows were is of no more use."""
        self.staged, self.apart = replace(self.staged, batch=replace(self.staged.batch, rows=[])), ()


class Aggregation:
    """Windows of `seconds`, aligned to the epoch; times in seconds.

    Args:
        seconds: length of a window.
        lateness: event time that a window waits for late readings.
        quiet: time by the clock after which a silent sensor's windows end.
        after: stages that see the documents.
        ruled: a stage before has found the anomalous readings; otherwise the sensors' own flags count.
        salt: gives documents ids no run had before, in development mode.
    """

    def __init__(
        self,
        *,
        seconds: float,
        lateness: float,
        quiet: float,
        after: Sequence[Stage] = (),
        ruled: bool = False,
        salt: bytes = b"",
    ) -> None:
        self.seconds = seconds
        self.lateness = lateness
        self.quiet = quiet
        self.continuous = True
        """Whether more may come; otherwise no window waits for a silent sensor."""
        self._after = after
        self._ruled = ruled
        self._salt = salt

    def start_of(self, time: float) -> float:
        """Start of the window that an event time falls into."""
        return time // self.seconds * self.seconds

    def digest(self, staged: Staged, *, apart: Collection[int] = ()) -> Digest:
        """Sums of a batch's rows but the rejected ones and those at `apart`."""
        result = Digest(staged, apart)
        batch = staged.batch
        if not batch.rows:
            return result
        plan = plan_of(batch.schema)
        columns = list(zip(*batch.rows, strict=True))
        known = len(batch.schema.columns) - batch.repeated
        kinds = {index: kinds_of(columns[index], once=index >= known) for index in plan.shown}
        skipped = {*staged.rejected, *apart}
        find_unusable(batch.schema, plan, columns, kinds, skipped, result.unusable)
        owners = self._divide(batch, plan, columns, skipped, result)
        for sums in result.windows.values():
            for first, end in sums.spans:
                for index, name in plan.measures:
                    if not kinds[index].isdisjoint((int, float)):
                        sums.add(name, columns[index][first:end], pure=kinds[index] <= {int, float})
                for index, name in plan.facts:
                    sums.note(name, columns[index][first:end])
            sums.spans.clear()
        self._count_anomalies(staged, columns, plan, owners)
        return result

    def _divide(
        self,
        batch: Batch,
        plan: Plan,
        columns: Sequence[Sequence[Any]],
        skipped: set[int],
        result: Digest,
    ) -> list[WindowSums | None]:
        """The window of every row; None for those that are in none."""
        schema, windows, seconds = batch.schema, result.windows, self.seconds
        nothing: tuple[Any, ...] = (None,) * len(batch.rows)
        times = nothing if schema.timestamp is None else columns[schema.timestamp]
        sensors = nothing if schema.sensor_id is None else columns[schema.sensor_id]
        places = nothing if schema.location is None else columns[schema.location]
        keys: dict[tuple[Any, Any], SensorKey] = {}
        owners: list[WindowSums | None] = [None] * len(batch.rows)
        for position, named in enumerate(zip(sensors, places, strict=True)):
            if position in skipped or position in result.unusable:
                continue
            try:
                moment = epoch_of(times[position])
                key = keys.get(named)
                if key is None:
                    key = keys[named] = SensorKey(sensor_id_of(named[0]), city_of(named[1], batch.city))
                start = moment // seconds * seconds
                owner = windows.get((key, start))
                if owner is None:
                    owner = self._begin(key, start, moment, batch.rows[position][0], plan)
                    windows[key, start] = owner
            except UnusableReading as error:
                result.unusable[position] = str(error)
                continue
            owners[position] = owner
            owner.count += 1
            owner.oldest = min(owner.oldest, moment)
            owner.newest = max(owner.newest, moment)
        _cut(batch, times, owners)
        return owners

    def _begin(self, key: SensorKey, start: float, moment: float, row_id: int, plan: Plan) -> WindowSums:
        """A new window.

        Raises:
            UnusableReading: it does not lie within the years 1 to 9999.
        """
        utc_text(start)
        utc_text(start + self.seconds)
        sums = WindowSums(key, start, oldest=moment, first=row_id)
        if plan.shows_sensor:
            sums.facts["sensorId"] = key.sensor_id
        return sums

    def _count_anomalies(
        self,
        staged: Staged,
        columns: Sequence[Sequence[Any]],
        plan: Plan,
        owners: Sequence[WindowSums | None],
    ) -> None:
        found: Mapping[int, tuple[str, ...]] = staged.anomalous
        if not self._ruled and plan.flag is not None and set(columns[plan.flag]) - NOT_FLAGGED:
            flagged = {p: () for p, value in enumerate(columns[plan.flag]) if value not in NOT_FLAGGED}
            found = {**flagged, **found}
        for position, fields in found.items():
            sums = owners[position]
            if sums is not None:
                sums.anomalies += 1
                named = [name for name in fields if name in sums.measures]
                # where nobody says which measure it is, it is the reading with all it has
                for name in named or [n for i, n in plan.measures if columns[i][position] is not None]:
                    if name in sums.measures:
                        sums.measures[name].anomalies += 1

    def intent(self, sums: WindowSums, part: int) -> Intent:
        """The document of a closed window's part, about to be sent."""
        run = sums.runs[0]
        start, end = utc_text(sums.start), utc_text(sums.start + self.seconds)
        facts = {name: value for name, value in sums.facts.items() if value is not NOTHING}
        document = {
            "id": self._identify(sums, part, run),
            **{name: value for name, value in facts.items() if value is not None},
            "city": sums.sensor.city,
            "timestamp": start,
            "windowStart": start,
            "windowEnd": end,
            "windowSeconds": int(self.seconds) if self.seconds.is_integer() else self.seconds,
            "count": sums.count,
            "anomalyCount": sums.anomalies,
            **{name: measure.document() for name, measure in sums.measures.items() if measure.count},
            "complete": sums.complete,
            "part": part,
            "processingStage": STAGE,
        }
        if sums.late:
            document["late"] = True
        anomalous = self._look_after(document, sums)
        return Intent(
            sensor=sums.sensor,
            seconds=self.seconds,
            start=sums.start,
            part=part,
            runs=tuple(sums.runs),
            readings=sums.count,
            oldest=sums.oldest,
            document=dumps(document),
            anomalous=anomalous,
        )

    def _identify(self, sums: WindowSums, part: int, run: Run) -> str:
        """Of sensor, window, part and first row: the same window of another file is another one."""
        name = sums.sensor.sensor_id.encode("utf-8")
        data = b"window\x00%d:%b\x00%b\x00%b\x00%d\x00%b\x00%d%b" % (
            len(name), name, raw_time_bytes(sums.start), raw_time_bytes(self.seconds), part,
            raw_time_bytes(run.first_time), run.first, self._salt,
        )  # fmt: skip
        return blake2b(data, digest_size=16).hexdigest()

    def _look_after(self, document: dict[str, Any], sums: WindowSums) -> bool:
        """Have the stages that follow look at the lowest and at the highest of each measure."""
        measures = sums.measures
        names = list(measures)
        if not (self._after and names):
            return False
        schema = replace(_DOCUMENT, columns=(*_DOCUMENT.columns, *names), fields=(*_DOCUMENT.fields, *names))
        found: set[str] = set()
        for lowest in (True, False):
            values = [each.low if lowest else each.high for each in measures.values()]
            row: Row = (sums.first, sums.start, sums.sensor.sensor_id, *values)
            staged = Staged(Batch("", sums.sensor.city, schema, [row], sums.first, more=False), stage=STAGE)
            for stage in self._after:
                stage.apply(staged)
                stage.forget("")
            found.update(name for fields in staged.anomalous.values() for name in fields)
        if found:
            document["anomalyFlag"] = 1
            document["anomalies"] = sorted(found)
        return bool(found)


def _cut(batch: Batch, times: Sequence[Any], owners: Sequence[WindowSums | None]) -> None:
    """Tell every window which spans of the batch are its own, and which runs of row ids."""
    rows = batch.rows
    first = 0
    while first < len(rows):
        owner, after = owners[first], first + 1
        if owner is not None:
            run = rows[first][0]
            # exact ids: what lies in a gap is of others, or closed, and may be opened again
            while after < len(rows) and after - first < MOST_IN_RUN and owners[after] is owner:
                if rows[after][0] != run + after - first:
                    break
                after += 1
            owner.spans.append((first, after))
            owner.runs.append(Run(run, rows[after - 1][0], times[first], times[after - 1]))
        first = after


def prepare(source: str, intents: Sequence[Intent]) -> Prepared:
    """Documents as a batch that the engine sends."""
    rows = [(number, intent.start, intent.sensor.sensor_id) for number, intent in enumerate(intents)]
    return Prepared(
        source=source,
        city=intents[0].sensor.city,
        schema=_DOCUMENT,
        rows=rows,
        through=0,
        more=True,
        documents=[intent.document for intent in intents],
        anomalous=frozenset(index for index, intent in enumerate(intents) if intent.anomalous),
    )

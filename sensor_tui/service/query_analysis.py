"""What Cosmos DB has, by city, sensor and day, and whether it has every closed row of the files."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sensor_tui.errors import SinkRefused, SinkUnreachable, SourceFileError, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import UnusableReading, reading_id, utc_text
from sensor_tui.service.cosmos_options import cosmos_options
from sensor_tui.service.query import QUERY_SECONDS, FileQueries, SensorFile, Wanted, no_such_city
from sensor_tui.service.query_cosmos import DISTINCT_CITIES, MeteredQuery, conditions_of
from sensor_tui.service.request import SyncRequest

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.storage.query_closed import ClosedReader, ClosedRow
    from sensor_tui.storage.query_owner import Owner
    from sensor_tui.storage.query_threads import FileThreads

AGGREGATED: Final = "Aggregated"
"""`processingStage` of documents that stand for several readings."""

_CHUNK: Final = 1000
"""Rows whose ids are looked for together."""
_PARTS: Final = 10
"""Places of a file that a sample is from."""
_DAY: Final = 'SUBSTRING(c["timestamp"], 0, 10)'
_FIELDS: Final = 'c["sensorId"] AS sensor, c["processingStage"] AS stage'
_GROUPED: Final = f'SELECT {_FIELDS}, {_DAY} AS day, COUNT(1) AS documents, SUM(c["count"]) AS covered FROM c'
_GROUPS: Final = f'GROUP BY c["sensorId"], c["processingStage"], {_DAY}'
_EACH: Final = f'SELECT {_FIELDS}, c["city"] AS city, c["timestamp"] AS time, c["count"] AS covered FROM c'


@dataclass(frozen=True, slots=True)
class Group:
    """Documents of one sensor, city, day and stage; empty texts where documents do not say."""

    city: str
    sensor: str
    day: str
    stage: str


@dataclass(slots=True)
class Completeness:
    """A sensor's files beside what Cosmos DB has of it."""

    sensor: str
    city: str
    rows: int = 0
    closed: int = 0
    dead: int = 0
    documents: int = 0
    """Those that stand for one reading each."""
    aggregates: int = 0
    covered: int = 0
    """Readings that the aggregates stand for."""
    compared: int = 0
    """Closed rows whose ids were looked for."""
    missing: int = 0
    """Those of them that are not there."""

    @property
    def open(self) -> int:
        """Rows that are still to be sent."""
        return self.rows - self.closed - self.dead

    @property
    def by_id(self) -> bool:
        """Whether ids say something: an aggregate has another than the readings it stands for."""
        return not self.aggregates or bool(self.documents)


@dataclass(slots=True)
class Analysis:
    """The answer; what could not be read is in `problems`."""

    groups: Counter[Group] = field(default_factory=Counter)
    """Documents of each group."""
    covered: Counter[Group] = field(default_factory=Counter)
    """Readings that they stand for, where they are aggregates."""
    sensors: list[Completeness] | None = None
    """None where there are no files to compare with."""
    elsewhere: int = 0
    """Documents that no group has: without a city, or new."""
    request_units: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is to be known of it besides."""


async def analyze(
    settings: "Settings",
    clock: Clock,
    wanted: Wanted,
    request: SyncRequest | None,
    *,
    compare: int | None,
) -> Analysis:
    """Count what there is, and look for closed rows: at most `compare` of each file, spread evenly, or all.

    Raises:
        ConfigError: endpoint or key are missing.
        SinkError: Cosmos DB cannot be reached, or refuses us.
        StorageError: the data folder is missing.
        UsageError: no sensor file fits.
    """
    analysis = Analysis()
    options = cosmos_options(settings)
    query = MeteredQuery(options, clock)
    routed = _routed(settings, clock)
    async with query, AsyncExitStack() as stack:
        if routed is not None:
            await stack.enter_async_context(routed)
        ask = _Ask(query, options.host, routed)
        await _distribute(ask, wanted, analysis, grouped=options.key_field == "city")
        if wanted.city is not None and not analysis.groups:
            note = no_such_city(wanted.city, await ask.all(DISTINCT_CITIES, {}))
            analysis.notes += [f"{note}."] if note else []
        if request is not None:
            files = FileQueries(request, clock)
            try:
                analysis.sensors = await _Comparison(files, ask, clock, wanted, analysis).run(compare)
            finally:
                files.close()
        units = query.request_units + (0 if routed is None else routed.request_units)
        analysis.request_units = round(units, 2)
    return analysis


def _routed(settings: "Settings", clock: Clock) -> MeteredQuery | None:
    """The second container, where anomalous readings go to one."""
    anomaly = settings.processing.anomaly
    if "Anomaly" not in settings.processing.processors or anomaly.action != "route":
        return None
    return MeteredQuery(replace(cosmos_options(settings), container=anomaly.container), clock)


class _Ask:
    """Small questions, each answered in time."""

    def __init__(self, query: MeteredQuery, host: str, routed: MeteredQuery | None) -> None:
        self.query = query
        self._host = host
        self._routed = routed

    async def all(self, sql: str, conditions: Mapping[str, Any], order: str = "", **more: Any) -> list[Any]:
        """Everything that a query finds."""
        async with self._in_time():
            return [found async for found in self.query.select(sql, conditions, order, **more)]

    async def absent(self, ids: set[str], conditions: Mapping[str, Any], terms: Sequence[str]) -> int:
        """How many of these ids no document has, in either container; the set is used up."""
        await self._strike(self.query, ids, conditions, terms)
        if ids and self._routed is not None:
            try:
                await self._strike(self._routed, ids, conditions, terms)
            except SinkRefused:  # made with the first reading that goes there
                self._routed = None
        return len(ids)

    async def _strike(
        self, query: MeteredQuery, ids: set[str], conditions: Mapping[str, Any], terms: Sequence[str]
    ) -> None:
        """Take out of the set what is there."""
        async with self._in_time():
            found = query.select("SELECT VALUE c.id FROM c", conditions, terms=terms, page=_CHUNK)
            async with aclosing(found) as there:  # type: ignore[type-var]
                async for each in there:
                    ids.discard(each)
                    if not ids:
                        break

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                yield
        except TimeoutError:
            raise SinkUnreachable(
                f"{self._host} has not answered within {QUERY_SECONDS:.0f} s",
                fix="Narrow it with --city, --sensor, --since",
            ) from None


async def _distribute(ask: _Ask, wanted: Wanted, analysis: Analysis, *, grouped: bool) -> None:
    """Count by city, sensor, day and stage: in each partition for itself, or one document after another."""
    conditions, terms = conditions_of(wanted)
    if grouped:
        try:
            await _count_groups(ask, conditions, terms, analysis)
        except UsageError:  # not every endpoint groups
            analysis.groups.clear()
            analysis.covered.clear()
        else:
            totals = await ask.all("SELECT VALUE COUNT(1) FROM c", conditions, terms=terms)
            analysis.elsewhere = max(0, sum(totals) - analysis.groups.total())
            return
    async for found in ask.query.select(_EACH, conditions, terms=terms, page=_CHUNK):
        _note(analysis, found, str(found.get("city") or ""), str(found.get("time") or "")[:10], 1)


async def _count_groups(
    ask: _Ask, conditions: Mapping[str, Any], terms: Sequence[str], analysis: Analysis
) -> None:
    if "city" in conditions:
        cities = [conditions["city"]]
    else:
        cities = await ask.all(DISTINCT_CITIES, conditions, terms=terms)
    for city in cities:
        if not isinstance(city, str):
            continue
        for found in await ask.all(_GROUPED, {**conditions, "city": city}, _GROUPS, terms=terms):
            _note(analysis, found, city, str(found.get("day") or ""), int(found["documents"]))


def _note(analysis: Analysis, found: Mapping[str, Any], city: str, day: str, documents: int) -> None:
    group = Group(city, str(found.get("sensor") or ""), day, str(found.get("stage") or ""))
    analysis.groups[group] += documents
    covered = found.get("covered")
    if group.stage == AGGREGATED and isinstance(covered, int | float):
        analysis.covered[group] += int(covered)


class _Comparison:
    """Files beside what was counted."""

    def __init__(
        self, files: FileQueries, ask: _Ask, clock: Clock, wanted: Wanted, analysis: Analysis
    ) -> None:
        self._files = files
        self._ask = ask
        self._clock = clock
        self._wanted = wanted
        self._analysis = analysis
        self._sensors: dict[tuple[str, str], Completeness] = {}

    async def run(self, compare: int | None) -> list[Completeness]:
        files = await self._files.files(self._wanted)
        if not files:
            self._analysis.notes.append(await self._nothing())
        for file in files:
            if file.problem:
                self._analysis.problems.append(file.problem)
                continue
            try:
                await self._file(file, compare)
            except SourceFileError as error:
                self._analysis.problems.append(str(error))
        return sorted(self._sensors.values(), key=lambda each: (each.city, each.sensor))

    async def _nothing(self) -> str:
        """Why no file is compared."""
        if await self._files.files():
            return "No sensor file has such readings, so that nothing was compared."
        return f"No sensor database was found in {self._files.root}, so that nothing was compared."

    async def _file(self, file: SensorFile, compare: int | None) -> None:
        from sensor_tui.storage.query_closed import ClosedReader

        threads, whose = self._files.threads, self._wanted.whose(file.city)
        reader = await threads.patiently(partial(ClosedReader, file.source, file.path, file.position, whose))
        try:
            await threads.patiently(partial(reader.seek, *self._wanted.span))
            ends = reader.ends
            closed: Counter[Owner] = Counter()
            while (step := await threads.patiently(reader.tally_step)) is not None:
                for owner, tally in step[0]:
                    sensor = self._sensor(file, owner)
                    closed[owner] += tally.closed
                    sensor.rows += tally.rows
                    sensor.dead += tally.dead
                    sensor.closed += tally.closed
                await self._clock.sleep(step[1])
            if not closed:
                self._sensor(file, file.owner(self._wanted))
            if not reader.marked:
                self._bury(file, closed)
            by_id = sum(rows for owner, rows in closed.items() if self._sensor(file, owner).by_id)
            if by_id:
                rows = _Rows(reader, threads, self._clock, ends, closed=closed.total(), compare=compare)
                while chunk := await rows.next():
                    await self._look_for(file, reader, chunk)
        finally:
            await threads.run(reader.close)

    def _bury(self, file: SensorFile, closed: "Counter[Owner]") -> None:
        """Count dead letters where the position closes rows; the ledger does not say whose they are."""
        letters = file.letters
        for owner, rows in closed.most_common():
            dead = min(letters, rows)
            sensor = self._sensor(file, owner)
            sensor.dead += dead
            sensor.closed -= dead
            letters -= dead

    def _sensor(self, file: SensorFile, owner: "Owner") -> Completeness:
        name = owner.sensor or file.source
        found = self._sensors.get((name, owner.city))
        if found is None:
            found = self._sensors[name, owner.city] = Completeness(name, owner.city)
            for group, documents in self._analysis.groups.items():
                if (group.sensor, group.city) != (name, owner.city):
                    continue
                if group.stage == AGGREGATED:
                    found.aggregates += documents
                    found.covered += self._analysis.covered[group]
                else:
                    found.documents += documents
        return found

    async def _look_for(self, file: SensorFile, reader: "ClosedReader", rows: "Sequence[ClosedRow]") -> None:
        """Ask, in every partition that these rows belong to, for the documents of their stretch of time."""
        parts: dict[Owner, dict[str, str]] = defaultdict(dict)
        for row in rows:
            owner = reader.owner(row)
            sensor = self._sensor(file, owner)
            if not sensor.by_id:
                continue
            sensor.compared += 1
            if owner.sensor is None:
                sensor.missing += 1
                continue
            try:
                parts[owner][reading_id(owner.sensor, row.time, row.row_id)] = utc_text(row.time)
            except UnusableReading:  # closed by somebody else: no document can be of it
                sensor.missing += 1
        for owner, times in parts.items():
            low, high = min(times.values()), max(times.values())
            terms = [f'c["timestamp"] >= "{low}"', f'c["timestamp"] <= "{high}"']
            conditions = {"city": owner.city, "sensorId": owner.sensor}
            self._sensor(file, owner).missing += await self._ask.absent(set(times), conditions, terms)


class _Rows:
    """Closed rows of a file in chunks: all of them, or as many as are compared, from all over the file."""

    def __init__(
        self,
        reader: "ClosedReader",
        threads: "FileThreads",
        clock: Clock,
        ends: tuple[int, int],
        *,
        closed: int,
        compare: int | None,
    ) -> None:
        self._reader = reader
        self._threads = threads
        self._clock = clock
        low, high = ends
        sampled = compare is not None and compare < closed
        self._left = compare if compare is not None and sampled else closed
        parts = max(1, min(_PARTS, self._left)) if sampled else 1
        width = (high - low) / parts
        share = -(-self._left // parts)
        self._parts = deque(
            _Part(low + int(at * width), low + int((at + 1) * width), share) for at in range(parts)
        )

    async def next(self) -> "list[ClosedRow]":
        """The next chunk; an empty one at the end."""
        found: list[ClosedRow] = []
        while self._parts and self._left > 0 and not found:
            part = self._parts.popleft()
            low, room = part.low, min(_CHUNK, part.rows, self._left)
            while low < part.high and len(found) < room:
                step = partial(self._reader.closed_step, low, part.high, room - len(found))
                rows, low, rest = await self._threads.patiently(step)
                found += rows
                if rest:
                    await self._clock.sleep(rest)
            self._left -= len(found)
            if low < part.high and len(found) < part.rows:
                self._parts.appendleft(_Part(low, part.high, part.rows - len(found)))
        return found


class _Part(NamedTuple):
    """Row ids above `low` up to `high`, of which so many closed rows are wanted."""

    low: int
    high: int
    rows: int

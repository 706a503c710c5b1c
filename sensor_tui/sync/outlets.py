"""What is read goes through the stages, becomes documents, and is given to the sinks meant to have it."""

from collections.abc import Collection, Sequence
from typing import Final

from orjson import loads

from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import Batch
from sensor_tui.sync.aggregate import Aggregation, Prepared
from sensor_tui.sync.contract import MISSING, Feed, Wish
from sensor_tui.sync.encode import Encoded, Encoder, Freshen, part_of
from sensor_tui.sync.flow import Flow
from sensor_tui.sync.letters import make_letter
from sensor_tui.sync.progress import Meter
from sensor_tui.sync.runner import SinkRunner
from sensor_tui.sync.stage import Stage, Staged
from sensor_tui.sync.window import Window

_EMPTY: Final[Encoded] = Encoded([], [], one_key=False)


class Outlets:
    """The way from a batch to the queues of the sinks; everything here is done at once, without waiting."""

    def __init__(
        self,
        ways: Sequence[tuple[Wish, SinkRunner]],
        flow: Flow,
        *,
        clock: Clock,
        meter: Meter,
        stages: Sequence[Stage],
        aggregation: Aggregation | None,
        freshen: Freshen | None,
    ) -> None:
        self._ways = ways
        self._names = [runner.sink.name for _, runner in self._ways]
        self._flow = flow
        self._clock = clock
        self._meter = meter
        self._stages = stages
        self._aggregation = aggregation
        self._routes = Wish.ANOMALOUS in {wish for wish, _ in ways}
        self._plain = not stages and aggregation is None
        self._last: dict[str, tuple[Feed, int]] = {}
        self._encoders = {
            (runner.sink.key_field, self._is_raw(wish)): Encoder(runner.sink.key_field, freshen=freshen)
            for wish, runner in self._ways
        }
        self._menders = {field: Encoder(field, freshen=freshen) for field, raw in self._encoders if raw}

    def take(self, feed: Feed, batch: Batch) -> None:
        """Send a batch on its way."""
        if isinstance(batch, Prepared):
            self._take_documents(feed, batch)
        elif self._plain:
            self._take_plain(feed, batch)
        else:
            self._meter.read += len(batch.rows)
            staged, reasons = self._through_stages(feed, batch)
            if self._aggregation is None:
                self._take_staged(feed, batch, staged, reasons)
            else:
                self._take_held(feed, batch, staged, reasons, self._aggregation)

    def _take_plain(self, feed: Feed, batch: Batch) -> None:
        self._meter.read += len(batch.rows)
        encoded = {field: encoder.encode(batch) for (field, _), encoder in self._encoders.items()}
        first = next(iter(encoded.values()))
        window = self._begin(feed, batch, batch, _size(first))
        for index, reason in first.unusable.items():
            self._bury(window, index, reason)
        for _, runner in self._ways:
            runner.dispatch(window, encoded[runner.sink.key_field])
        self._end(window)

    def _through_stages(self, feed: Feed, batch: Batch) -> tuple[Staged, dict[int, str]]:
        """The batch as the stages leave it, and why rows were rejected, with the stage's name."""
        known, last = self._last.get(feed.key, (feed, 0))
        if known is not feed or (batch.rows and batch.rows[0][0] <= last):
            for stage in self._stages:
                stage.forget(batch.source)
        if batch.rows:
            self._last[feed.key] = feed, batch.rows[-1][0]
        staged = Staged(batch)
        reasons: dict[int, str] = {}
        for stage in self._stages:
            stage.apply(staged)
            if len(staged.rejected) > len(reasons):
                for index, reason in staged.rejected.items():
                    reasons.setdefault(index, f"{stage.name}: {reason}")
        return staged, reasons

    def _take_staged(self, feed: Feed, batch: Batch, staged: Staged, reasons: dict[int, str]) -> None:
        encoded = {way: self._encode(way, batch, staged) for way in self._encoders}
        size = sum(map(_size, encoded.values()))
        window = self._begin(feed, batch, staged.batch, size)
        for way, each in encoded.items():
            if not way[1]:
                reasons = each.unusable | reasons
        for index, reason in reasons.items():
            self._bury(window, index, reason)
        anomalous = staged.anomalous.keys() - reasons.keys()
        for wish, runner in self._ways:
            documents = encoded[runner.sink.key_field, self._is_raw(wish)]
            self._send(window, runner, documents, _meant(wish, anomalous, len(batch.rows)), reasons)
        self._end(window)

    def _take_held(
        self,
        feed: Feed,
        batch: Batch,
        staged: Staged,
        reasons: dict[int, str],
        aggregation: Aggregation,
    ) -> None:
        """Readings that become parts of aggregated documents; only those that are routed go as they are."""
        direct = staged.anomalous.keys() - reasons.keys() if self._routes else frozenset()
        held = aggregation.digest(staged, apart=direct)
        reasons = held.unusable | reasons
        encoded: dict[tuple[str | None, bool], Encoded] = {}
        for way in self._encoders:
            if way[1] or direct:
                encoded[way] = each = self._encode(way, batch, staged)
                if not way[1]:
                    refused = {index: why for index, why in each.unusable.items() if index in direct}
                    reasons = refused | reasons
        window = self._begin(feed, batch, staged.batch, sum(map(_size, encoded.values())))
        kept = range(len(batch.rows)) if not direct else held.positions(len(batch.rows), direct)
        window.hold(kept, held)
        for index, reason in reasons.items():
            self._bury(window, index, reason)
        direct = direct - reasons.keys()
        for wish, runner in self._ways:
            way = (runner.sink.key_field, self._is_raw(wish))
            meant: Collection[int] = direct if wish in {Wish.EVERYTHING, Wish.ANOMALOUS} else ()
            if wish is Wish.RAW:
                bodies = encoded[way].bodies
                meant = [index for index, body in enumerate(bodies) if body is not None]
            self._send(window, runner, encoded.get(way, _EMPTY), meant, reasons)
        self._end(window)

    def _take_documents(self, feed: Feed, batch: Prepared) -> None:
        window = self._begin(feed, batch, batch, sum(map(len, batch.documents)))
        parsed = [loads(body) for body in batch.documents]
        for wish, runner in self._ways:
            field = runner.sink.key_field
            keys = [MISSING if field is None else each.get(field, MISSING) for each in parsed]
            encoded = Encoded(
                [*batch.documents], [None] * len(parsed) if field is None else keys, one_key=False
            )
            meant = () if wish is Wish.RAW else _meant(wish, batch.anomalous, len(parsed))
            self._send(window, runner, encoded, meant, ())
        self._end(window)

    def _encode(self, way: tuple[str | None, bool], batch: Batch, staged: Staged) -> Encoded:
        encoder = self._encoders[way]
        if not way[1]:
            return encoder.encode_staged(staged)
        encoded = encoder.encode_staged(Staged(batch, rejected=staged.rejected))
        if encoded.unusable:
            # what only the stages made fit for a document is kept as they left it
            mended = self._menders[way[0]].encode_staged(staged)
            for index in encoded.unusable:
                encoded.bodies[index], encoded.keys[index] = mended.bodies[index], mended.keys[index]
        return encoded

    def _is_raw(self, wish: Wish) -> bool:
        return wish is Wish.RAW and not self._plain

    def _begin(self, feed: Feed, batch: Batch, shown: Batch, size: int) -> Window:
        window = Window(feed, batch, self._names, size, shown=shown)
        self._flow.begin(window)
        return window

    def _end(self, window: Window) -> None:
        if window.remaining == 0:
            self._flow.done(window)

    def _bury(self, window: Window, index: int, reason: str) -> None:
        self._meter.rejected += 1
        window.bury(index, make_letter(window, index, self._names[0], 0, reason, b"", at=self._clock.now()))

    def _send(
        self,
        window: Window,
        runner: SinkRunner,
        encoded: Encoded,
        meant: Collection[int] | None,
        buried: Collection[int],
    ) -> None:
        """Give a sink what it is meant to have: all there is where `meant` is None."""
        if meant is None:
            if len(buried) < len(encoded.bodies):
                runner.dispatch(window, encoded)
            return
        wanted = frozenset(meant)
        rows = range(len(window.batch.rows))
        window.accept(
            runner.sink.name, [index for index in rows if index not in wanted and index not in buried]
        )
        wanted -= frozenset(buried)
        if wanted:
            runner.dispatch(window, part_of(encoded, wanted))


def _meant(wish: Wish, anomalous: Collection[int], rows: int) -> Collection[int] | None:
    """Positions that a wish asks for; None for all of them."""
    if wish is Wish.ANOMALOUS:
        return anomalous
    if wish is Wish.ORDINARY and anomalous:
        return [index for index in range(rows) if index not in anomalous]
    return None


def _size(encoded: Encoded) -> int:
    return sum(len(body) for body in encoded.bodies if body is not None)

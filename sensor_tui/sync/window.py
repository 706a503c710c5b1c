"""A batch under way: which of its readings every sink has settled, and which are dead letters."""

from collections.abc import Collection, Sequence
from typing import Any

from sensor_tui.model.reading import Batch
from sensor_tui.model.source import DeadLetter
from sensor_tui.sync.contract import Feed, Settlement


class Window:
    """One batch from reading to settlement; done when every sink has spoken on every row meant for it.

    `shown` is the batch as the stages left it: what a dead letter shows of a row that became no document.
    """

    __slots__ = ("_accepted", "_dead", "_kept", "batch", "feed", "held", "remaining", "shown", "size")

    def __init__(
        self, feed: Feed, batch: Batch, sinks: Sequence[str], size: int, *, shown: Batch | None = None
    ) -> None:
        self.feed = feed
        self.batch = batch
        self.shown = batch if shown is None else shown
        self.size = size
        """Bytes of its documents, for the memory bound."""
        self.remaining = len(batch.rows) * len(sinks)
        self.held: Any = None
        """What the aggregation made of the rows it keeps."""
        self._kept: Collection[int] = ()
        self._accepted = {sink: bytearray(len(batch.rows)) for sink in sinks}
        self._dead: dict[int, DeadLetter] = {}

    def hold(self, positions: Collection[int], held: Any) -> None:
        """Once every sink meant for them has them, these rows wait for their window and are not closed."""
        self._kept, self.held = positions, held

    def accept(self, sink: str, indexes: Sequence[int]) -> None:
        """The sink has these readings, or is not meant to."""
        flags = self._accepted[sink]
        if isinstance(indexes, range) and indexes.step == 1:
            flags[indexes.start : indexes.stop] = b"\x01" * len(indexes)
        else:
            for index in indexes:
                flags[index] = 1
        self.remaining -= len(indexes)

    def reject(self, sink: str, index: int, letter: DeadLetter) -> None:
        """The sink can never take this reading."""
        self._dead.setdefault(index, letter)
        self._accepted[sink][index] = 2
        self.remaining -= 1

    def bury(self, index: int, letter: DeadLetter) -> None:
        """No sink is to have this reading."""
        self._dead[index] = letter
        for flags in self._accepted.values():
            flags[index] = 2
        self.remaining -= len(self._accepted)

    def settlement(self) -> Settlement:
        """What is settled by now; of an unfinished window, the part every sink has settled."""
        size = len(self.batch.rows)
        complete = self.remaining == 0
        if complete and not self._dead:
            kept = self._kept
            accepted = [index for index in range(size) if index not in kept] if kept else range(size)
            return Settlement(self.batch, accepted, (), self.held)
        columns = list(self._accepted.values())
        done = [index for index in range(size) if all(flags[index] for flags in columns)]
        return Settlement(
            self.batch,
            [index for index in done if index not in self._dead and index not in self._kept],
            [self._dead[index] for index in done if index in self._dead],
            self.held,
            complete,
        )

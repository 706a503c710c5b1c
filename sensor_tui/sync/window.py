"""A batch under way: which of its readings every sink has settled, and which are dead letters."""

from collections.abc import Sequence

from sensor_tui.model.reading import Batch
from sensor_tui.model.source import DeadLetter
from sensor_tui.sync.contract import Feed, Settlement


class Window:
    """One batch from reading to settlement; done when every sink has spoken on every row."""

    __slots__ = ("_accepted", "_dead", "batch", "feed", "remaining", "size")

    def __init__(self, feed: Feed, batch: Batch, sinks: Sequence[str], size: int) -> None:
        self.feed = feed
        self.batch = batch
        self.size = size
        """Bytes of its documents, for the memory bound."""
        self.remaining = len(batch.rows) * len(sinks)
        self._accepted = {sink: bytearray(len(batch.rows)) for sink in sinks}
        self._dead: dict[int, DeadLetter] = {}

    def accept(self, sink: str, indexes: Sequence[int]) -> None:
        """The sink has these readings."""
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

    def settlement(self) -> Settlement:
        """What is settled by now; of an unfinished window, the part every sink has settled."""
        size = len(self.batch.rows)
        columns = list(self._accepted.values())
        if self.remaining == 0 and not self._dead:
            return Settlement(self.batch, range(size), ())
        done = [index for index in range(size) if all(flags[index] for flags in columns)]
        return Settlement(
            self.batch,
            [index for index in done if index not in self._dead],
            [self._dead[index] for index in done if index in self._dead],
        )

"""The lines of a book that are wanted, kept in order as lines come and go."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from sensor_tui.app.logbook import NOTE, SLACK, Entry, Level, LogBook

Match = Callable[[Entry], bool]


class LogView:
    """The lines of a book that are wanted, in order, kept as lines come and go.

    `at_least` hides lines of a lower level; a line of unknown level counts as INFO, and what a reader itself
    has to say is always shown. `match` says whether a line is looked for, and `hiding` whether the others are
    hidden. `height` gives the rows of a line, where lines may have several.
    """

    def __init__(self, book: LogBook) -> None:
        self.book = book
        self.at_least = Level.NONE
        self.match: Match | None = None
        self.hiding = True
        self.height: Callable[[Entry], int] | None = None
        self.gone = 0
        """Rows that went from the front since the view was made; never goes back."""
        self._numbers: list[int] = []
        self._found: list[int] = []
        self._tops: list[int] = []
        self._dead = 0
        self._rows = 0
        self._looked = book.first

    def __len__(self) -> int:
        return len(self._numbers) - self._dead

    def __getitem__(self, index: int) -> Entry:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.book[self._numbers[index + self._dead]]

    @property
    def rows(self) -> int:
        """Rows of all lines in view."""
        return self._rows - self._base

    @property
    def _base(self) -> int:
        if self.height is None:
            return self._rows - len(self)
        return self._tops[self._dead] if len(self) else self._rows

    def row_of(self, index: int) -> int:
        """The row at which a line begins."""
        return index if self.height is None else self._tops[index + self._dead] - self._base

    def line_at(self, row: int) -> tuple[int, int]:
        """The line in a row, and which of its own rows that is."""
        if self.height is None:
            return row, 0
        wanted = row + self._base
        place = bisect_left(self._tops, wanted + 1, lo=self._dead) - 1
        return place - self._dead, wanted - self._tops[place]

    def update(self) -> None:
        """Take in what came since, and let go of what was dropped."""
        book, before = self.book, self._base
        first = book.first
        self._looked = max(self._looked, first)
        numbers, dead = self._numbers, self._dead
        dead = bisect_left(numbers, first, lo=dead)
        for number in range(self._looked, book.next):
            entry = book[number]
            found = self.is_match(entry)
            if self._wanted(entry, found=found):
                numbers.append(number)
                if found:
                    self._found.append(number)
                if self.height is not None:
                    self._tops.append(self._rows)
                    self._rows += self.height(entry)
                else:
                    self._rows += 1
        self._looked = book.next
        self._dead = dead
        self.gone += self._base - before
        if self._found and self._found[0] < first:
            del self._found[: bisect_left(self._found, first)]
        if dead > SLACK:
            del numbers[:dead]
            if self.height is not None:
                del self._tops[:dead]
            self._dead = 0

    def rebuild(self) -> None:
        """Look at every line again, after what is wanted or its height changed."""
        self._numbers.clear()
        self._found.clear()
        self._tops.clear()
        self._dead = self._rows = 0
        self._looked = self.book.first
        gone = self.gone
        self.update()
        self.gone = gone

    def index_of(self, number: int) -> int:
        """Where a line is by its number, or the next one that is in view; at most the last."""
        place = bisect_left(self._numbers, number, lo=self._dead) - self._dead
        return max(0, min(place, len(self) - 1))

    def since(self, number: int) -> int:
        """How many lines in view are that one or later ones."""
        return len(self._numbers) - bisect_left(self._numbers, number, lo=self._dead)

    def at_time(self, moment: float) -> int:
        """The first line from that time on; the last one where all are before."""
        for index in range(len(self)):
            if self[index].when >= moment:
                return index
        return max(0, len(self) - 1)

    @property
    def matching(self) -> int:
        """Lines in view that are looked for."""
        return len(self._found)

    def find(self, index: int, step: int) -> int | None:
        """The next line looked for, after (`step` 1) or before (-1) a line, around the end once."""
        if not self._found:
            return None
        number = self._numbers[index + self._dead]
        found = self._found
        place = bisect_right(found, number) if step > 0 else bisect_left(found, number) - 1
        return self.index_of(found[place % len(found)])

    def is_match(self, entry: Entry) -> bool:
        """Whether a line is looked for."""
        return self.match is not None and entry.stream != NOTE and self.match(entry)

    def _wanted(self, entry: Entry, *, found: bool) -> bool:
        if entry.stream == NOTE:
            return True
        if (entry.level or Level.INFO) < self.at_least:
            return False
        return found or self.match is None or not self.hiding

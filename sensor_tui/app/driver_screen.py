"""What the terminal is to show, cell by cell, read out of what Textual writes."""

import re
from collections.abc import Callable
from typing import Final

from rich.cells import get_character_cell_size, split_graphemes

from sensor_tui.app.driver_pen import DEFAULT, Pens

MOST_REST: Final = 1_000_000
"""Characters of a sequence that never ends."""
TAB: Final = 8
MOST_MARKS: Final = 16
"""Characters in one cell; Textual's own text has no more."""

_TOKEN: Final = re.compile(
    r"(\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC
    r"|\x1b[PX^_].*?\x1b\\"  # DCS and such
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # other escapes
    r"|[\x00-\x1a\x1c-\x1f\x7f])",
    re.DOTALL,
)
_PLAIN: Final = re.compile(
    r"[\x20-\x7e\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u2190-\u21ff\u2500-\u25fc\u2800-\u28ff]*\Z"
)
"""Characters in one cell each."""
_SOFT: Final = re.compile(
    r"\x1b\[\?(?P<mode>9|25|66|100[0-7]|101[56]|2004|2026|2031|2048)[hl]"
    r"|\x1b\[(?:\?[\d;]*\$p|\?u|[>=<][\d;]*[uqc]|[\d;]*[ct]|\d*n|\?\d*n|\d* q)"
    r"|\x1b[=>]"
)
"""What neither draws nor depends on what is drawn."""
_LATEST: Final = frozenset({"0", "1", "2", "22", "52"})
"""OSC sequences of which only the last counts: titles, pointer, clipboard."""

Chars = list[str | None]


class Screen:
    """Cells of character and pen. None is where nothing was drawn yet; what follows a wide one is empty.

    `control` is told of every sequence that is not about cells, and whether it depends on what was drawn
    before it: then what is pending has to go first.
    """

    def __init__(self, width: int, height: int, control: Callable[[str, str | None], None]) -> None:
        self.pens = Pens()
        self.width = width
        self.height = height
        self.x = 0
        self.y = 0
        self.pen = DEFAULT
        self.dirty: set[int] = set()
        """Rows drawn to since they were last compared."""
        self.chars: list[Chars] = []
        self.styles: list[list[int]] = []
        self._drawn: int | None = None
        """The column last drawn to, None where the cursor was moved since."""
        self._control = control
        self._rest = ""
        self.clear()

    def clear(self) -> None:
        """Nothing was drawn."""
        self.chars = [[None] * self.width for _ in range(self.height)]
        self.styles = [[DEFAULT] * self.width for _ in range(self.height)]
        self.dirty = set()

    def resize(self, width: int, height: int) -> None:
        """Have another size; what was drawn stays where it is."""
        chars, styles = self.chars, self.styles
        self.width, self.height = width, height
        self.clear()
        for y, (row, pens) in enumerate(zip(chars[:height], styles, strict=False)):
            kept = min(width, len(row))
            self.chars[y][:kept] = row[:kept]
            self.styles[y][:kept] = pens[:kept]
            if kept < len(row) and row[kept] == "":
                self.chars[y][kept - 1] = " "
        self.dirty = set(range(height))
        self.x, self.y = min(self.x, width - 1), min(self.y, height - 1)

    def renew_pens(self) -> None:
        """Forget pens that are drawn with no more."""
        old, self.pens = self.pens, Pens()
        number = self.pens.number
        self.styles = [[number(old.all[pen]) for pen in row] for row in self.styles]
        self.pen = number(old.all[self.pen])

    def feed(self, data: str) -> None:
        """Draw what Textual writes."""
        if self._rest:
            data, self._rest = self._rest + data, ""
        parts = _TOKEN.split(data)
        after = self.pens.after
        for at, part in enumerate(parts):
            if not part:
                continue
            if at & 1:
                if part[-1] == "m" and part[1] == "[":
                    if "\x1b[0" <= part < "\x1b[<" and part[-2] != " ":
                        self.pen = after(self.pen, part[2:-1])
                    elif part == "\x1b[m":
                        self.pen = after(self.pen, "0")
                    else:
                        self._control(part, None)
                else:
                    self._sequence(part)
            elif "\x1b" in part:
                self._broken(part, last=at == len(parts) - 1)
            else:
                self._text(part)

    def _broken(self, part: str, *, last: bool) -> None:
        """An escape that begins no sequence, or one whose end has not come yet."""
        text, escape, rest = part.partition("\x1b")
        if text:
            self._text(text)
        if last and len(rest) < MOST_REST:
            self._rest = escape + rest
        else:
            self._control(escape + rest, None)

    # text

    def _text(self, text: str) -> None:
        chars, x = self.chars[self.y], self.x
        if _PLAIN.match(text):
            cells: Chars = list(text)
        else:
            cells = self._cells(text)
            if not cells:
                return
        room = self.width - x
        if len(cells) > room:
            # nothing wraps: what is too much goes into the last column, one over the other
            last = cells[-1] or " "
            cells = cells[:room]
            cells[-1] = last if get_character_cell_size(last[0]) == 1 else " "
        end = x + len(cells)
        if chars[x] == "" and x:
            chars[x - 1] = " "
        if end < self.width and chars[end] == "":
            chars[end] = " "
        chars[x:end] = cells
        blank = self.pens.blank[self.pen]
        if blank == self.pen or " " not in cells:
            pens = [self.pen] * len(cells)
        elif text.isspace():
            pens = [blank] * len(cells)
        else:
            pen = self.pen
            pens = [blank if cell == " " else pen for cell in cells]
        self.styles[self.y][x:end] = pens
        self.dirty.add(self.y)
        self.x = min(end, self.width - 1)
        self._drawn = end - 1

    def _cells(self, text: str) -> Chars:
        """Text by cell: after a wide one comes an empty one; what has no width goes with what it follows."""
        cells: Chars = []
        if "\u200d" in text or "\ufe0f" in text:
            spans, _ = split_graphemes(text)
            pieces = [(text[start:end], size) for start, end, size in spans]
        else:
            pieces = [(character, get_character_cell_size(character)) for character in text]
        for piece, size in pieces:
            if size:
                cells.append(piece)
                cells.extend([""] * (size - 1))
            elif not "\x7f" <= piece <= "\x9f":
                if cells:
                    _join(cells, len(cells) - 1, piece)
                else:
                    self._mark(self.x - 1 if self._drawn is None else self._drawn, piece)
        return cells

    def _mark(self, at: int, mark: str) -> None:
        """Put something without a width on what was drawn before."""
        if at < 0:
            return
        row = self.chars[self.y]
        if row[at] == " ":
            self.styles[self.y][at] = self.pen
        _join(row, at, mark)
        self.dirty.add(self.y)

    # sequences

    def _sequence(self, part: str) -> None:
        if part[0] != "\x1b":
            self._character(part)
        elif part[1] == "[":
            self._csi(part)
        elif part.startswith("\x1b]8;"):
            self.pen = self.pens.linked(self.pen, part[4:-1] if part[-1] == "\x07" else part[4:-2])
        elif part[1] == "]":
            kind = part[2 : part.find(";")]
            self._control(part, kind if kind in _LATEST else part)
        elif part[1] in "PX^_":
            self._control(part, part)
        elif part in {"\x1b=", "\x1b>"}:
            self._control(part, "\x1b=")
        else:
            self._control(part, None)

    def _character(self, part: str) -> None:
        self._drawn = None
        if part == "\n":
            self.x = 0
            if self.y < self.height - 1:
                self.y += 1
            else:
                self._scroll()
        elif part == "\r":
            self.x = 0
        elif part == "\b":
            self.x = max(0, self.x - 1)
        elif part == "\t":
            self.x = min(self.width - 1, self.x // TAB * TAB + TAB)
        elif part == "\x07":
            self._control(part, part)

    def _csi(self, part: str) -> None:
        final, parameters = part[-1], part[2:-1]
        self._drawn = None
        if final in "Hf":
            row, _, column = parameters.partition(";")
            if (not row or row.isdecimal()) and (not column or column.isdecimal()):
                self.y = min(max(int(row or 1), 1), self.height) - 1
                self.x = min(max(int(column or 1), 1), self.width) - 1
                return
        elif final in "ABCDEFGd`JK" and (not parameters or parameters.isdecimal()):
            if final in "JK":
                self._erase(final, int(parameters or 0))
            else:
                self._move(final, max(1, int(parameters or 1)))
            return
        soft = _SOFT.fullmatch(part)
        if soft is None:
            self._control(part, None)
        else:
            self._control(part, soft["mode"] or part)

    def _move(self, final: str, by: int) -> None:
        if final in "AF":
            self.y = max(0, self.y - by)
        elif final in "BE":
            self.y = min(self.height - 1, self.y + by)
        elif final == "C":
            self.x = min(self.width - 1, self.x + by)
        elif final == "D":
            self.x = max(0, self.x - by)
        elif final == "d":
            self.y = min(self.height, by) - 1
        else:
            self.x = min(self.width, by) - 1
        if final in "EF":
            self.x = 0

    def _erase(self, final: str, what: int) -> None:
        """To the end (0), from the beginning (1), or all (2) of the screen or the line."""
        if what > 2:  # noqa: PLR2004
            self._control(f"\x1b[{what}{final}", f"{what}{final}")
            return
        first = 0 if what else self.x
        last = self.width if what != 1 else self.x + 1
        self._blank(self.y, first, last)
        if final == "J":
            above = range(self.y) if what else ()
            below = range(self.y + 1, self.height) if what != 1 else ()
            for y in (*above, *below):
                self._blank(y, 0, self.width)

    def _blank(self, y: int, first: int, last: int) -> None:
        chars = self.chars[y]
        if first and chars[first] == "":
            chars[first - 1] = " "
        if last < self.width and chars[last] == "":
            chars[last] = " "
        chars[first:last] = [" "] * (last - first)
        background = self.pens.all[self.pen].bg
        pen = self.pens.after(DEFAULT, background or "0")
        self.styles[y][first:last] = [pen] * (last - first)
        self.dirty.add(y)

    def _scroll(self) -> None:
        self.chars.append(self.chars.pop(0))
        self.styles.append(self.styles.pop(0))
        self._blank(self.height - 1, 0, self.width)
        self.dirty = set(range(self.height))


def _join(cells: Chars, at: int, mark: str) -> None:
    """Put something without a width on a character."""
    if at > 0 and cells[at] == "":
        at -= 1
    if (base := cells[at]) and len(base) < MOST_MARKS:
        cells[at] = base + mark

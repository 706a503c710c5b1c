"""What has to be sent so that the terminal shows what it is to show: changed cells only."""

from typing import Final

from sensor_tui.app.driver_pen import Pens
from sensor_tui.app.driver_screen import Chars, Screen

MOST_BRIDGED: Final = 4
"""So many unchanged cells are written again rather than jumped over; a jump takes as much."""
_SURE_WIDE: Final = range(0x2E80, 0x1F000)
"""What is wide here is so in every terminal; emoji and signs that may be shown as such are not."""


class Shown:
    """What the terminal shows, as far as is known: None where it is not."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._chars: list[Chars] = []
        self._styles: list[list[int]] = []
        self._x: int | None = None
        """Where the terminal's cursor is; None where that is not known."""
        self._y: int | None = None
        self._pen: int | None = None
        self.forget()

    def forget(self) -> None:
        """Nothing is known of the terminal any more: everything drawn is sent again."""
        screen = self._screen
        self._chars = [[None] * screen.width for _ in range(screen.height)]
        self._styles = [[0] * screen.width for _ in range(screen.height)]
        screen.dirty = set(range(screen.height))
        self.lose_cursor()
        self._pen = None

    def lose_cursor(self) -> None:
        """The cursor may be anywhere."""
        self._x = self._y = None

    def renew_pens(self) -> None:
        """The numbers of pens have changed."""
        self.forget()

    def update(self) -> str:
        """Characters and sequences for every cell that differs; afterwards none does."""
        screen = self._screen
        out: list[str] = []
        for y in sorted(screen.dirty):
            chars, styles = screen.chars[y], screen.styles[y]
            if chars != self._chars[y] or styles != self._styles[y]:
                self._row(y, chars, styles, out)
        screen.dirty = set()
        return "".join(out)

    def place(self, x: int, y: int) -> str:
        """Put the cursor there."""
        return self._move(x, y)

    def _row(self, y: int, chars: Chars, styles: list[int], out: list[str]) -> None:
        shown, shown_styles = self._chars[y], self._styles[y]
        changed = [
            x
            for x, (new, old, pen, old_pen) in enumerate(zip(chars, shown, styles, shown_styles, strict=True))
            if (new != old or pen != old_pen) and new is not None
        ]
        if "" in shown or "" in chars:
            changed = _whole(changed, chars, shown)
        at = 0
        while at < len(changed):
            first = changed[at]
            end = first + 1
            at += 1
            while at < len(changed) and (
                changed[at] == end
                or (changed[at] - end <= MOST_BRIDGED and self._bridged(chars, styles, end, changed[at]))
            ):
                end = changed[at] + 1
                at += 1
            self._run(y, first, end, chars, styles, out)
            shown[first:end] = chars[first:end]
            shown_styles[first:end] = styles[first:end]

    def _bridged(self, chars: Chars, styles: list[int], first: int, end: int) -> bool:
        """Whether the cells between two changed ones are written with the pen of the one before."""
        blank = self._screen.pens.blank
        pen = styles[first - 1]
        for x in range(first, end):
            cell = chars[x]
            if cell is None or not cell.isascii() or cell == "":
                return False
            if styles[x] != pen and not (cell == " " and styles[x] == blank[pen]):
                return False
        return True

    def _run(self, y: int, first: int, end: int, chars: Chars, styles: list[int], out: list[str]) -> None:
        """Write neighbouring cells, text of one pen at a time."""
        pens: Pens = self._screen.pens
        x = first
        while x < end:
            out.append(self._move(x, y))
            pen = self._pen_at(x, end, chars, styles)
            if pen != self._pen:
                out.append(pens.change(self._pen, pen))
                self._pen = pen
            stop = self._same_pen(x, end, pen, chars, styles)
            text = "".join(cell for cell in chars[x:stop] if cell)
            sure = text.isascii()
            if not sure:
                stop, sure = _until_unsure(chars, x, stop)
                text = "".join(cell for cell in chars[x:stop] if cell)
            out.append(text)
            x = stop
            self._x = x if sure and x < self._screen.width else None

    def _same_pen(self, x: int, end: int, pen: int, chars: Chars, styles: list[int]) -> int:
        """Up to where cells can be written with this pen."""
        blank = self._screen.pens.blank[pen]
        while x < end and (styles[x] == pen or (chars[x] == " " and styles[x] == blank)):
            x += 1
        return x

    def _pen_at(self, x: int, end: int, chars: Chars, styles: list[int]) -> int:
        """The pen to write a cell with: for a blank any that draws it alike, the present or the next one."""
        pen = styles[x]
        if chars[x] != " ":
            return pen
        blank = self._screen.pens.blank
        if self._pen is not None and blank[self._pen] == pen:
            return self._pen
        for ahead in range(x + 1, end):
            if chars[ahead] != " ":
                return styles[ahead] if blank[styles[ahead]] == pen else pen
            if styles[ahead] != pen:
                return pen
        return pen

    def _move(self, x: int, y: int) -> str:
        """The shortest way for the cursor; only ways that do the same in every terminal."""
        old_x, old_y = self._x, self._y
        self._x, self._y = x, y
        if (old_x, old_y) == (x, y):
            return ""
        best = f"\x1b[{y + 1};{x + 1}H" if x else (f"\x1b[{y + 1}H" if y else "\x1b[H")
        if old_y is None:
            return best
        if old_y == y:
            ways = [*_along(old_x, x), f"\x1b[{x + 1}G"]
        else:
            ways = [f"\r\n{way}" for way in _along(0, x)] if y == old_y + 1 else []
            if old_x is not None and y > old_y:
                down = "\x1b[B" if y == old_y + 1 else f"\x1b[{y - old_y}B"
                ways += [down + way for way in _along(old_x, x)]
        return min((best, *ways), key=len)


def _along(old: int | None, x: int) -> list[str]:
    """Ways to another column of the same row."""
    if old == x:
        return [""]
    ways = ["\r"] if x == 0 else []
    if old is not None:
        by = abs(x - old)
        number = "" if by == 1 else str(by)
        ways.append(f"\x1b[{number}{'C' if x > old else 'D'}")
        if x < old:
            ways.append("\b" * by)
    return ways


def _whole(changed: list[int], chars: Chars, shown: Chars) -> list[int]:
    """Changed cells and the other halves of wide ones among them, as they are or were."""
    marked = set(changed)
    todo = list(changed)
    width = len(chars)
    while todo:
        x = todo.pop()
        for row in (chars, shown):
            for other in (x - 1,) if row[x] == "" else (x + 1,):
                if 0 <= other < width and (other < x or row[other] == "") and other not in marked:
                    marked.add(other)
                    todo.append(other)
    return sorted(x for x in marked if chars[x] is not None)


def _until_unsure(chars: Chars, x: int, end: int) -> tuple[int, bool]:
    """The end of the first character of which terminals disagree how wide it is, or of all, and which."""
    while x < end:
        cell = chars[x] or " "
        wide = x + 1 < len(chars) and chars[x + 1] == ""
        x += 2 if wide else 1
        if cell.isascii():
            continue
        if len(cell) > 1 or (wide and ord(cell) not in _SURE_WIDE) or ord(cell) >= _SURE_WIDE.stop:
            return x, False
    return x, True

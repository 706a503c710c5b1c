"""How cells are coloured, as numbers, and the shortest way from one to another."""

import re
from typing import Final, NamedTuple

MOST_PENS: Final = 20_000
MOST_CHANGES: Final = 50_000


class Pen(NamedTuple):
    """What SGR and OSC 8 say about the text that follows."""

    fg: str = ""
    """SGR parameters of the colour; empty is the terminal's own."""
    bg: str = ""
    attributes: frozenset[str] = frozenset()
    """SGR parameters that switch something on."""
    link: str = ""
    """What follows `8;` in the sequence that begins a link."""


DEFAULT: Final = 0
"""The number of the pen a terminal begins with."""

_PARAMETERS: Final = re.compile(r"[\d;:]*")
_OFF: Final = {
    "22": ("1", "2"),
    "23": ("3",),
    "24": ("4", "21"),
    "25": ("5", "6"),
    "27": ("7",),
    "28": ("8",),
    "29": ("9",),
    "54": ("51", "52"),
    "55": ("53",),
}
_OFF_OF: Final = {on: off for off, all_on in _OFF.items() for on in all_on if int(off) < 50}  # noqa: PLR2004
_VISIBLE_ON_BLANK: Final = frozenset({"4", "5", "6", "7", "9", "21", "51", "52", "53"})
_FOREGROUND: Final = frozenset(str(code) for code in (*range(30, 38), *range(90, 98)))
_BACKGROUND: Final = frozenset(str(code) for code in (*range(40, 48), *range(100, 108)))
_NO_LINK: Final = ";"


class Pens:
    """Every pen met so far. A number is good until `full` is true and the pens are begun anew."""

    def __init__(self) -> None:
        self.all: list[Pen] = []
        self.blank: list[int] = []
        """By pen, the one that draws the same where there is only space."""
        self._numbers: dict[Pen, int] = {}
        self._after: dict[tuple[int, str], int] = {}
        self._changes: dict[tuple[int | None, int], str] = {}
        self.number(Pen())

    @property
    def full(self) -> bool:
        """Whether there are so many that it is time to begin anew."""
        return len(self.all) > MOST_PENS

    def number(self, pen: Pen) -> int:
        """The number of a pen."""
        found = self._numbers.get(pen)
        if found is None:
            found = self._numbers[pen] = len(self.all)
            self.all.append(pen)
            self.blank.append(found)
            bare = Pen("", pen.bg, pen.attributes & _VISIBLE_ON_BLANK, pen.link)
            if not bare.attributes and bare != pen:
                self.blank[found] = self.number(bare)
        return found

    def after(self, pen: int, parameters: str) -> int:
        """The pen after an SGR sequence."""
        key = (pen, parameters)
        found = self._after.get(key)
        if found is None:
            if len(self._after) > MOST_CHANGES:
                self._after.clear()
            found = self._after[key] = self.number(_applied(self.all[pen], parameters))
        return found

    def linked(self, pen: int, link: str) -> int:
        """The pen after the beginning or, where `link` is `;`, the end of a link."""
        return self.number(self.all[pen]._replace(link="" if link == _NO_LINK else link))

    def change(self, before: int | None, after: int) -> str:
        """What makes one pen of another, of any where `before` is None."""
        key = (before, after)
        found = self._changes.get(key)
        if found is None:
            if len(self._changes) > MOST_CHANGES:
                self._changes.clear()
            old = None if before is None else self.all[before]
            found = self._changes[key] = _change(old, self.all[after])
        return found


def _applied(pen: Pen, parameters: str) -> Pen:
    if not _PARAMETERS.fullmatch(parameters):
        return pen
    fg, bg, on = pen.fg, pen.bg, set(pen.attributes)
    codes = parameters.split(";")
    at = 0
    while at < len(codes):
        code = codes[at].lstrip("0")
        taken = 1
        if not code:
            fg, bg, on = "", "", set()
        elif code in {"38", "48", "58"}:
            taken = {"5": 3, "2": 5}.get(codes[at + 1] if at + 1 < len(codes) else "", 1)
            colour = ";".join(codes[at : at + taken])
            if code == "38":
                fg = colour
            elif code == "48":
                bg = colour
            else:
                on.add(colour)
        elif code in _FOREGROUND or code == "39":
            fg = "" if code == "39" else code
        elif code in _BACKGROUND or code == "49":
            bg = "" if code == "49" else code
        elif code in _OFF:
            on.difference_update(_OFF[code])
        else:
            on.add(code)
        at += taken
    return Pen(fg, bg, frozenset(on), pen.link)


def _change(before: Pen | None, after: Pen) -> str:
    link = ""
    if after.link != (before.link if before else ""):
        link = f"\x1b]8;{after.link or _NO_LINK}\x1b\\"
    elif before is None:
        link = f"\x1b]8;{_NO_LINK}\x1b\\"
    colours = [code for code in (after.fg, after.bg) if code]
    anew = ["0", *sorted(after.attributes), *colours]
    codes = anew
    if before is not None:
        if before[:3] == after[:3]:
            return link
        steps = _steps(before, after)
        if steps is not None and len(";".join(steps)) <= len(";".join(anew)):
            codes = steps
    return f"{link}\x1b[{'' if codes == ['0'] else ';'.join(codes)}m"


def _steps(before: Pen, after: Pen) -> list[str] | None:
    """SGR parameters for what differs; None where something has no way of its own to switch it off."""
    gone = before.attributes - after.attributes
    if not gone <= _OFF_OF.keys():
        return None
    off = sorted({_OFF_OF[code] for code in gone})
    left = before.attributes.difference(*(_OFF[code] for code in off)) if off else before.attributes
    steps = [*off, *sorted(after.attributes - left)]
    if before.fg != after.fg:
        steps.append(after.fg or "39")
    if before.bg != after.bg:
        steps.append(after.bg or "49")
    return steps

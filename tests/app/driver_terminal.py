"""A small terminal to compare screens with: cells of text, colours and attributes."""

import re
from typing import NamedTuple

from rich.cells import get_character_cell_size

_TOKEN = re.compile(
    r"\x1b\[([<=>?]?)([\d;:]*)([ -/]*)([@-~])|\x1b\]([^\x07\x1b]*)(?:\x07|\x1b\\)|\x1b([ -/]*[0-~])|(.)",
    re.DOTALL,
)


class Look(NamedTuple):
    fg: str = ""
    bg: str = ""
    attributes: frozenset[str] = frozenset()
    link: str = ""


class Cell(NamedTuple):
    text: str = " "
    look: Look = Look()


class Terminal:
    """Does what xterm does with what Textual and the driver write; anything else fails the test."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.main = self._empty()
        self.rows = self._empty()
        self.alternate = False
        self.x = self.y = 0
        self.look = Look()
        self.wrap = True
        self.pending = False
        self.modes = {}
        self.others = []

    def _empty(self):
        return [[Cell()] * self.width for _ in range(self.height)]

    def feed(self, data):
        at = 0
        for token in _TOKEN.finditer(data):
            assert token.start() == at, f"cannot read {data[at : token.start()]!r}"
            at = token.end()
            private, parameters, between, final, osc, escape, character = token.groups()
            if final:
                self.csi(private, parameters, between, final)
            elif osc is not None:
                self.osc(osc)
            elif escape:
                self.others.append(token[0])
            else:
                self.character(character)
        assert at == len(data)

    def osc(self, text):
        if text.startswith("8;"):
            link = text[2:]
            self.look = self.look._replace(link="" if link == ";" else link)
        else:
            self.others.append(text)

    def csi(self, private, parameters, between, final):
        if private or between or final not in "ABCDGHJKdfm":
            if private == "?" and final in "hl":
                self.mode(parameters, on=final == "h")
            else:
                self.others.append(f"{private}{parameters}{between}{final}")
            return
        if final == "m":
            self.sgr(parameters)
            return
        numbers = [int(part or 0) for part in parameters.split(";")]
        first = max(1, numbers[0])
        self.pending = False
        if final in "Hf":
            self.y = min(first, self.height) - 1
            self.x = min(max(1, numbers[1] if len(numbers) > 1 else 1), self.width) - 1
        elif final in "ABCD":
            self.x = min(max(self.x + {"C": first, "D": -first}.get(final, 0), 0), self.width - 1)
            self.y = min(max(self.y + {"B": first, "A": -first}.get(final, 0), 0), self.height - 1)
        elif final == "G":
            self.x = min(first, self.width) - 1
        elif final == "d":
            self.y = min(first, self.height) - 1
        else:
            self.erase(final, numbers[0])

    def erase(self, final, what):
        blank = Cell(" ", Look(bg=self.look.bg))
        here = range(self.x if what == 0 else 0, self.width if what != 1 else self.x + 1)
        for x in here:
            self.put(x, self.y, blank)
        if final == "J":
            rows = {0: range(self.y + 1, self.height), 1: range(self.y), 2: range(self.height)}[what]
            for y in rows:
                self.rows[y] = [blank] * self.width

    def mode(self, parameters, *, on):
        for number in parameters.split(";"):
            self.modes[number] = on
            if number == "7":
                self.wrap = on
            elif number == "1049" and on != self.alternate:
                self.alternate = on
                self.main, self.rows = self.rows, self.main
                if on:
                    self.rows = self._empty()

    def sgr(self, parameters):
        codes = parameters.split(";")
        while codes:
            code = codes.pop(0) or "0"
            fg, bg, on, link = self.look
            if code == "0":
                fg, bg, on = "", "", frozenset()
            elif code in {"38", "48"}:
                more = [codes.pop(0) for _ in range(2 if codes[0] == "5" else 4)]
                colour = ";".join([code, *more])
                fg, bg = (colour, bg) if code == "38" else (fg, colour)
            elif code in {"22", "23", "24", "25", "27", "28", "29", "54", "55"}:
                gone = {"22": "1 2", "23": "3", "24": "4 21", "25": "5 6", "54": "51 52", "55": "53"}
                on -= set(gone.get(code, code[1]).split())
            elif 30 <= int(code) <= 39 or 90 <= int(code) <= 97:
                fg = "" if code == "39" else code
            elif 40 <= int(code) <= 49 or 100 <= int(code) <= 107:
                bg = "" if code == "49" else code
            else:
                on |= {code}
            self.look = Look(fg, bg, on, link)

    def character(self, character):
        if character == "\n":
            self.x, self.pending = 0, False
            if self.y == self.height - 1:
                self.rows = [*self.rows[1:], [Cell(" ", Look(bg=self.look.bg))] * self.width]
            else:
                self.y += 1
        elif character == "\r":
            self.x, self.pending = 0, False
        elif character == "\b":
            self.x, self.pending = max(0, self.x - 1), False
        elif character == "\x07":
            self.others.append(character)
        else:
            assert not "\x00" <= character < " ", f"control {character!r}"
            assert not "\x7f" <= character <= "\x9f", f"control {character!r}"
            self.draw(character)

    def draw(self, character):
        width = get_character_cell_size(character)
        if not width:
            at = self.x if self.pending else max(0, self.x - 1)
            if self.rows[self.y][at].text == "":
                at -= 1
            cell = self.rows[self.y][at]
            self.rows[self.y][at] = cell._replace(text=cell.text + character)
            return
        if self.pending and self.wrap:
            self.character("\n")
        self.put(self.x, self.y, Cell(character, self.look), width)
        self.pending = self.x + width >= self.width
        self.x = min(self.x + width, self.width - 1)

    def put(self, x, y, cell, width=1):
        """Write a cell; what is left of a wide one that is cut becomes a blank."""
        row = self.rows[y]
        if row[x].text == "" and x:
            row[x - 1] = row[x - 1]._replace(text=" ")
        end = x + width
        if end < self.width and row[end].text == "":
            row[end] = row[end]._replace(text=" ")
        row[x:end] = [cell, *[Cell("", cell.look)] * (width - 1)]

    def visible(self):
        """What a person sees: on a blank, its background and lines only."""
        return [[_seen(cell) for cell in row] for row in self.rows]

    @property
    def lines(self):
        return ["".join(cell.text for cell in row).rstrip() for row in self.rows]


def _seen(cell):
    _, bg, on, link = cell.look
    seen = on & {"4", "5", "6", "7", "9", "21", "51", "52", "53"}
    if cell.text == " " and not seen:
        return Cell(" ", Look("", bg, frozenset(), link))
    return cell

"""Dead letters: readings the sink can never accept, to read, retry or drop."""

import json
from collections.abc import Sequence
from typing import Final, cast

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from sensor_tui.app import format as fmt
from sensor_tui.app.base import Dash
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.sensors_facts import styled
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.app.widgets.grid_messages import Chosen
from sensor_tui.app.widgets.grid_values import Cell, Column, Row, Tone
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.letter import LetterRow, LetterRows

PAGE: Final = 100
"""Dead letters on a page."""
ENGINE_STRIDE: Final = 10**9
"""An id of another engine's letter ends in its id there, which is less than this."""
COLUMNS: Final = (
    Column("id", "Id", 6, right=True, help="Its number in the ledger."),
    Column("sensor", "Sensor", 12, help="Whose reading it is, where that can be read."),
    Column("code", "Code", 4, right=True, help="The sink's answer; 0 where it was never sent."),
    Column("reason", "Reason", 36, grow=True, help="Why it can never be accepted."),
    Column("at", "Buried", 16, help="When it was given up."),
    Column("event", "Event time", 27, help="When it was measured, as stored."),
    Column("row", "Row", 9, right=True, help="Its row in the file."),
    Column("sink", "Sink", 8, help="Which sink refused it."),
    Column("source", "File", 40, help="The file it is in."),
)
_NONE: Final = "No dead letters: every reading could be sent.\nb goes back to the backlog."


def letter_rows(page: LetterRows, glyphs: Glyphs, *, stale: bool) -> list[Row]:
    """A page as rows."""
    return [_row(letter, glyphs, stale=stale) for letter in page.letters]


def _row(letter: LetterRow, glyphs: Glyphs, *, stale: bool) -> Row:
    reason = fmt.plain(letter.reason, limit=300)
    cells = {
        "id": Cell(_short_id(letter), Tone.DIM, letter.id),
        "sensor": Cell(fmt.plain(letter.sensor_id or glyphs.dash, limit=80), Tone.BOLD, letter.sensor_id),
        "code": Cell(str(letter.code), Tone.NORMAL, letter.code),
        "reason": Cell(reason, Tone.WARN, reason),
        "at": Cell(fmt.stamp(letter.at)[:16], Tone.NORMAL, letter.at),
        "event": Cell(fmt.plain(letter.event_time or glyphs.dash, limit=60), Tone.NORMAL, letter.event_time),
        "row": Cell(str(letter.row_id), Tone.NORMAL, letter.row_id),
        "sink": Cell(fmt.plain(letter.sink, limit=60), Tone.NORMAL, letter.sink),
        "source": Cell(fmt.plain(letter.source, limit=300), Tone.DIM, letter.source),
    }
    return Row(str(letter.id), cells, stale=stale)


def _short_id(letter: LetterRow) -> str:
    """Its number in its own ledger; an engine's letters have that engine's number before it."""
    return str(letter.id % ENGINE_STRIDE if letter.engine else letter.id)


def letter_text(letter: LetterRow) -> str:
    """A dead letter with its document, for reading."""
    code = f"code {letter.code}" if letter.code else "never sent"
    lines = [
        f"Reason      {letter.reason}",
        f"Answer      {code}, from {letter.sink}",
        f"Sensor      {letter.sensor_id or 'not known'}",
        f"Event time  {letter.event_time or 'not known'}",
        f"Buried      {fmt.stamp(letter.at)}",
        f"File        {letter.source}, row {letter.row_id}",
        *([f"Ledger      of {letter.engine}'s uploader"] if letter.engine else []),
        "",
        pretty(letter.document) if letter.document is not None else "No document could be made of the row.",
    ]
    return "\n".join(lines)


def pretty(document: str) -> str:
    """JSON with indents; anything else as it is."""
    try:
        return json.dumps(json.loads(document), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return document


def letters_words(number: int) -> str:
    """`1 dead letter`, `12 dead letters`."""
    return f"{fmt.count(number)} dead letter{'' if number == 1 else 's'}"


class Letters(Vertical):
    """A page of dead letters at a time; its screen's keys act on it."""

    DEFAULT_CSS = """
    Letters {
        height: 1fr;
        & #letters-status { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & #letters-grid { height: 1fr; }
    }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - as in every widget
        super().__init__(id=id)
        self._page = LetterRows((), 0)
        self._offset = 0
        self._total: int | None = None
        self._trouble = ""
        self._loading = False
        self._stale = False

    def compose(self) -> ComposeResult:
        yield Static(id="letters-status")
        yield Grid(COLUMNS, id="letters-grid", empty="Reading the dead letters.")

    @property
    def dash(self) -> Dash:
        """The app."""
        return cast("Dash", self.app)

    @property
    def grid(self) -> Grid:
        """The table of the page."""
        return self.query_one("#letters-grid", Grid)

    def open(self) -> None:
        """Read the first page and have the keys."""
        self._offset = 0
        self.load()
        self.grid.focus()

    def take(self, total: int | None, *, stale: bool) -> None:
        """How many there are now, and whether that is from before; reads the page again where it changed."""
        if stale is not self._stale:
            self._stale = stale
            self._show()
        if total != self._total:
            self._total = total
            if not stale and self.display:
                self.load()

    def load(self) -> None:
        """Read the page again."""
        self._loading = True
        self._say()
        self._load()

    def turn(self, step: int) -> None:
        """Go to the next or the previous page."""
        if step > 0 and self._page.next_offset is not None:
            self._offset = self._page.next_offset
        elif step < 0 and self._offset > 0:
            self._offset = max(0, self._offset - PAGE)
        else:
            return
        self.load()

    def read(self, key: str) -> None:
        """Show one with its document."""
        self._read(int(key))

    def retry(self) -> None:
        """Send the marked ones again, all of them where none is marked, after asking."""
        self._retry(self._marked())

    def drop(self) -> None:
        """Forget the marked ones, all of them where none is marked, after asking."""
        self._drop(self._marked())

    def on_grid_chosen(self, event: Chosen) -> None:
        """Enter on a row."""
        event.stop()
        self.read(event.key)

    def _marked(self) -> tuple[int, ...] | None:
        return tuple(sorted(int(key) for key in self.grid.marks)) or None

    @work(name="letters", group="letters", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        try:
            page = await self.dash.port.letters(offset=self._offset, limit=PAGE)
            if not page.letters and self._offset:
                self._offset = 0
                page = await self.dash.port.letters(offset=0, limit=PAGE)
        except SensorTuiError as error:
            self._trouble = fmt.plain(str(error), limit=300)
        else:
            self._page, self._trouble = page, ""
        self._loading = False
        self._show()

    @work(name="letter", group="letter", exclusive=True, exit_on_error=False)
    async def _read(self, letter: int) -> None:
        try:
            found = await self.dash.port.letter(letter)
        except SensorTuiError as error:
            self.dash.note(str(error), "error", title=error.title)
        else:
            self.dash.show_text(f"Dead letter {found.id}", letter_text(found))

    @work(group="letters-act", exit_on_error=False)
    async def _retry(self, chosen: Sequence[int] | None) -> None:
        total = self._page.total
        if chosen is None and not await self._all("Retry", "read and sent again", total, dangerous=False):
            return
        try:
            words = await self.dash.port.retry(chosen)
        except SensorTuiError as error:
            self.dash.note(str(error), "error", title=error.title)
        else:
            self._done(words)

    @work(group="letters-act", exit_on_error=False)
    async def _drop(self, chosen: Sequence[int] | None) -> None:
        number = self._page.total if chosen is None else len(chosen)
        if chosen is None:
            agreed = await self._all("Drop", "forgotten", number, dangerous=True)
        else:
            agreed = await self.dash.ask(
                f"Drop {letters_words(number)}",
                f"{letters_words(number).capitalize()} will be forgotten. {_CLOSED}",
                yes="Drop",
                dangerous=True,
            )
        if not agreed:
            return
        try:
            words = await self.dash.port.drop(chosen)
        except SensorTuiError as error:
            self.dash.note(str(error), "error", title=error.title)
        else:
            self._done(words)

    async def _all(self, verb: str, fate: str, total: int, *, dangerous: bool) -> bool:
        """Ask about all of them, since none is marked."""
        if not total:
            self.dash.note("There are no dead letters.")
            return False
        text = f"None is marked, so all {letters_words(total)} will be {fate}."
        if dangerous:
            text += f" {_CLOSED}"
        return await self.dash.ask(
            f"{verb} all {letters_words(total)}",
            f"{text} To choose some, go back and mark them with space.",
            yes=f"{verb} all",
            dangerous=dangerous,
        )

    def _done(self, words: str) -> None:
        self.grid.mark(())
        self.dash.note(words)
        self.load()

    def _show(self) -> None:
        grid = self.grid
        grid.set_empty(f"The dead letters cannot be read: {self._trouble}" if self._trouble else _NONE)
        grid.show(
            letter_rows(
                self._page, fmt.glyphs(self.dash.look.ascii), stale=self._stale or bool(self._trouble)
            )
        )
        self._say()

    def _say(self) -> None:
        page = self._page
        if page.letters:
            first, last = self._offset + 1, self._offset + len(page.letters)
            text = Content(f"{fmt.count(first)} to {fmt.count(last)} of {letters_words(page.total)}")
            if page.next_offset is not None or self._offset:
                text += Content.styled("   , and . turn pages", "$text-muted")
            text += Content.styled("   t retries, X drops the marked ones, or all", "$text-muted")
        else:
            text = Content("Reading." if self._loading else "No dead letters.")
        if self._trouble:
            text = styled(f"Not renewed: {self._trouble}   ", Tone.BAD) + text
        self.query_one("#letters-status", Static).update(text, layout=False)


_CLOSED: Final = "Their readings stay closed in the sensors' files and will never be uploaded."

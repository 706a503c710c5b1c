"""Query: SQL over a sensor's readings, or over Cosmos."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.filter import Filter
from sensor_tui.app.glyphs import Glyphs, glyphs
from sensor_tui.app.screens import query_words as words
from sensor_tui.app.screens.logs_pick import PickDialog
from sensor_tui.app.screens.query_editor import QueryEditor
from sensor_tui.app.screens.query_examples import FILE, examples
from sensor_tui.app.screens.query_history import History
from sensor_tui.app.screens.query_result import ResultGrid, rows
from sensor_tui.app.widgets.grid import Row
from sensor_tui.app.widgets.grid_messages import Chosen
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.overview import Overview
from sensor_tui.model.table import Table

LIMIT: Final = 1000
MOST: Final = 10_000
_TICK: Final = 0.5
_MANY_CELLS: Final = 5000
_TALL: Final = 35
_NOTHING: Final = Table((), ())


class QueryScreen(DashboardScreen):
    """An editor, and what the query in it brought."""

    NAME = "query"
    TITLE = "Query"
    KEYS = (
        Command("query.run", "ctrl+r,f5", "Run", "run_query", "Ask it.", footer=True, key_display="^r"),
        Command("query.write", "i", "Write", "write", "Go to the text of the query.", footer=True),
        Command("query.examples", "e", "Examples", "examples", "Take a prepared query.", footer=True),
        Command("query.target", "f", "Where", "target", "Choose a sensor's file, or Cosmos.", footer=True),
        Command("query.limit", "l", "Limit", "limit", "How many rows to bring at most.", footer=True),
        Command("query.older", "ctrl+up", "Older", "history(-1)", "Take the query that was run before."),
        Command("query.newer", "ctrl+down", "Newer", "history(1)", "Take the query that was run after."),
        Command("query.cancel", "escape", "Cancel", "cancel_query", "Wait no longer for an answer."),
    )
    HELP_TEXT = (
        "SQL over the file of one sensor, or over Cosmos, read only. While you write, letters are letters:"
        " escape leaves the text, i goes back, tab goes on. enter on a row shows all of it; ctrl+s exports"
        " what is shown; / filters it."
    )
    VERTICAL_BREAKPOINTS = [(0, "-short"), (_TALL, "-tall")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    QueryScreen {
        #query-target { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; }
        #query-said { height: auto; max-height: 7; padding: 0 1; background: $panel; }
        &.-tall QueryEditor { height: 10; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._overview = Overview()
        self._source: str | None = None
        self._is_chosen = False
        self._limit = LIMIT
        self._history = History()
        self._began: float | None = None
        self._ticking: Timer | None = None
        self._said = Content("")
        self._rows: list[Row] = []
        self._asked = False
        self._wanted = Filter()
        self._example = FILE[0].sql

    def compose_body(self) -> ComposeResult:
        yield Static(id="query-target", markup=False)
        yield QueryEditor(self._example)
        yield Static(id="query-said", markup=False)
        with Vertical(id="query-result"):
            yield ResultGrid(_NOTHING, empty=words.nothing_asked(self._overview))

    def on_mount(self) -> None:
        self._editor.focus()
        self._editor.move_cursor(self._editor.document.end)
        self._say(Content(""))

    @property
    def _editor(self) -> QueryEditor:
        return self.query_one(QueryEditor)

    @property
    def _grid(self) -> ResultGrid:
        return self.query_one(ResultGrid)

    @property
    def _signs(self) -> Glyphs:
        return glyphs(self.dash.look.ascii)

    def current_grid(self) -> ResultGrid:
        return self._grid

    def apply_filter(self, wanted: Filter) -> None:
        self._wanted = wanted
        super().apply_filter(wanted)

    def filter_counts(self) -> tuple[int, int] | None:
        grid = self._grid
        return (len(grid.rows_shown), grid.row_count) if grid.row_count else None

    # where it asks

    def look_at(self, names: Sequence[str]) -> None:
        if names:
            self.show_source(names[0])

    def show_source(self, path: str) -> None:
        """Ask this file, by its path relative to the data root."""
        self._take_target(path)

    def take(self, overview: Overview, now: float) -> None:
        del now
        self._overview = overview
        if not self._is_chosen and overview.sensors:
            first = next(iter(overview.sensors.values()))
            self._take_target(first.source, chosen=False)
        self._show_target()
        if not self._asked:
            self._grid.set_empty(words.nothing_asked(overview))

    def _take_target(self, source: str | None, *, chosen: bool = True) -> None:
        self._is_chosen = self._is_chosen or chosen
        if source == self._source:
            return
        kind_changed = (source is None) != (self._source is None)
        self._source = source
        if self.is_mounted:
            if kind_changed and self._editor.text.strip() in {"", self._example}:
                self._write(examples(source, self.dash.clock.now(), ())[0].sql)
            self._show_target()

    def _write(self, sql: str) -> None:
        self._example = sql
        self._editor.text = sql
        self._editor.move_cursor(self._editor.document.end)

    def _show_target(self) -> None:
        shown = self.query_one("#query-target", Static)
        width = shown.content_size.width
        if width:
            shown.update(words.target_line(self._source, self._limit, width, self._signs))

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_target)

    def action_target(self) -> None:
        """Choose where to ask."""
        self.run_worker(self._choose_target(), group="ask", exclusive=True, exit_on_error=False)

    async def _choose_target(self) -> None:
        known = words.targets(self._overview.sensors.values(), self.dash.clock.now())
        here = words.COSMOS if self._source is None else self._source
        dialog = PickDialog("Ask where?", words.TARGETS, known, several=False, marked=(here,))
        found = await self.app.push_screen_wait(dialog)
        if found:
            self._take_target(None if found[0] == words.COSMOS else found[0])

    # what it asks

    def action_write(self) -> None:
        """Go to the text."""
        self._editor.focus()

    def on_query_editor_left(self) -> None:
        """Escape: wait no longer, else leave the text."""
        if self._began is not None:
            self.action_cancel_query()
        else:
            self._grid.focus()

    def action_examples(self) -> None:
        """Choose a prepared query."""
        self.run_worker(self._choose_example(), group="ask", exclusive=True, exit_on_error=False)

    async def _choose_example(self) -> None:
        cities = [sensor.city for sensor in self._overview.sensors.values() if sensor.city]
        found = examples(self._source, self.dash.clock.now(), cities)
        options = [(str(place), example.title) for place, example in enumerate(found)]
        text = f"For {words.name_of(self._source)}; f chooses where. It is written, not run yet."
        chosen = await self.dash.choose("Examples", options, text=text)
        if chosen is not None:
            self._write(found[int(chosen)].sql)
            self._editor.focus()

    def action_history(self, step: int) -> None:
        """Take an earlier query, or a later one."""
        sql = self._history.go(step, self._editor.text)
        if sql is None:
            self.dash.note("There is no earlier query" if step < 0 else "This is the latest")
        else:
            self._editor.text = sql
            self._editor.move_cursor(self._editor.document.end)

    def action_limit(self) -> None:
        """Choose how many rows to bring."""
        self.run_worker(self._choose_limit(), group="ask", exclusive=True, exit_on_error=False)

    async def _choose_limit(self) -> None:
        text, value = f"1 to {MOST:,}", str(self._limit)
        while True:
            answer = await self.dash.ask_text("At most how many rows?", text, value=value, yes="Take")
            if answer is None:
                return
            digits = answer.strip().replace(",", "").replace("_", "")
            if digits.isascii() and digits.isdecimal() and 1 <= int(digits[:9]) <= MOST:
                self._limit = int(digits)
                self._show_target()
                return
            text, value = f"That is no number from 1 to {MOST:,}.", answer

    # asking

    def action_run_query(self) -> None:
        """Ask."""
        sql = self._editor.text.strip()
        if not sql:
            self.dash.note("There is no query; e shows examples", "warning")
        elif self._began is not None:
            self.dash.note("A query is being asked; escape cancels it", "warning")
        else:
            self._history.add(sql)
            self._began = self.dash.clock.monotonic()
            self._say(words.running(self._source, 0.0, self._signs))
            self._show_old()
            self._ticking = self.set_interval(_TICK, self._tick)
            work = self._run(self._source, sql, self._limit)
            self.run_worker(work, group="query", exclusive=True, exit_on_error=False)

    async def _run(self, source: str | None, sql: str, limit: int) -> None:
        try:
            result = await self.dash.port.query(source, sql, limit)
        except SensorTuiError as error:
            self._grid.set_empty(words.no_result())
            self._asked = True
            self._end(words.failed(error, source, self._signs))
            return
        if len(result.rows) * len(result.columns) > _MANY_CELLS:
            # in a thread, since it takes longer than a key press may wait
            shown = await asyncio.to_thread(rows, result)
        else:
            shown = rows(result)
        grid = ResultGrid(result, empty=words.no_rows())
        had_focus = self._grid.has_focus
        await self._grid.remove()
        await self.query_one("#query-result").mount(grid)
        grid.filter = self._wanted
        self._rows = shown
        grid.show(shown)
        if had_focus:
            grid.focus()
        self._asked = True
        self._end(words.summary(result, source, self.dash.clock.now(), self._signs))
        self._count()

    def _show_old(self) -> None:
        """What is shown is the answer to another question now."""
        self._grid.show([replace(row, stale=True) for row in self._rows])

    def _tick(self) -> None:
        if self._began is not None:
            self._say(words.running(self._source, self.dash.clock.monotonic() - self._began, self._signs))

    def _say(self, said: Content) -> None:
        if not said.is_same(self._said) or not self._said:
            self._said = said
            self.query_one("#query-said", Static).update(said)

    def _end(self, said: Content) -> None:
        self._began = None
        if self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
        self._say(said)

    def action_cancel_query(self) -> None:
        """Wait no longer."""
        if self._began is not None:
            seconds = self.dash.clock.monotonic() - self._began
            self.workers.cancel_group(self, "query")
            self._end(words.cancelled(seconds, self._signs))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "query" and event.state is WorkerState.ERROR:
            self._end(words.broken(f"The query broke off: {event.worker.error}", self._signs))

    def on_grid_chosen(self, event: Chosen) -> None:
        """Show all of the row."""
        event.stop()
        self.dash.show_text(f"Row {int(event.key) + 1}", self._grid.whole(event.key))

"""Logs: what any units write, merged by time."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from textual.app import ComposeResult
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.filter import Filter
from sensor_tui.app.format import plain, stamp
from sensor_tui.app.glyphs import glyphs
from sensor_tui.app.logbook import KEPT, Level, LogBook
from sensor_tui.app.screens.logs_ask import ask_and_save, ask_time
from sensor_tui.app.screens.logs_bar import LogsBar, LogsState, empty_text
from sensor_tui.app.screens.logs_feed import FeedState, LogFeed
from sensor_tui.app.screens.logs_keys import LOG_KEYS, STEPS
from sensor_tui.app.screens.logs_names import labels_of, matcher
from sensor_tui.app.screens.logs_pick import ALL, PickDialog
from sensor_tui.app.screens.logs_save import iso, line_of
from sensor_tui.app.screens.logs_units import COLUMNS, rows
from sensor_tui.app.widgets.filterbar import FilterBar
from sensor_tui.app.widgets.loglines import LogLines
from sensor_tui.app.widgets.loglines_draw import Label
from sensor_tui.app.widgets.loglines_view import LogView
from sensor_tui.model.overview import Link, Overview

DRAW_SECONDS: Final = 0.1
SLOW_DRAW_SECONDS: Final = 0.5
AWAY_SECONDS: Final = 60.0
"""How long lines are read on while another screen is shown."""
_LEVELS: Final = (Level.NONE, Level.INFO, Level.WARN, Level.ERROR)


class LogsScreen(DashboardScreen):
    """Lines of the chosen units, the newest at the bottom."""

    NAME = "logs"
    TITLE = "Logs"
    KEYS = LOG_KEYS
    HELP_TEXT = (
        "Lines of all units, or of those chosen with u, merged by time. It follows the newest line until you"
        " go up; f or G follows again. / hides what does not match (words, /regex/, !inverse, unit:name,"
        " level:error); & shows all lines and points at those that match, n and N go from one to the next."
    )

    def __init__(self) -> None:
        super().__init__()
        self._book = LogBook(partial(plain, limit=KEPT))
        self._view = LogView(self._book)
        self._feed: LogFeed | None = None
        self._overview = Overview()
        self._chosen: tuple[str, ...] = ()
        self._read: tuple[str, ...] = ()
        self._labels: dict[str, Label] = {}
        self._wanted = Filter()
        self._cleared = False
        self._jump: float | None = None
        self._away: Timer | None = None
        self._due = False
        self._drawn = 0.0

    def compose_body(self) -> ComposeResult:
        signs = glyphs(self.dash.look.ascii)
        yield LogsBar(signs)
        yield LogLines(self._view, glyphs=signs)

    def on_mount(self) -> None:
        self._feed = LogFeed(self.dash.port, self.dash.clock, self._book, self._took)
        self._lines.focus()

    @property
    def _lines(self) -> LogLines:
        return self.query_one(LogLines)

    # units and their lines

    def look_at(self, names: Sequence[str]) -> None:
        self.show_units(names)

    def show_units(self, units: Sequence[str]) -> None:
        """Read the lines of these units, of all where there is none."""
        self._chosen = tuple(units)
        self._read = ()
        self._cleared = False
        if self._feed is not None:
            self._feed.begin_anew()
            self._view.update()
            self._lines.follow()
            self.take(self.dash.overview, self.dash.clock.now())

    def take(self, overview: Overview, now: float) -> None:
        del now
        was, self._overview = self._overview, overview
        if overview.units is not was.units:
            self._labels = labels_of(overview.units)
            if not self._wanted.empty:
                self._view.match = matcher(self._wanted, self._labels)
            self._lines.label(self._labels)
        units = tuple(key for key in self._chosen or sorted(overview.units) if key in overview.units)
        back = overview.link is Link.LIVE and was.link is not Link.LIVE
        if units != self._read or (back and self._state is FeedState.BROKEN):
            self._start(units, resume=bool(self._read))
        self._tell()

    def _start(self, units: tuple[str, ...], *, resume: bool = False, since: float | None = None) -> None:
        self._read = units
        if self._feed is None or not units:
            self.workers.cancel_group(self, "logs")
            return
        work = self._feed.run(units, resume=resume, since=since)
        self.run_worker(work, group="logs", exclusive=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "logs" and event.state is WorkerState.ERROR and self._feed is not None:
            self._feed.state, self._feed.problem = FeedState.BROKEN, plain(str(event.worker.error))
            self._tell()

    @property
    def _state(self) -> FeedState:
        return FeedState.IDLE if self._feed is None else self._feed.state

    def on_screen_suspend(self) -> None:
        if self._away is None:
            self._away = self.set_timer(AWAY_SECONDS, self.stop_reading)

    def on_screen_resume(self) -> None:
        if self._away is not None:
            self._away.stop()
            self._away = None
        if self.is_mounted:
            self._draw()

    def stop_reading(self) -> None:
        """Read no further; what came meanwhile is read when the screen is shown again."""
        self.workers.cancel_group(self, "logs")
        if self._feed is not None:
            self._feed.state = FeedState.IDLE
        self._read = ("",)

    # drawing, so many times a second however many lines come

    def _took(self) -> None:
        self._view.update()
        if self._due:
            return
        self._due = True
        pause = SLOW_DRAW_SECONDS if self.dash.look.low_bandwidth else DRAW_SECONDS
        wait = self._drawn + pause - self.dash.clock.monotonic()
        if wait > 0:
            self.set_timer(wait, self._draw)
        else:
            self.call_later(self._draw)

    def _draw(self) -> None:
        self._due = False
        if not self.is_current:
            return
        self._drawn = self.dash.clock.monotonic()
        if self._jump is not None and len(self._view):
            target, self._jump = self._jump, None
            self._lines.go(self._view.at_time(target))
        self._lines.sync()
        self._tell()

    def _tell(self) -> None:
        state = self._standing()
        self.query_one(LogsBar).say(state)
        self._lines.say(empty_text(state))
        self.query_one(FilterBar).count(self.filter_counts())

    def _standing(self) -> LogsState:
        lines, view, overview = self._lines, self._view, self._overview
        entry = None if lines.follows else lines.entry
        day = "" if entry is None or entry.at is None else stamp(entry.at)[:10]
        one = self._labels.get(self._read[0]) if len(self._read) == 1 else None
        return LogsState(
            link=overview.link,
            link_problem=overview.problem,
            feed=self._state,
            problem="" if self._feed is None else self._feed.problem,
            follows=lines.follows,
            newer=lines.newer,
            units=len(self._read),
            known=len(overview.units),
            name="" if one is None else one.text,
            chosen=bool(self._chosen),
            lines=len(view),
            kept=len(self._book),
            dropped=self._book.dropped,
            found=None if view.hiding or view.match is None else view.matching,
            wanted=plain(self._wanted.text) if view.hiding else "",
            at_least=view.at_least,
            wraps=lines.wraps,
            cleared=self._cleared,
            day="" if day == stamp(self.dash.clock.now())[:10] else day,
        )

    def on_log_lines_moved(self) -> None:
        self._tell()

    # filter and find

    def apply_filter(self, wanted: Filter) -> None:
        self._wanted = wanted
        self._view.match = None if wanted.empty else matcher(wanted, self._labels)
        self._lines.look_for(wanted.text)
        self._lines.measure()
        self._tell()

    def filter_counts(self) -> tuple[int, int] | None:
        hiding = self._view.hiding or self._view.match is None
        return (len(self._view) if hiding else self._view.matching, len(self._book))

    @property
    def dropped_lines(self) -> int:
        return self._book.dropped

    def action_hide(self) -> None:
        """Hide lines that do not match, or show all and point at those that do."""
        self._view.hiding = not self._view.hiding
        self._lines.measure()
        if self._view.match is None:
            said = (
                "Lines that do not match will be hidden" if self._view.hiding else "All lines will be shown"
            )
            self.dash.note(f"{said}; / begins to look for some")
        self._tell()

    def action_find(self, step: int) -> None:
        """Go to the next line that matches, or the one before."""
        if self._view.match is None:
            self.dash.note("Nothing is looked for; / begins", "warning")
            return
        there = self._view.find(self._lines.index, step)
        if there is None:
            self.dash.note("No line matches", "warning")
        else:
            self._lines.go(there)

    def action_level(self) -> None:
        """Hide lines of the next lower level, or none."""
        place = (_LEVELS.index(self._view.at_least) + 1) % len(_LEVELS)
        self._view.at_least = _LEVELS[place]
        self._lines.measure()
        self._tell()

    def action_clear_chosen(self) -> None:
        """End the selection; else show every line."""
        if self._lines.end_selection():
            return
        if not self._wanted.empty:
            self.query_one(FilterBar).clear()
        elif self._view.at_least:
            self._view.at_least = Level.NONE
            self._lines.measure()
            self._tell()

    # moving

    def action_follow(self) -> None:
        """Follow the newest line, or stay here."""
        if self._lines.follows:
            self._lines.pause()
        else:
            self._lines.follow()

    def action_move(self, by: int) -> None:
        """Go so many lines down."""
        self._lines.go(self._lines.index + by)

    def action_select(self, by: int) -> None:
        """Go so many lines down and select them."""
        self._lines.go(self._lines.index + by, select=True)

    def action_page(self, by: int) -> None:
        """Go so many pages down."""
        self._lines.page(by)

    def action_first(self) -> None:
        """Go to the oldest line kept."""
        self._lines.go(0)

    def action_last(self) -> None:
        """Go to the newest line and follow."""
        self._lines.follow()

    def action_sideways(self, by: int) -> None:
        """Move the lines to the side."""
        self._lines.sideways(by)

    def action_begin_selection(self) -> None:
        """Select from here, or no more."""
        self._lines.begin_selection()

    def action_later(self, step: str) -> None:
        """Go so much time forth or back."""
        entry = self._lines.entry
        if entry is not None:
            self._go_to(entry.when + STEPS[step], forth=STEPS[step] > 0)

    def action_time(self) -> None:
        """Ask for a time and go there."""
        self.run_worker(self._ask_time(), group="ask", exclusive=True, exit_on_error=False)

    async def _ask_time(self) -> None:
        there = await ask_time(self.dash)
        if there is not None:
            self._go_to(there)

    def _go_to(self, there: float, *, forth: bool = False) -> None:
        """Go to the first line from then on; lines older than those kept are read first."""
        if not forth and self._read and len(self._book) and there < self._book[self._book.first].when:
            if self._feed is not None:
                self._feed.begin_anew()
            self._view.update()
            self._jump = there
            self._start(self._read, since=there)
            self._tell()
        elif len(self._view):
            self._lines.go(self._view.at_time(there))

    # the rest

    def action_units(self) -> None:
        """Choose units."""
        self.run_worker(self._ask_units(), group="ask", exclusive=True, exit_on_error=False)

    async def _ask_units(self) -> None:
        known = rows(self._overview.units.values())
        dialog = PickDialog("Whose lines?", COLUMNS, known, several=True, marked=self._chosen)
        found = await self.app.push_screen_wait(dialog)
        if found:
            self.show_units(() if ALL in found else found)

    def action_whole(self) -> None:
        """Show the whole line."""
        entry = self._lines.entry
        if entry is not None:
            name = self._names.get(entry.unit, "")
            more = f"\n\n{entry.lost:,} more characters were cut off." if entry.lost else ""
            level = entry.level.name if entry.level else "no level"
            self.dash.show_text(
                name or "Log line", f"{iso(entry.at)}  {level}  {entry.stream}\n\n{entry.text}{more}"
            )

    def action_copy_lines(self) -> None:
        """Copy the line, or all that are selected."""
        entries = self._lines.selected
        if entries:
            text = "\n".join(line_of(entry, self._names) for entry in entries)
            self.dash.copy(text, "1 line" if len(entries) == 1 else f"{len(entries):,} lines")

    def action_save(self) -> None:
        """Write what is shown to a file."""
        if len(self._view):
            self.run_worker(self._save(), group="ask", exclusive=True, exit_on_error=False)
        else:
            self.dash.note("There is no line to save", "warning")

    async def _save(self) -> None:
        entries = [self._view[index] for index in range(len(self._view))]
        await ask_and_save(self.dash, entries, self._names)

    def action_clear_lines(self) -> None:
        """Forget the lines shown; new ones show again."""
        if self._feed is not None:
            self._feed.clear()
        self._cleared = True
        self._lines.measure()
        self._lines.follow()

    def action_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self._lines.wraps = not self._lines.wraps
        self._lines.measure()
        self._tell()

    def action_names(self) -> None:
        """Show whose line it is, or not."""
        self._lines.named = not self._lines.named
        self._lines.measure()

    @property
    def _names(self) -> dict[str, str]:
        return {key: label.text for key, label in self._labels.items()}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave escape to others where there is nothing to clear."""
        if action == "clear_chosen" and self.is_mounted:
            return self._lines.began is not None or not self._wanted.empty or bool(self._view.at_least)
        return super().check_action(action, parameters)

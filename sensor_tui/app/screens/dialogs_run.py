"""How an action goes, unit by unit, until it has ended."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from sensor_tui.app.format import age, count, fit, glyphs, plain
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.dialogs import LiveDialog, Words
from sensor_tui.app.screens.dialogs_action import NAME_WIDTH, Piece, many
from sensor_tui.model.action import ActionRun, Proof, Step, UnitOutcome
from sensor_tui.model.overview import Overview

ENDED: Final = frozenset({Step.DONE, Step.FAILED, Step.SKIPPED})
BAR: Final = 30
OTHERS: Final = 8
SHORT: Final = 20
"""Cells of a message that stands in the same line."""
STEP_WIDTH: Final = max(map(len, Step))


def summary(run: ActionRun) -> str:
    """How it stands or ended, in a line: `restart of 3 units: 2 done (1 proven, 1 not proven), 1 failed`."""
    steps = Counter(each.step for each in run.outcomes)
    proofs = Counter(each.proof for each in run.outcomes)
    proven = [
        f"{count(proofs[proof])} {proof}" for proof in (Proof.PROVEN, Proof.NOT_PROVEN) if proofs[proof]
    ]
    parts = [f"{count(steps[Step.DONE])} done" + (f" ({', '.join(proven)})" if proven else "")]
    parts += [f"{count(steps[step])} {step}" for step in (Step.FAILED, Step.SKIPPED) if steps[step]]
    left = sum(each.step not in ENDED for each in run.outcomes)
    if left:
        parts.append(f"{count(left)} to go")
    if run.cancelled:
        parts.append("cancelled")
    if run.halted:
        parts.append(f"halted: {plain(run.halted)}")
    return f"{run.kind} of {many(len(run.outcomes), 'unit')}: {', '.join(parts)}"


class RunDialog(LiveDialog[None]):
    """Shows one run; it goes on when this is hidden."""

    DEFAULT_CSS = """
    RunDialog .items { height: 1; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,h,W", "back", "Hide"),
        Binding("enter", "done", "Close"),
        Binding("c", "cancel", "Cancel"),
    ]

    def __init__(self, run: ActionRun, cancel: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(f"{run.kind.capitalize()} {many(len(run.outcomes), 'unit')}")
        self.run = run
        self.cancelling = False
        self._cancel = cancel
        self._now = run.began

    def compose_box(self) -> ComposeResult:
        yield Words(id="summary")
        with VerticalScroll(classes="items"):
            yield Words(id="items")

    def on_mount(self) -> None:
        self._show()

    def take(self, overview: Overview, now: float) -> None:
        self._now = now
        for run in overview.actions:
            if run.id == self.run.id:
                self.run = run
        self._show()

    def _show(self) -> None:
        if not self.query("#items"):  # news that comes while it is being made is shown when it is mounted
            return
        run, marks = self.run, glyphs(self.dash.look.ascii)
        ended = run.ended is not None
        over = sum(each.step in ENDED for each in run.outcomes)
        filled = BAR * over // max(1, len(run.outcomes))
        took = age(max(0.0, (run.ended or self._now) - run.began))
        text = summary(run)
        pieces: list[Piece] = [
            (f"{marks.bar * filled}{marks.bar_empty * (BAR - filled)}", "$text-accent"),
            (f"  {over}/{len(run.outcomes)}  {took}\n", ""),
            (text[0].upper() + text[1:], "bold $text-error" if ended and run.failed else "bold"),
        ]
        if self.cancelling and not ended:
            pieces.append(
                ("\nCancelling: what has begun is finished, no further unit begins.", "$text-warning")
            )
        self.query_one("#summary", Words).show(Content.assemble(*pieces))
        items = Content("\n").join(outcome_line(each, marks) for each in run.outcomes)
        self.query_one("#items", Words).show(items)
        self.fit_pane(self.query_one(".items", VerticalScroll), items, OTHERS)
        self.set_class(ended and bool(run.failed), "-danger")
        self.say("enter close" if ended else "esc hide, W shows it again   c cancel the rest")

    def action_done(self) -> None:
        """Close it when it has ended."""
        if self.run.ended is not None:
            self.dismiss(None)

    def action_cancel(self) -> None:
        """Begin with no further unit."""
        if self.run.ended is None and not self.cancelling:
            self.cancelling = True
            self.app.run_worker(self._ask(), group="action-cancel", exit_on_error=False)
            self._show()

    async def _ask(self) -> None:
        await self._cancel(self.run.id)


def outcome_line(outcome: UnitOutcome, marks: Glyphs) -> Content:
    """One unit of a run: sign, name, step, proof and what there is to say."""
    mark, style = _sign(outcome, marks)
    pieces: list[Piece] = [(f"{mark} {fit(plain(outcome.name), NAME_WIDTH, False, marks.ellipsis)}  ", style)]
    pieces.append((f"{outcome.step.value:<{STEP_WIDTH}}", style))
    if outcome.unsent is not None and outcome.step is Step.DRAINING:
        pieces.append((f"  {count(outcome.unsent)} unsent left", ""))
    said = []
    if outcome.proof is Proof.PROVEN:
        pieces.append((f"  {marks.good} proven", "$text-success"))
    elif outcome.proof is Proof.NOT_PROVEN:
        pieces.append((f"  {marks.warning} not proven", "bold $text-warning"))
        said.append(outcome.missing)
    words = "; ".join(plain(text) for text in (*said, outcome.message) if text)
    if words:
        pieces.append((f"  {words}" if cell_len(words) <= SHORT else f"\n  {words}", "$text-muted"))
    return Content.assemble(*pieces)


def _sign(outcome: UnitOutcome, marks: Glyphs) -> tuple[str, str]:
    match outcome.step:
        case Step.DONE if outcome.proof is Proof.NOT_PROVEN:
            return marks.warning, "$text-warning"
        case Step.DONE:
            return marks.good, "$text-success"
        case Step.FAILED:
            return marks.failed, "$text-error"
        case Step.SKIPPED | Step.WAITING:
            return marks.bullet, "$text-muted"
        case _:
            return marks.starting, "$text-accent"

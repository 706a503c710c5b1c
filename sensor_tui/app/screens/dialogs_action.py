"""What an action would do and how it is to be done, asked before it is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static
from textual.worker import Worker, WorkerState

from sensor_tui.app.format import count, fit, glyphs, plain
from sensor_tui.app.screens.dialogs import Check, Dialog, Words, button
from sensor_tui.app.widgets.textfield import TextField
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.action import ActionKind, ActionOptions, Plan, PlanItem

DESTROYED: Final = "DESTROYED"
TYPED: Final = "destroy"
"""What is to be typed where how much would be lost is not known."""
WIPES: Final = frozenset({ActionKind.RESET, ActionKind.REMOVE})
MOST_AT_ONCE: Final = 100
NAME_WIDTH: Final = 30
OTHERS: Final = 15
"""Lines of the dialog that are not units."""

Piece = tuple[str, str]


def many(n: int, thing: str) -> str:
    """A number of things: `1 unit`, `12 units`."""
    return f"{count(n)} {thing}{'' if n == 1 else 's'}"


class ConfirmAction(Dialog[ActionOptions | None]):
    """Shows a plan and lets its options be changed; ends with the options, or None."""

    DEFAULT_CSS = """
    ConfirmAction .items { height: 1; margin: 1 0; }
    ConfirmAction .line { height: 1; }
    ConfirmAction .line Static { width: auto; }
    ConfirmAction Input.number { width: 8; }
    ConfirmAction #typed-line { display: none; }
    ConfirmAction.-typed #typed-line { display: block; }
    ConfirmAction #typed { width: 14; }
    ConfirmAction.-refused .options { display: none; }
    ConfirmAction.-single #batch-line, ConfirmAction.-single #halt { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,ctrl+enter", "go", show=False),
        Binding("d", "turn('drain')", show=False),
        Binding("w", "turn('wipe')", show=False),
        Binding("f", "turn('halt')", show=False),
        Binding("plus,equals_sign", "batch(1)", show=False),
        Binding("minus", "batch(-1)", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("pageup", "scroll(-8)", show=False),
        Binding("pagedown", "scroll(8)", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    AUTO_FOCUS = ""
    HINT = "tab next   space change   arrows scroll   enter press   esc cancel"

    def __init__(
        self,
        kind: ActionKind,
        units: Sequence[str],
        look: Callable[[ActionOptions], Awaitable[Plan]],
        plan: Plan | None = None,
    ) -> None:
        super().__init__(f"{kind.capitalize()} {many(len(units), 'unit')}")
        self.set_class(len(units) == 1, "-single")
        self.kind = kind
        self.plan = plan
        self.options = ActionOptions() if plan is None else plan.options
        self._look = look
        self._problem = ""

    def compose_box(self) -> ComposeResult:
        yield Words(id="summary")
        with VerticalScroll(classes="items", can_focus=False):
            yield Words(id="items")
        with Horizontal(classes="options line"):
            if self.kind.ends:
                yield Check("d drain first", "drain", value=self.options.drain)
            if self.kind in WIPES:
                yield Check("w wipe data", "wipe", value=self.options.wipe_data)
            yield Check("f halt at a failure", "halt", value=self.options.stop_on_failure)
        with Horizontal(classes="options line", id="batch-line"):
            yield Static(Content("units at a time, +/-: "))
            yield TextField(str(self.options.batch), id="batch", classes="number", type="integer",
                            compact=True, max_length=3, select_on_focus=False)  # fmt: skip
        with Horizontal(id="typed-line", classes="line"):
            yield Static("", id="typed-label")
            yield TextField(id="typed", compact=True, select_on_focus=False)
        with Horizontal(classes="buttons"):
            yield button(self.kind.capitalize(), "go")
            yield button("Cancel", "no")

    def on_mount(self) -> None:
        self._show()
        self.query_one("#go" if self.plan else "#no", Button).focus()
        if self.plan is None:
            self._ask()

    @property
    def word(self) -> str:
        """What has to be typed; empty where nothing has."""
        if self.plan is None or not self.plan.destroys:
            return ""
        return str(self.plan.unsent) if self.plan.unsent else TYPED

    @property
    def ready(self) -> bool:
        """Whether it may begin."""
        return (
            self.plan is not None
            and any(item.applies for item in self.plan.items)
            and self.query_one("#typed", Input).value.strip().replace(",", "").lower() == self.word
        )

    def _ask(self) -> None:
        self.run_worker(self._look(self.options), group="plan", exclusive=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Take the plan, or say why there is none."""
        if event.worker.group != "plan":
            return
        event.stop()
        if event.state is WorkerState.SUCCESS and isinstance(event.worker.result, Plan):
            first = self.plan is None
            self.plan, self._problem = event.worker.result, ""
            self._show()
            if first and not self.plan.destroys and self.focused in {None, self.query_one("#no")}:
                self.query_one("#go", Button).focus()
        elif event.state is WorkerState.ERROR:
            error = event.worker.error
            self.plan = None
            self._problem = str(error) if isinstance(error, SensorTuiError) else repr(error)
            self._show()

    def _show(self) -> None:
        plan = self.plan
        self.set_class(plan is not None and plan.destroys, "-danger")
        typing = self.has_class("-typed")
        self.set_class(bool(self.word), "-typed")
        self.set_class(plan is not None and not any(item.applies for item in plan.items), "-refused")
        if plan is None:
            wait = plain(self._problem) or "Looking at what this would mean."
            summary = Content.styled(wait, "$text-error" if self._problem else "$text-muted")
            items = Content("")
        else:
            summary = Content.assemble(*summary_of(plan))
            items = Content("\n").join(item_line(item, self.dash.look.ascii) for item in plan.items)
            self.fit_pane(self.query_one(".items", VerticalScroll), items, OTHERS)
        self.query_one("#summary", Words).show(summary)
        self.query_one("#items", Words).show(items)
        self.query_one("#typed-label", Static).update(Content(f"type {self.word} to go on: "))
        self._enable()
        if self.word and not typing:
            self.query_one("#typed", Input).focus()

    def _enable(self) -> None:
        self.query_one("#go", Button).disabled = not self.ready

    def action_turn(self, name: str) -> None:
        """Change an option."""
        for box in self.query(f"#{name}").results(Check):
            box.action_turn()

    def action_scroll(self, lines: int) -> None:
        """Go down the list so many lines."""
        self.query_one(".items", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_batch(self, step: int) -> None:
        """More or fewer units at a time."""
        field = self.query_one("#batch", Input)
        field.value = str(max(1, min(MOST_AT_ONCE, self.options.batch + step)))

    @on(Check.Changed)
    def _checked(self, event: Check.Changed) -> None:
        event.stop()
        match event.check.id:
            case "drain":
                self.options = replace(self.options, drain=event.value)
            case "wipe":
                self.options = replace(self.options, wipe_data=event.value)
            case _:
                self.options = replace(self.options, stop_on_failure=event.value)
        self._ask()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.input.id == "batch" and event.value.isdecimal():
            self.options = replace(self.options, batch=max(1, min(MOST_AT_ONCE, int(event.value))))
        self._enable()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_go()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "go":
            self.action_go()
        else:
            self.dismiss(None)

    def action_go(self) -> None:
        """Begin, where it may."""
        if self.ready:
            self.dismiss(self.options)


def summary_of(plan: Plan) -> list[Piece]:
    """What the plan means, in one sentence or two."""
    affected = [item for item in plan.items if item.applies]
    if not affected:
        return [("Nothing to do: it applies to none of these.", "$text-warning")]
    pieces: list[Piece] = [(f"{many(len(affected), 'unit')}", "bold")]
    if not plan.kind.ends:
        return [*pieces, (f" to {plan.kind}.", "")]
    unknown = sum(item.unsent is None for item in affected)
    doomed = sum(item.unsent or 0 for item in affected if item.destroys)
    kept = sum(item.unsent or 0 for item in affected if not item.destroys)
    if doomed:
        pieces += [(f", {many(doomed, 'reading')} not yet uploaded would be ", ""), (DESTROYED, _BAD)]
    if kept:
        pieces.append((f", {many(kept, 'reading')} not yet uploaded", "$text-warning"))
    if not (doomed or kept or unknown):
        pieces.append((", no reading that is not yet uploaded", ""))
    if unknown:
        words = f", for {many(unknown, 'unit')} nobody knows how many readings are not yet uploaded"
        pieces.append((words, "$text-warning"))
    pieces.append((".", ""))
    if plan.destroys:
        pieces.append((" Their data folders are deleted.", "$text-error"))
    if doomed or kept or unknown:
        pieces.append(_first(plan))
    return pieces


_BAD: Final = "bold $text-error"


def _first(plan: Plan) -> Piece:
    """What becomes of unsent readings before anything else."""
    timeout = plan.options.drain_timeout
    if not plan.options.drain:
        rest = "" if plan.destroys else "; they wait in their files"
        return f" They are not uploaded first{rest}.", "bold $text-warning"
    rest = "unless all are, nothing is done" if plan.destroys else "what is left waits in its file"
    return f" They are uploaded first, for at most {timeout:.0f} s; {rest}.", "$text-success"


def item_line(item: PlanItem, ascii: bool) -> Content:  # noqa: A002 - the word operators know
    """One unit of a plan."""
    marks = glyphs(ascii)
    name = fit(plain(item.name), max(NAME_WIDTH, min(44, cell_len(plain(item.name)))), False, marks.ellipsis)
    if not item.applies:
        return Content.styled(
            f"{marks.bullet} {name}  skipped{f': {plain(item.note)}' if item.note else ''}", "$text-muted"
        )
    if item.unsent is None:
        unsent: Piece = ("unsent: not known", "$text-warning")
    elif item.unsent:
        unsent = (f"{count(item.unsent)} unsent", "")
    else:
        unsent = ("nothing unsent", "$text-muted")
    pieces: list[Piece] = [(f"{marks.right} {name}  ", ""), unsent]
    if item.destroys:
        pieces.append((f"  {'data deleted' if item.unsent == 0 else DESTROYED}", "bold $text-error"))
    if item.note:
        pieces.append((f"  {plain(item.note)}", "$text-muted"))
    return Content.assemble(*pieces)

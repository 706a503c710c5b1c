"""The pane about one unit."""

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from sensor_tui.app.format import in_signs
from sensor_tui.app.screens.fleet_facts import About, facts, head


class UnitDetail(Container):
    """Shows a unit; its screen says which one, and brings the log lines."""

    DEFAULT_CSS = """
    UnitDetail {
        layout: vertical;
        background: $surface;
        & > #unit-head { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > #unit-scroll { height: 1fr; scrollbar-size-vertical: 1; }
        & #unit-facts { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
        &.-stale #unit-facts { color: $text-muted; }
    }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - as in every widget
        super().__init__(id=id)
        self._texts: dict[str, Content] = {}
        self._unit: str | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="unit-head")
        with VerticalScroll(id="unit-scroll", can_focus=False):
            yield Static(id="unit-facts")

    @property
    def columns(self) -> int:
        """How wide a line may be."""
        return max(20, self.content_size.width - 1)

    def show(self, about: About | None) -> None:
        """Show a unit; None where no unit is chosen."""
        unit = None if about is None else about.unit.id
        if unit != self._unit:
            self._unit = unit
            self.query_one("#unit-scroll").scroll_home(animate=False)
        if about is None:
            self._say("unit-head", Content.styled("No unit is chosen.", "$text-muted"))
            self._say("unit-facts", Content(""))
            return
        self._say("unit-head", in_signs(head(about), about.glyphs))
        self._say("unit-facts", in_signs(Content("\n").join(facts(about)), about.glyphs))

    def turn(self, by: int) -> None:
        """Show what is so many lines below."""
        self.query_one("#unit-scroll").scroll_relative(y=by, animate=False)

    def _say(self, name: str, text: Content) -> None:
        before = self._texts.get(name)
        if before != text:
            self._texts[name] = text
            taller = before is None or before.plain.count("\n") != text.plain.count("\n")
            self.query_one(f"#{name}", Static).update(text, layout=taller)

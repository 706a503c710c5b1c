"""A real Textual app, small enough to start at once: what is typed is shown."""

from textual.app import App, ComposeResult
from textual.events import Key
from textual.widgets import Static


class Tiny(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("Sensors of Manila ● ▲ ▌ ─┼─ 温度", id="text", markup=False)

    def on_key(self, event: Key) -> None:
        if event.key == "q":
            self.exit()
        self.query_one("#text", Static).update(f"pressed {event.key}")


if __name__ == "__main__":
    Tiny().run()

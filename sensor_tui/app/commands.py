"""One definition of a command gives its key, its place in footer, help, palette and keymap."""

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Command:
    """Something an operator can do where it is offered; `action` is a Textual action of the screen or app."""

    id: str
    """`fleet.stop`: what a keymap names."""
    keys: str
    """Keys, separated by commas, the first is shown."""
    title: str
    """One or two words, for the footer."""
    action: str
    help: str
    """One sentence, for help and palette."""
    footer: bool = False
    changes: bool = False
    """It changes something outside the dashboard, so that read-only mode refuses it."""
    palette: bool = True
    priority: bool = False
    """It is done before the next key is looked at: what is typed right after it belongs to it."""
    key_display: str | None = None

    @property
    def binding(self) -> Binding:
        """As Textual wants it."""
        return Binding(
            self.keys,
            self.action,
            self.title,
            show=self.footer,
            id=self.id,
            tooltip=self.help,
            key_display=self.key_display,
            priority=self.priority,
        )


def bindings(commands: Iterable[Command]) -> list[Binding]:
    """Bindings of some commands."""
    return [command.binding for command in commands]

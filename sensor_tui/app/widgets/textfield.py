"""A line to type or paste into that shows nothing raw, whatever was pasted."""

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import Input

from sensor_tui.app.format import shown


class TextField(Input):
    """An `Input` whose value stays what it is, and is drawn as safely as everything else."""

    def render_line(self, y: int) -> Strip:
        """The line, with something visible for each character that would command or hide."""
        strip = super().render_line(y)
        if all(segment.text.isprintable() for segment in strip):
            return strip
        width = strip.cell_length
        safe = Strip([Segment(shown(text), style) for text, style, _ in strip])
        return safe.adjust_cell_length(width, self.rich_style)

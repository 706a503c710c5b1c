"""Where SQL is written: words of the language stand out, and nothing that is pasted harms the screen."""

import re
import unicodedata
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

_KEYWORDS: Final = (
    "select|distinct|top|value|from|in|join|left|inner|outer|cross|on|using|where|and|or|not|is|null|true|false"
    "|like|glob|between|exists|group|by|having|order|asc|desc|limit|offset|union|all|intersect|except|with"
    "|recursive|as|case|when|then|else|end|cast|over|partition|filter|pragma|explain|collate|escape"
)
_TOKENS: Final = re.compile(
    r"(?P<comment>--.*|/\*.*?(?:\*/|$))"
    r"|(?P<text>'(?:''|[^'])*'?|\"(?:\"\"|\\.|[^\"\\])*\"?)"
    r"|(?P<number>\b\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?\b)"
    rf"|\b(?P<keyword>{_KEYWORDS})\b"
    r"|\b(?P<call>[a-z_]\w*)(?=\()",
    re.IGNORECASE,
)


class QueryEditor(TextArea):
    """A few lines of SQL. Escape leaves it, so that single keys are commands again."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Done", show=True)]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "query-editor--keyword",
        "query-editor--text",
        "query-editor--number",
        "query-editor--call",
        "query-editor--comment",
    }
    DEFAULT_CSS = """
    QueryEditor {
        height: 5; padding: 0 1; border: none; background: $surface;
        border-left: outer $panel;
        &:focus { border: none; border-left: outer $accent; }
        .query-editor--keyword { color: $text-primary; text-style: bold; }
        .query-editor--text { color: $text-success; }
        .query-editor--number { color: $text-warning; }
        .query-editor--call { color: $text-accent; }
        .query-editor--comment { color: $text-muted; text-style: italic; }
    }
    """

    class Left(Message):
        """The operator wants out."""

    def __init__(self, text: str = "") -> None:
        super().__init__(
            text, soft_wrap=True, tab_behavior="focus", highlight_cursor_line=False, compact=True
        )

    def get_line(self, line_index: int) -> Text:
        """A line, its words coloured."""
        line = super().get_line(line_index)
        source = shown(line.plain)
        line.plain = source
        for token in _TOKENS.finditer(source):
            style = self.get_component_rich_style(f"query-editor--{token.lastgroup}", partial=True)
            line.stylize(style, *token.span())
        return line

    def action_leave(self) -> None:
        """Stop writing."""
        self.post_message(self.Left())


def shown(source: str) -> str:
    """The text with a dot for every character that is not simply drawn; as long as it was."""
    if source.isascii() and source.isprintable():
        return source
    return "".join(
        letter if letter == "\t" or (letter.isprintable() and not unicodedata.combining(letter)) else "·"
        for letter in source
    )

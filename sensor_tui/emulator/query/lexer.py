"""A query's text as words."""

import re
from dataclasses import dataclass

import orjson

from sensor_tui.emulator.answers import CosmosError, bad_request

MAX_QUERY = 512 * 1024

_WORDS = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<parameter>@[A-Za-z0-9_]+)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<symbol><=|>=|<>|!=|\?\?|\|\||[-+*/%=<>(),.\[\]{}:?&|^~])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its kind, its text, and where it stands."""

    kind: str
    text: str
    at: int

    @property
    def upper(self) -> str:
        return self.text.upper()


def words(text: str) -> list[Word]:
    """The words of a query, an `end` last.

    Raises:
        CosmosError: 400, there is something in it that is no word.
    """
    if len(text) > MAX_QUERY:
        raise bad_request(f"The SQL query text exceeded the maximum limit of {MAX_QUERY} characters")
    found = []
    at = 0
    while at < len(text):
        match = _WORDS.match(text, at)
        if match is None:
            raise syntax_error(text[at : at + 1], at)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Word(kind, match.group(), at))
        at = match.end()
    found.append(Word("end", "", at))
    return found


def string_value(word: Word) -> str:
    """The text a string literal stands for.

    Raises:
        CosmosError: 400, an escape in it is none.
    """
    inner = word.text[1:-1]
    if "\\" not in inner and '"' not in inner and inner.isprintable():
        return inner
    inner = re.sub(r"\\'", "'", inner)
    inner = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', inner)
    inner = "".join(char if char >= " " else f"\\u{ord(char):04x}" for char in inner)
    try:
        value: str = orjson.loads(f'"{inner}"')
    except orjson.JSONDecodeError:
        raise syntax_error(word.text, word.at) from None
    return value


def syntax_error(near: str, at: int) -> CosmosError:
    """400: the query cannot be read, and where."""
    shown = near[:40]
    return bad_request(
        f"Syntax error, incorrect syntax near '{shown}' at position {at}."
        if shown
        else f"Syntax error, unexpected end of query at position {at}."
    )

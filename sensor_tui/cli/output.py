"""What is written for people and programs: plain text made of untrusted values, JSON, tables, questions.

Results go to standard output; narration, questions and errors to standard error.
"""

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from sensor_tui.errors import StorageError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_UNKNOWN: Final = "-"
_WIDE: Final = 10_000
"""Columns of an output that is no terminal: nothing is folded or cut there."""

_HOSTILE: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0 and C1, escape sequences and carriage returns among them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, overrides and isolates
    "\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f"  # separators, annotations and invisible tags
    "\ud800-\udfff"  # lone surrogates, which cannot be encoded
    "]"
)
_SPACING: Final = frozenset("\t\n\r\u2028\u2029")


def clean(text: object) -> str:
    """Untrusted text on one line, with everything a terminal would act upon replaced."""
    return _HOSTILE.sub(lambda found: " " if found[0] in _SPACING else "\ufffd", str(text))


def clean_lines(text: str) -> str:
    """Untrusted text of several lines, each of them cleaned."""
    return "\n".join(clean(line) for line in text.split("\n"))


def to_json(value: Any) -> str:
    """One JSON document that is readable and yet harmless on a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _HOSTILE.sub(lambda found: found[0] if found[0] == "\n" else _escaped(found[0]), text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


class ReaderGone(Exception):
    """Whoever read standard output closed it; there is nobody left to tell."""


def emit(text: str) -> None:
    """Write a result to standard output.

    Raises:
        ReaderGone: nobody reads it any more, or its terminal is gone.
        StorageError: it goes to a file that cannot be written.
    """
    try:
        click.echo(text)
    except OSError as error:
        if error.errno in {errno.EPIPE, errno.EIO}:
            raise ReaderGone from None
        raise StorageError(
            f"standard output cannot be written: {error.strerror}", fix="Send it elsewhere"
        ) from None


def emit_json(value: Any) -> None:
    """Write a result to standard output as one JSON document."""
    emit(to_json(value))


def say(text: object) -> None:
    """Tell a person something on standard error, while there is one."""
    with suppress(OSError):
        click.echo(clean(text), err=True)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that understands cursor movement."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def no_color(*, asked: bool) -> bool:
    """Whether colours are off: by option or configuration, or by `NO_COLOR` or `NO_COLORS`."""
    return asked or any(os.environ.get(name) for name in ("NO_COLOR", "NO_COLORS"))


def console(stream: TextIO, *, plain: bool) -> "Console":
    """A console without markup or highlighting; as wide as it takes where the stream is no terminal."""
    from rich.console import Console

    terminal = is_terminal(stream)
    return Console(
        file=stream,
        no_color=no_color(asked=plain),
        force_terminal=terminal,
        width=None if terminal else _WIDE,
        markup=False,
        highlight=False,
        emoji=False,
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, plain: bool, numeric: Iterable[str] = ()
) -> str:
    """Rows under their headings, as text for standard output; columns in `numeric` are right-aligned."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    right = set(numeric)
    for name in head:
        shown.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(clean(cell)) for cell in row))
    out = console(sys.stdout, plain=plain)
    with out.capture() as captured:
        out.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def confirm(question: str, *, yes: bool) -> bool:
    """Ask before something that cannot be taken back.

    Raises:
        UsageError: there is no terminal to ask on, and `--yes` was not given.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{clean(question)} There is no terminal to ask on", fix="Give --yes to answer beforehand"
        )
    if click.confirm(clean(question), err=True):
        return True
    say("Nothing was done.")
    return False


def count(number: int, noun: str) -> str:
    """`1 reading`, `12,345 readings`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def age(seconds: float | None) -> str:
    """A duration in one coarse step, so that what stands still looks still; `-` where it is unknown."""
    if seconds is None:
        return _UNKNOWN
    whole = max(0, round(seconds))
    for length, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if whole >= 2 * length or (length == MINUTE and whole >= length):
            return f"{whole // length} {unit}"
    return f"{whole} s"


def or_dash(value: object) -> str:
    """A value for a cell, `-` where there is none."""
    return _UNKNOWN if value is None or value == "" else str(value)

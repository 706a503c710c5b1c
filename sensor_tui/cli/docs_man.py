"""Manual pages for `man`, from the definitions of the commands: `python -m sensor_tui.cli.docs --man DIR`."""

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Final

import click

from sensor_tui import __version__
from sensor_tui.cli.docs import commands, own_options, parts, usage
from sensor_tui.cli.lazy import Command, common_options
from sensor_tui.cli.main import COMMANDS, EXIT_CODES, PROGRAM, root

SECTION: Final = 1

_VERBATIM: Final = "\b\n"
_CODE: Final = re.compile(r"`([^`]+)`")


def pages() -> dict[str, str]:
    """Every page by its file name: the program's, and one for each command with what belongs to it."""
    found = {f"{PROGRAM}.{SECTION}": "\n".join(_program())}
    for command, context in commands():
        name = context.command_path.replace(" ", "-")
        found[f"{name}.{SECTION}"] = "\n".join(_page(command, context, name))
    return found


def write_pages(folder: Path) -> None:
    """Write every page into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def _head(name: str, summary: str) -> Iterator[str]:
    yield f'.TH "{escaped(name.upper())}" {SECTION} "" "{PROGRAM} {__version__}" "{PROGRAM}"'
    yield ".SH NAME"
    yield f"{escaped(name)} \\- {escaped(summary.rstrip('.'))}"


def _program() -> Iterator[str]:
    context = click.Context(root, info_name=PROGRAM)
    yield from _head(PROGRAM, root.help or "")
    yield ".SH SYNOPSIS"
    yield f".B {escaped(usage(root, context))}"
    yield ".SH DESCRIPTION"
    yield from _text("Without the name of a command it is the dashboard, whose options it then takes.")
    yield ".SH COMMANDS"
    yield from _definitions((f"{PROGRAM} {name}", lazy.summary) for name, lazy in COMMANDS.items())
    yield ".SH OPTIONS OF EVERY COMMAND"
    records = (param.get_help_record(context) for param in common_options())
    yield from _definitions(record for record in records if record is not None)
    yield from _exit_codes()
    yield ".SH ENVIRONMENT"
    yield from _definitions((name, f"Is {key} of the configuration.") for name, key in _environment())
    yield ".SH FILES"
    yield from _definitions(
        (
            ("./sensor-tui.yaml, ./config/", "Where the configuration is looked for."),
            ("DATA/.sensor-tui/", "State of a data folder: ledger, socket of the service, its log."),
        )
    )
    yield ".SH SEE ALSO"
    yield from _see(f"{PROGRAM}-{name}" for name in COMMANDS)
    yield ""


def _environment() -> list[tuple[str, str]]:
    from sensor_tui.config.catalogue import ENVIRONMENT

    return sorted(ENVIRONMENT.items())


def _page(command: click.Command, context: click.Context, name: str) -> Iterator[str]:
    assert context.info_name is not None
    yield from _head(name, COMMANDS[context.info_name].summary)
    members = list(parts(command, context)) if isinstance(command, click.Group) else [(command, context)]
    yield ".SH SYNOPSIS"
    for at, (part, inner) in enumerate(members):
        yield from ([".br"] if at else [])
        yield f".B {escaped(usage(part, inner))}"
    yield ".SH DESCRIPTION"
    yield from _text(command.help or "")
    if isinstance(command, click.Group):
        for part, inner in members:
            yield f".SH {escaped(inner.command_path.upper())}"
            yield from _text(part.help or "")
            yield from _options(part, inner)
            yield from _examples([part])
    else:
        if own_options(command):
            yield ".SH OPTIONS"
            yield from _options(command, context)
        yield ".SH EXAMPLES"
        yield from _examples([command])
    yield from _exit_codes()
    yield ".SH SEE ALSO"
    yield from _see([PROGRAM])
    yield ""


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = (param.get_help_record(context) for param in own_options(command))
    yield from _definitions(record for record in records if record is not None and record[1])


def _examples(members: Iterable[click.Command]) -> Iterator[str]:
    for command in members:
        if isinstance(command, Command) and command.examples:
            yield from (".PP", ".nf", ".RS")
            yield from map(escaped, command.examples)
            yield from (".RE", ".fi")


def _exit_codes() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    yield from _definitions((str(code), f"{meaning}.") for code, meaning in EXIT_CODES.items())


def _see(names: Iterable[str]) -> Iterator[str]:
    yield ", ".join(f"\\fB{escaped(name)}\\fR({SECTION})" for name in names)


def _definitions(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in rows:
        yield ".TP"
        yield f".B {escaped(term)}"
        yield _inline(text)


def _text(text: str) -> Iterator[str]:
    """Paragraphs; one that click keeps as it is stays as it is here too."""
    for paragraph in cleandoc(text).split("\n\n"):
        yield ".PP"
        if paragraph.startswith(_VERBATIM):
            yield ".nf"
            yield from map(escaped, paragraph.removeprefix(_VERBATIM).split("\n"))
            yield ".fi"
        else:
            yield _inline(paragraph)


def _inline(text: str) -> str:
    return _CODE.sub(r"\\fB\1\\fR", escaped(" ".join(text.split())))


def escaped(text: str) -> str:
    """Text that `man` shows as it is: no request at its beginning, and hyphens that can be copied."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("…", "...")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe

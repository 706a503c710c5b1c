"""The manual of the commands, from their definitions.

`python -m sensor_tui.cli.docs docs/commands.md` writes it as one page, `--man DIR` as manual pages for `man`.
"""

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from sensor_tui.cli.lazy import Command, common_options
from sensor_tui.cli.main import EXIT_CODES, PROGRAM, root

_HEAD = """\
# Commands

Made from the program itself by `python -m sensor_tui.cli.docs docs/commands.md`; `sensor-tui COMMAND --help`
says the same. Results go to standard output, narration and errors to standard error, so that output can be
piped. `python -m sensor_tui` is `sensor-tui`.
"""

_TAIL = """\
An error is one line on standard error: what happened, where, and what to do about it.

A question is asked only on a terminal. Without one, a command that would ask exits 2 and names the option
that answers beforehand. `NO_COLOR` and `NO_COLORS` turn colours off, as `--no-color` does.

The account key is never given as an option, because other users of a machine can read command lines: set
`COSMOS_KEY`, or `COSMOS_KEY_FILE` to the name of a file that holds it.
"""


def manual() -> str:
    """The whole manual as Markdown."""
    return "\n".join([_HEAD, *_exit_codes(), *_common(), *_commands(), _TAIL])


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n\n| code | meaning |\n|---|---|"
    yield from (f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    yield ""


def _common() -> Iterator[str]:
    yield "## Options of every command\n"
    context = click.Context(root, info_name=PROGRAM, **root.context_settings)
    yield from _options(
        context, [*root.params, *(option for option in [root.get_help_option(context)] if option)]
    )


def commands() -> Iterator[tuple[click.Command, click.Context]]:
    """Every command of the program itself, groups among them, in the order of its list."""
    context = click.Context(root, info_name=PROGRAM, **root.context_settings)
    yield from parts(root, context)


def parts(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """The commands of a group, each with its context."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command, click.Context(command, parent=context, info_name=name)


def usage(command: click.Command, context: click.Context) -> str:
    """How it is called, in one line."""
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def own_options(command: click.Command) -> list[click.Parameter]:
    """Its options without those of every command."""
    common = {option.name for option in common_options()}
    return [param for param in command.params if param.name not in common]


def _commands() -> Iterator[str]:
    for command, context in commands():
        yield from _command(command, context, depth=2)


def _command(command: click.Command, context: click.Context, *, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} {context.command_path}\n"
    yield f"{_markdown(command.help or '')}\n"
    if isinstance(command, click.Group):
        for part, inner in parts(command, context):
            yield from _command(part, inner, depth=depth + 1)
        return
    yield f"```\n{usage(command, context)}\n```\n"
    yield from _options(context, own_options(command))
    if isinstance(command, Command) and command.examples:
        yield "\n".join(["Examples:", "", "```", *command.examples, "```", ""])


def _options(context: click.Context, params: list[click.Parameter]) -> Iterator[str]:
    rows = [row for param in params if (row := param.get_help_record(context)) is not None]
    if rows:
        yield "| option | |\n|---|---|"
        yield from (f"| `{_cell(names)}` | {_cell(text)} |" for names, text in rows)
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _markdown(text: str) -> str:
    return cleandoc(text).replace("\b\n", "")


def main() -> None:
    """Write the manual to the file that is named, its pages to the folder after `--man`, or all of it out."""
    match sys.argv[1:]:
        case ["--man", folder]:
            from sensor_tui.cli.docs_man import write_pages

            write_pages(Path(folder))
        case [file]:
            Path(file).write_text(manual(), encoding="utf-8")
        case _:
            click.echo(manual(), nl=False)


if __name__ == "__main__":
    main()

"""Groups that load a command when it is called, and commands with the options that all of them take."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMPLETE: Final = "_SENSOR_TUI_COMPLETE"
"""Variable with which the script of a shell asks for completions."""

Known = Literal["city", "sensor", "unit"]

_KNOWN_OPTIONS: Final[dict[str, Known]] = {"--city": "city", "--sensor": "sensor", "--sensor-id": "sensor"}
_UNITS: Final = "names"
"""The argument with which commands take units."""


HELP: Final = ("-h", "--help")


@dataclass(slots=True)
class Session:
    """What one call of the program was asked for, whatever the command."""

    debug: bool = False
    no_color: bool = False


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is defined, `module:attribute`, and the line about it in the list of commands."""

    target: str
    summary: str


class KnownText(click.types.StringParamType):
    """Any text, completed with the names there are."""

    def __init__(self, known: Known) -> None:
        self.known = known

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """Names that begin like that."""
        from click.shell_completion import CompletionItem

        from sensor_tui.cli.completion_names import names

        given = set(ctx.params.get(param.name or "") or ()) if param.multiple or param.nargs == -1 else set()
        found = (name for name in names(self.known, ctx.params) if name not in given)
        return [CompletionItem(each) for each in found if each.casefold().startswith(incomplete.casefold())]


def _complete_known(param: click.Parameter) -> None:
    """Have values completed that name a city, a sensor or units."""
    if param.type is not click.STRING:
        return
    if isinstance(param, click.Argument) and param.name == _UNITS:
        param.type = KnownText("unit")
    for option in param.opts:
        if option in _KNOWN_OPTIONS:
            param.type = KnownText(_KNOWN_OPTIONS[option])


def common_options() -> list[click.Parameter]:
    """Options that may stand before or after the name of any command."""
    return [
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_remember,
            help="Log everything, and show tracebacks of unexpected errors.",
        ),
        click.Option(
            ["--no-color"],
            is_flag=True,
            expose_value=False,
            callback=_remember,
            help="No colours, as with NO_COLOR set.",
        ),
    ]


def _remember(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and option.name is not None:
        setattr(context.ensure_object(Session), option.name, True)


class Command(click.Command):
    """A command with the common options, and examples that its help and the manual show."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", [*HELP])
        self.examples = tuple(examples)
        self.params += common_options()
        for param in self.params:
            _complete_known(param)

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The same in whatever context it is asked for first, since the option is kept."""
        return [*HELP]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group whose unknown names are answered with the nearest known one."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", [*HELP])

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The same in whatever context it is asked for first, since the option is kept."""
        return [*HELP]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            raise click.UsageError(f"No such command '{name}'.{self._hint(ctx, name)}", ctx)
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name.lower(), self.list_commands(ctx), n=1, cutoff=0.5)
        return f" Did you mean '{near[0]}'?" if near else ""


class LazyGroup(Group):
    """A group that knows its commands by name and summary alone until one is called."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy
        self.params += common_options()

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, or answer a shell that asks for completions."""
        asked = os.environ.get(COMPLETE)
        if asked:
            from sensor_tui.cli.completion_words import answer

            return answer(self, asked, kwargs.get("prog_name") or "")
        return super().main(*args, **kwargs)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Options, or commands by what is known of them without loading any."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        known = [CompletionItem(name, help=lazy.summary) for name, lazy in self._lazy.items()]
        known += [CompletionItem(name) for name in super().list_commands(ctx)]
        return [item for item in known if item.value.startswith(incomplete)]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = self._lazy.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = lazy.target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self._lazy.items()])

    def summary(self, name: str) -> str:
        """The line about a command in the list of commands."""
        return self._lazy[name].summary

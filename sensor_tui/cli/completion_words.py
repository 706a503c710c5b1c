"""What a shell is told when it asks how a command line goes on: nothing wrong, and nothing late."""

import os
import re
import signal
from typing import Final

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from sensor_tui.cli.lazy import COMPLETE

LIMIT_SECONDS: Final = 2.0
"""However long something takes, a shell does not wait longer."""

_PLAIN: Final = "plain"
_SPECIAL: Final = re.compile(r"([^\w@%+=:,./-])")

_BASH: Final = """\
%(complete_func)s() {
    local response type value
    response=$(IFS=$'\\n'; env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    while IFS=',' read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done <<< "$response"
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Unknown(Exception):
    """A word stands where the name of a command should be, and is none: nothing can follow it."""


class _Words(ShellComplete):
    """Where nothing names a command yet, those there are; and values that are joined to their option."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        name, joined, value = incomplete.partition("=")
        prefix = f"{name}=" if joined and name.startswith("--") else ""
        items = self._complete([*args, name], value) if prefix else self._complete(args, incomplete)
        for item in items:
            if prefix and item.type == _PLAIN:
                item.value = prefix + item.value
        return items

    def _complete(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        group = self._group(args)
        if group is None:
            return super().get_completions(args, incomplete)
        items: list[CompletionItem] = group.command.shell_complete(group, incomplete)
        if incomplete.startswith("-"):
            # Of the command that no command means.
            items += super().get_completions(args, incomplete)
        return list({item.value: item for item in items}.values())

    def _group(self, args: list[str]) -> click.Context | None:
        """The group that is waiting for the name of a command; None where something else is due."""
        command, words = self.cli, list(args)
        # Commands keep the help option of the first context they are asked in.
        settings = command.context_settings
        context = click.Context(command, info_name=self.prog_name, resilient_parsing=True, **settings)
        while isinstance(command, click.Group):
            flags = {name for param in command.get_params(context) for name in param.opts}
            while words and words[0] in flags:
                words.pop(0)
            if not words:
                return context
            if words[0].startswith("-"):
                return None  # an option of the command that no command means
            found = command.get_command(context, words[0])
            if found is None:
                raise _Unknown
            settings = found.context_settings
            context = click.Context(
                found, parent=context, info_name=words.pop(0), resilient_parsing=True, **settings
            )
            command = found
        return None


class _Bash(_Words, BashComplete):
    """Values are escaped, as bash puts them on the line as they are; `--name=value` comes as three words."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        if incomplete == "=":
            return args, ""
        return [word for word in args if word != "="], incomplete

    def format_completion(self, item: CompletionItem) -> str:
        words = os.environ.get("COMP_WORDS", "").split("\n")
        quoted = words[min(int(os.environ["COMP_CWORD"]), len(words) - 1)][:1] in {"'", '"'}
        value = item.value if quoted else _SPECIAL.sub(r"\\\1", item.value)
        return f"{item.type},{value}"


class _Zsh(_Words, ZshComplete):
    pass


class _Fish(_Words, FishComplete):
    """Click's script would end a description at its first comma."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


SHELLS: Final[dict[str, type[_Words]]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def script(shell: str, root: click.Command, program: str) -> str:
    """What a shell has to be given."""
    # Not `source()`: that of bash starts one to ask for its version.
    shown = SHELLS[shell](root, {}, program, COMPLETE)
    return shown.source_template % shown.source_vars()


def answer(root: click.Command, asked: str, program: str) -> int:
    """Write the completions of the line in the environment; always 0, and nothing where there are none."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
    shell, _, instruction = asked.partition("_")
    try:
        if instruction == "complete" and shell in SHELLS:
            click.echo(SHELLS[shell](root, {}, program, COMPLETE).complete().encode())
    except Exception:  # noqa: BLE001 - a shell that completes is told nothing else
        return 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0

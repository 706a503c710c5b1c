"""`sensor-tui completion`: what makes a shell complete our command lines."""

from typing import Final

import click

from sensor_tui.cli.lazy import Command

SHELLS: Final = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    examples=(
        "sensor-tui completion bash > ~/.local/share/bash-completion/completions/sensor-tui",
        "sensor-tui completion zsh > ~/.zfunc/_sensor-tui",
        "sensor-tui completion fish > ~/.config/fish/completions/sensor-tui.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(*, shell: str) -> None:
    """Write the completion script of a shell to standard output.

    Commands, options, choices and paths are completed, and the names of units, cities and sensors as far as
    a running service or the data folder knows them.

    \b
    To have it in every new shell (once, the folder has to be there):
      bash  sensor-tui completion bash > ~/.local/share/bash-completion/completions/sensor-tui
      zsh   sensor-tui completion zsh > ~/.zfunc/_sensor-tui, and in ~/.zshrc, before compinit:
            fpath+=(~/.zfunc)
      fish  sensor-tui completion fish > ~/.config/fish/completions/sensor-tui.fish
    Or for the shell that runs, bash and zsh:
      source <(sensor-tui completion bash)
    """  # noqa: D301 - click's mark for lines that stay as they are
    from sensor_tui.cli.completion_words import script
    from sensor_tui.cli.main import PROGRAM, root
    from sensor_tui.cli.output import emit

    emit(script(shell, root, PROGRAM).rstrip("\n"))

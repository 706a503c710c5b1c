"""The entry point: the list of commands, and the one place where errors become a line and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from sensor_tui.cli.lazy import Lazy, LazyGroup, Session
from sensor_tui.errors import ExitCode, SensorTuiError

PROGRAM: Final = "sensor-tui"
INTERNAL_ERROR: Final = 70
INTERRUPTED: Final = 130
READER_GONE: Final = 141

EXIT_CODES: Final = {
    int(ExitCode.OK): "all sent, or done as asked",
    int(ExitCode.REJECTED): "readings were rejected (see `deadletters`), or something was left undone",
    int(ExitCode.USAGE): "wrong usage or configuration",
    int(ExitCode.SINK): "Cosmos DB or the service cannot be reached, or refuses us",
    int(ExitCode.OWNED): "another engine owns these files",
    INTERNAL_ERROR: "a bug in sensor-tui; run again with `--debug` for the traceback",
    INTERRUPTED: "interrupted where there was nothing to finish",
    READER_GONE: "whoever read the output closed it",
}

COMMANDS: Final = {
    "dashboard": Lazy(
        "sensor_tui.cli.dashboard:dashboard", "The full-screen dashboard; what no command means."
    ),
    "sync": Lazy("sensor_tui.cli.sync:sync", "Upload every open reading to Cosmos DB, once or continuously."),
    "status": Lazy("sensor_tui.cli.status:status", "Show backlog, lag and freshness of every sensor."),
    "deadletters": Lazy(
        "sensor_tui.cli.deadletters:deadletters", "List, show, retry or drop readings that were rejected."
    ),
    "units": Lazy("sensor_tui.cli.units:units", "List the units of the fleet, or add a process as one."),
    "compose": Lazy("sensor_tui.cli.compose:compose", "Write the compose file of a fleet from cities."),
    "build": Lazy("sensor_tui.cli.build:build", "Build the image of sensors and uploaders, and push it."),
    "start": Lazy("sensor_tui.cli.unit_actions:start", "Bring the fleet up, or start units."),
    "stop": Lazy("sensor_tui.cli.unit_actions:stop", "Drain and stop the fleet, or units."),
    "restart": Lazy("sensor_tui.cli.unit_actions:restart", "Drain, stop and start units."),
    "reset": Lazy(
        "sensor_tui.cli.unit_actions:reset", "Drain, stop, make anew and start the fleet, or units."
    ),
    "remove": Lazy("sensor_tui.cli.unit_actions:remove", "Drain, stop and forget units; their data stays."),
    "cleanup": Lazy("sensor_tui.cli.cleanup:cleanup", "Remove the containers and networks of the fleet."),
    "monitor": Lazy("sensor_tui.cli.monitor:monitor", "Watch the fleet in lines, without the full screen."),
    "logs": Lazy("sensor_tui.cli.unit_logs:logs", "Read the logs of units, merged by time."),
    "diagnostics": Lazy("sensor_tui.cli.diagnostics:diagnostics", "Check everything, and say what to do."),
    "query": Lazy("sensor_tui.cli.query:query", "Ask for readings, in the sensors' files or in Cosmos DB."),
    "clean": Lazy("sensor_tui.cli.clean:clean", "Delete documents from the Cosmos DB container."),
    "prune": Lazy("sensor_tui.cli.prune:prune", "Remove acknowledged rows from the sensors' files."),
    "service": Lazy(
        "sensor_tui.cli.service:service", "Start or stop the background service, or see how it is."
    ),
    "config": Lazy("sensor_tui.cli.config:config", "Show, validate or write the configuration."),
    "simulate": Lazy(
        "sensor_tui.cli.simulate:simulate", "Be one sensor that appends readings to its database."
    ),
    "emulator": Lazy("sensor_tui.cli.emulator:emulator", "Run a local Cosmos DB endpoint."),
    "serve": Lazy("sensor_tui.cli.serve:serve", "Serve the dashboard to a browser."),
    "completion": Lazy("sensor_tui.cli.completion:completion", "Write the completion of a shell."),
    "demo": Lazy("sensor_tui.cli.demo:demo", "Watch a simulated fleet upload to a local endpoint."),
}


def _print_version(context: click.Context, _option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        from sensor_tui import __version__

        click.echo(f"{PROGRAM} {__version__}")
        context.exit()


class Root(LazyGroup):
    """The program: without the name of a command it is the dashboard, whose options it then takes."""

    _OWN: Final = frozenset({"--debug", "--no-color"})
    _HELP: Final = frozenset({"-h", "--help", "--version"})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name in where there is none."""
        at = next((place for place, text in enumerate(args) if text not in self._OWN), len(args))
        named = at < len(args) and not args[at].startswith("-")
        if not named and self._HELP.isdisjoint(args):
            args = [*args[:at], "dashboard", *args[at:]]
        return super().parse_args(ctx, args)


@click.group(
    cls=Root,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all sent, 1 something rejected or left, 2 usage or configuration, 3 the sink cannot"
    " be reached or refuses us, 4 another engine owns these files.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def root() -> None:
    """Sensor fleets in a terminal, and their readings in Azure Cosmos DB."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program with these arguments, those of the process where None, and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal in another encoding gets escapes instead of an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    session = Session()
    code = _run(arguments, session)
    try:
        sys.stdout.flush()
    except OSError:
        code = _reader_gone()
    sys.exit(code)


def _run(arguments: Sequence[str] | None, session: Session) -> int:
    try:
        code = root.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=session)
    except SensorTuiError as error:
        code = _report(error)
    except click.ClickException as error:
        code = _report_usage(error)
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence
        code = _report_bug(error, session)
    return int(code or 0)


def _line(text: str) -> None:
    from sensor_tui.cli.logs import SECRETS
    from sensor_tui.cli.output import say

    say(SECRETS.masked(f"{PROGRAM}: {text}"))


def _sentence(text: str) -> str:
    text = text.rstrip()
    return text if text.endswith((".", "?")) else f"{text}."


def _report(error: SensorTuiError) -> int:
    """One line for each thing that is wrong, and what to do about it."""
    *others, last = error.message.split("\n")
    for line in others:
        _line(f"{error.title}: {line}")
    _line(f"{error.title}: {' '.join(map(_sentence, filter(None, [last, error.fix])))}")
    return int(error.exit_code)


def _report_usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return int(ExitCode.USAGE)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    _line(f"Usage: {_sentence(error.format_message())} See '{path} --help'.")
    return int(ExitCode.USAGE)


def _report_bug(error: Exception, session: Session) -> int:
    from sensor_tui.cli.output import ReaderGone

    if isinstance(error, ReaderGone):
        return _reader_gone()
    if session.debug:
        import traceback

        from sensor_tui.cli.logs import SECRETS
        from sensor_tui.cli.output import say

        for line in "".join(traceback.format_exception(error)).splitlines():
            say(SECRETS.masked(line))
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = "" if session.debug else "; run it again with --debug for the traceback"
    _line(f"Unexpected error: {_sentence(told)} This is a bug{hint}.")
    return INTERNAL_ERROR


def _reader_gone() -> int:
    """Point standard output at nothing, so that the interpreter does not complain while it exits."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    return READER_GONE

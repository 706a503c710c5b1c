"""`sensor-tui serve`: the dashboard in a browser."""

import asyncio
import importlib.util
import ipaddress
import os
import re
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import EXISTING_FILE, where_options
from sensor_tui.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from sensor_tui.web.server import WebServer, WebSettings

TOKEN_VARIABLE: Final = "SENSOR_TUI_WEB_TOKEN"  # noqa: S105 - a name
USUAL_LISTEN: Final = "127.0.0.1:8000"
_LARGEST_PORT: Final = 65535
_PASSED_ON: Final = {
    "data_dir": "--data-dir",
    "sqlite": "--sqlite",
    "config_path": "--config",
    "state_dir": "--state-dir",
    "theme": "--theme",
    "attach": "--attach",
    "read_only": "--read-only",
    "low_bandwidth": "--low-bandwidth",
    "ascii_only": "--ascii",
}
"""Options the dashboard gets as they were given here."""


@click.command(
    cls=Command,
    examples=(
        "sensor-tui serve --data-dir data --read-only",
        "ssh -t -L 8000:127.0.0.1:8000 gateway sensor-tui serve --data-dir data",
        "sensor-tui serve --listen 0.0.0.0:8000 --allow-host sensors.example.org --token-file token",
    ),
)
@where_options
@click.option(
    "--listen",
    default=USUAL_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes any free one. Beyond this machine only with --allow-host.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Name the browser may call this server by, beside localhost; may be repeated.",
)
@click.option(
    "--token-file",
    type=EXISTING_FILE,
    metavar="FILE",
    help=f"File with the token to ask for; otherwise {TOKEN_VARIABLE}, or a new one at each start.",
)
@click.option(
    "--sessions",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    metavar="N",
    help="Dashboards that may be open at a time.",
)
@click.option("--attach", is_flag=True, help="Never start a service: show the one that runs.")
@click.option("--read-only", is_flag=True, help="Refuse every action.")
@click.option("--low-bandwidth", is_flag=True, help="Redraw seldom, for slow lines.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Plain glyphs only.")
@click.option("--theme", metavar="NAME", help="Theme of the dashboard.")
@click.pass_obj
def serve(
    session: Session,
    /,
    *,
    listen: str,
    hosts: tuple[str, ...],
    token_file: Path | None,
    sessions: int,
    **options: Any,
) -> None:
    """Serve the dashboard to a browser, until stopped.

    Whoever has the token has the dashboard, with everything it can do; there is no shell in it, and what it
    exports is written on this machine. The traffic is not encrypted: from another machine use an SSH tunnel,
    or a proxy that speaks TLS.
    """
    if importlib.util.find_spec("textual_serve") is None:
        raise UsageError(
            "the dashboard in a browser needs textual-serve", fix="pip install 'sensor-tui[web]'"
        )

    from sensor_tui.cli import logs
    from sensor_tui.web.server import WebSettings

    logs.setup("INFO", debug=session.debug)
    host, port = _listen(listen, beyond=bool(hosts))
    token, given = _token(token_file)
    logs.SECRETS.hide(token)
    settings = WebSettings(
        command=_command(options, no_color=session.no_color),
        token=token,
        host=host,
        port=port,
        hosts=_names(hosts),
        sessions=sessions,
    )
    asyncio.run(_serve(settings, given=given))


async def _serve(settings: "WebSettings", *, given: bool) -> None:
    from sensor_tui.service.signals import two_signals
    from sensor_tui.web.server import WebServer

    stop = asyncio.Event()
    server = WebServer(settings)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)
    with two_signals(stop.set, server.kill):
        async with server:
            _tell(server, settings, given=given)
            await stop.wait()


def _tell(server: "WebServer", settings: "WebSettings", *, given: bool) -> None:
    """Say where it is. A token somebody gave is not repeated: this may end in a journal."""
    from sensor_tui.cli.output import say

    beyond = not _is_loopback(settings.host)
    address = f"http://{_named(settings, server.port)}/?token="
    if given:
        say(f"The dashboard is at {address}… with the token you gave.")
    else:
        say(f"The dashboard is at {address}{settings.token}")
    if beyond:
        say("What it sends is not encrypted: put a proxy with TLS in front of it.")
    say("Ctrl-C ends it.")


def _named(settings: "WebSettings", port: int) -> str:
    """What a browser calls it."""
    if _is_loopback(settings.host):
        return f"[{settings.host}]:{port}" if ":" in settings.host else f"{settings.host}:{port}"
    name = settings.hosts[0]
    return name if re.search(r":[0-9]+$", name) else f"{name}:{port}"


def _command(options: dict[str, Any], *, no_color: bool) -> tuple[str, ...]:
    """The dashboard as a program: this one, with the options that were given here."""
    arguments: list[str] = []
    for name, option in _PASSED_ON.items():
        value = options[name]
        if value is True:
            arguments.append(option)
        elif value:
            arguments += [option, str(value)]
    if no_color:
        arguments.append("--no-color")
    return (sys.executable, "-m", "sensor_tui.web.tether", "sensor_tui", "dashboard", *arguments)


def _listen(text: str, *, beyond: bool) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdecimal() else -1
    if not separator or not host or not 0 <= number <= _LARGEST_PORT:
        raise UsageError(f"--listen {text!r} is not HOST:PORT", fix=f"Give for example {USUAL_LISTEN}")
    if not beyond and not _is_loopback(host):
        raise UsageError(
            f"--listen {text} would open the dashboard beyond this machine, without encryption",
            fix="Listen on 127.0.0.1 and come by 'ssh -L 8000:127.0.0.1:8000'; or put a proxy with TLS in"
            " front, and name it with --allow-host NAME",
        )
    return host, number


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names(hosts: tuple[str, ...]) -> tuple[str, ...]:
    from sensor_tui.web.gate import host_name

    return tuple(map(host_name, hosts))


def _token(path: Path | None) -> tuple[str, bool]:
    """The token, and whether it was given. It is taken out of the environment that others inherit."""
    from sensor_tui.web.gate import LONGEST_TOKEN, SHORTEST_TOKEN, new_token

    variable = os.environ.pop(TOKEN_VARIABLE, "")
    if path is not None:
        where, text = f"--token-file {path}", _read(path, LONGEST_TOKEN)
    elif variable:
        where, text = TOKEN_VARIABLE, variable.strip()
    else:
        return new_token(), False
    if not SHORTEST_TOKEN <= len(text) <= LONGEST_TOKEN or not text.isascii() or not text.isprintable():
        raise ConfigError(
            f"{where} holds no token that can be used",
            fix=f"Put {SHORTEST_TOKEN} to {LONGEST_TOKEN} letters and digits there, and nothing else:"
            " 'openssl rand -hex 32' makes some",
        )
    return text, True


def _read(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & (stat.S_IRGRP | stat.S_IROTH):
                raise ConfigError(f"--token-file {path} can be read by others", fix=f"chmod 600 {path}")
            return file.read(most + 2).decode("ascii", errors="replace").strip()
    except OSError as error:
        raise ConfigError(f"--token-file {path} cannot be read: {error.strerror}") from None

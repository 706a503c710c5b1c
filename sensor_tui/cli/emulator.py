"""`sensor-tui emulator`: a local Cosmos DB endpoint."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import EXISTING_FILE, json_option
from sensor_tui.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from sensor_tui.emulator.emulator import Emulator
    from sensor_tui.emulator.settings import EmulatorSettings

MAX_KEY_FILE = 4096


@click.command(
    cls=Command,
    examples=(
        "sensor-tui emulator",
        "sensor-tui emulator --data cosmos.db --ru-per-second 400 --partitions 4",
        "sensor-tui emulator --port 0 --json",
    ),
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on."
)
@click.option("--port", type=int, metavar="N", help="Port to listen on; 0 takes any free one. Default: 8081.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="File or folder to keep documents in. Default: memory.",
)
@click.option(
    "--ru-per-second",
    type=float,
    metavar="N",
    help="Request units a second of each container. Default: no limit.",
)
@click.option(
    "--partitions", type=int, metavar="N", help="Partition key ranges of a new container. Default: 4."
)
@click.option(
    "--key", metavar="KEY", help="Account key, base64. Default: the public key of Microsoft's emulator."
)
@click.option("--key-file", type=EXISTING_FILE, metavar="FILE", help="File that holds the account key.")
@click.option("--tls", is_flag=True, help="HTTPS with a certificate of its own.")
@click.option(
    "--control", is_flag=True, help="Open /_control to this machine: faults, splits, budgets, statistics."
)
@click.option(
    "--serverless", is_flag=True, help="Behave like a serverless account: refuse a given throughput."
)
@json_option
@click.pass_obj
def emulator(
    session: Session, /, *, key: str | None, key_file: Path | None, as_json: bool, **options: Any
) -> None:
    """Run a local Cosmos DB endpoint until stopped.

    It answers the part of the REST API that the Cosmos SDKs and this product use, counts request units,
    throttles where a limit is set, and checks signatures. It is for demos, for work without a network and for
    tests.
    """
    from sensor_tui.cli import logs
    from sensor_tui.emulator.settings import EMULATOR_KEY, EmulatorSettings
    from sensor_tui.service.loop import run

    logs.setup("INFO" if session.debug else "WARNING", debug=session.debug)
    own = _own_key(key, key_file)
    given = {name: value for name, value in options.items() if value is not None}
    settings = EmulatorSettings(**given, key=own or EMULATOR_KEY)
    settings.check()
    if own is not None:
        logs.SECRETS.hide(own)
    run(_serve(settings, public=own is None, as_json=as_json))


def _own_key(key: str | None, path: Path | None) -> str | None:
    if path is None:
        return key
    if key is not None:
        raise UsageError("--key and --key-file exclude each other", fix="Give one of them")
    try:
        text = path.read_bytes()[: MAX_KEY_FILE + 1].decode("ascii").strip()
    except OSError as error:
        raise ConfigError(f"--key-file {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > MAX_KEY_FILE:
        raise ConfigError(
            f"--key-file {path}: holds no account key", fix="Put the base64 key, and nothing else, there"
        )
    return text


async def _serve(settings: "EmulatorSettings", *, public: bool, as_json: bool) -> None:
    from sensor_tui.emulator.emulator import Emulator
    from sensor_tui.service.signals import two_signals

    stop = asyncio.Event()
    with two_signals(stop.set, stop.set):
        async with Emulator(settings) as running:
            _tell(running, public=public, as_json=as_json)
            await stop.wait()


def _tell(running: "Emulator", *, public: bool, as_json: bool) -> None:
    """Say where it listens and how to send readings to it; a key of one's own is not repeated."""
    import sys

    from sensor_tui.cli.output import emit, emit_json

    settings = running.settings
    if as_json:
        emit_json(
            {
                "endpoint": running.url,
                "key": running.key if public else None,
                "certificate": running.certificate,
                "partitions": settings.partitions,
                "ru_per_second": settings.ru_per_second,
                "data": None if settings.data is None else str(settings.data),
            }
        )
    else:
        emit("\n".join(_lines(running, public=public)))
    sys.stdout.flush()


def _lines(running: "Emulator", *, public: bool) -> list[str]:
    from sensor_tui.cli.output import clean, count

    settings = running.settings
    limit = "no limit" if settings.ru_per_second is None else f"{settings.ru_per_second:,.0f} RU/s"
    kept = "in memory" if settings.data is None else f"in {clean(settings.data)}"
    lines = [
        f"Local Cosmos DB endpoint on {running.url}: {count(settings.partitions, 'range')}, {limit}, {kept}.",
        "To send readings to it:",
        f"  export COSMOS_ENDPOINT={running.url}",
        f"  export COSMOS_KEY={running.key}" if public else "  export COSMOS_KEY_FILE=…   (the key you gave)",
    ]
    if running.certificate is not None:
        lines.append(f"  export SENSOR_TUI__COSMOS__CONNECTION__CA_FILE={clean(running.certificate)}")
    return [*lines, "  sensor-tui sync --data-dir data --continuous", "Ctrl-C stops it."]

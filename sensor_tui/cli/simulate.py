"""`sensor-tui simulate`: one simulated sensor."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import DEFAULT_DATA_DIR, EXISTING_FILE, FILE, json_option

if TYPE_CHECKING:
    from sensor_tui.simulator.config import SensorConfig
    from sensor_tui.simulator.latency import WriterStats


@click.command(
    cls=Command,
    examples=(
        "sensor-tui simulate --city London --rate 5",
        "sensor-tui simulate --sensor-id LON_000001 --db london.db --generation 2025-04",
        "sensor-tui simulate --city Manila --rate 0 --count 100000 --json",
    ),
)
@click.option("--sensor-id", metavar="ID", help="Its id. Default: made from city and seed, like LON_123456.")
@click.option("--city", metavar="NAME", help="Where it stands. Default: London, or the configuration's.")
@click.option(
    "--db",
    type=FILE,
    metavar="FILE",
    help="Its database. Default: database.path of the configuration, else data/CITY/ID/sensor_data.db.",
)
@click.option("--config", "config_path", type=EXISTING_FILE, metavar="FILE", help="A sensor-config.yaml.")
@click.option(
    "--generation", type=click.Choice(["2025-04", "2025-08"]), help="Which table it writes. Default: 2025-08."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    metavar="PER_SECOND",
    help="Readings a second; 0 is as fast as it can.",
)
@click.option("--count", type=click.IntRange(min=0), metavar="N", help="Stop after so many readings.")
@click.option("--seed", type=int, metavar="N", help="The same seed and id give the same values.")
@click.option(
    "--run-time",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop after so long; 0 is without end.",
)
@click.option("--wal/--no-wal", default=None, help="Write-ahead log instead of the rollback journal.")
@json_option
@click.pass_obj
def simulate(
    session: Session,
    /,
    *,
    db: Path | None,
    config_path: Path | None,
    rate: float | None,
    count: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Be one sensor that appends readings to its SQLite database, until stopped.

    The variables of sensors in the field (SENSOR_ID, SENSOR_LOCATION, CONFIG_FILE, …) are understood;
    options stand over them.

    Ctrl-C or SIGTERM ends it cleanly. What it wrote is told on standard output.
    """
    from sensor_tui.cli import logs
    from sensor_tui.simulator.run import simulate as run

    logs.setup("WARNING", debug=session.debug)
    config = _configured(config_path, options)
    logs.set_level(config.logging.level, debug=session.debug)
    path = db or config.database.path or _default_path(config)
    _tell(path, run(config, db=path, rate=rate, count=count), as_json=as_json)


def _configured(path: Path | None, options: dict[str, Any]) -> "SensorConfig":
    """File, then environment, then options."""
    from sensor_tui.simulator.config import load_sensor_config
    from sensor_tui.simulator.environment import from_environment

    base = None if path is None else load_sensor_config(path)
    config = from_environment(os.environ, base=base).with_options(
        sensor_id=options["sensor_id"], city=options["city"], seed=options["seed"]
    )
    database = {"generation": options["generation"], "wal": options["wal"]}
    changes: dict[str, dict[str, Any]] = {
        "database": {name: value for name, value in database.items() if value is not None}
    }
    if options["run_time"] is not None:
        changes["simulation"] = {"run_time_seconds": options["run_time"]}
    return config.changed("options", changes)


def _default_path(config: "SensorConfig") -> Path:
    identity = config.identity()
    return DEFAULT_DATA_DIR / folder_name(identity.city) / folder_name(identity.sensor_id) / "sensor_data.db"


def folder_name(name: str) -> str:
    """A name as the name of a folder: it cannot climb out of the one it is put into, or hide there."""
    return name.replace("/", "-").replace("\0", "-").lstrip(".") or "-"


def _tell(path: Path, stats: "WriterStats", *, as_json: bool) -> None:
    from dataclasses import asdict

    from sensor_tui.cli.output import clean, count, emit, emit_json

    if as_json:
        emit_json({"db": str(path), **asdict(stats)})
        return
    slowest = f"slowest commit {stats.max_seconds * 1000:.1f} ms" if stats.commits else "no commits"
    lost = f", {stats.lost:,} lost while the file was locked" if stats.lost else ""
    emit(f"{clean(path)}: {count(stats.count, 'reading')} written, {slowest}{lost}")

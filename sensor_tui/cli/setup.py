"""What a command needs before it can start: configuration, logging, and the files that are meant."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor_tui.cli import logs
from sensor_tui.cli.lazy import Session
from sensor_tui.cli.options import data_root

if TYPE_CHECKING:
    from sensor_tui.config import Loaded, Settings
    from sensor_tui.service.request import SyncRequest


@dataclass(frozen=True, slots=True)
class Ready:
    """A configuration that is in force, and the handler its log lines go through."""

    loaded: "Loaded"
    lines: logs.LineHandler

    @property
    def settings(self) -> "Settings":
        """The configuration itself."""
        return self.loaded.settings


def prepare(
    session: Session,
    config: Path | None,
    overrides: Mapping[str, Any] | None = None,
    *,
    quietest: str | None = None,
) -> Ready:
    """Load the configuration, say what is to be said about it, and set up logging.

    `quietest` raises the log level of commands whose output is the answer to a question.
    Raises ConfigError.
    """
    from sensor_tui.config import load

    lines = logs.setup("WARNING", debug=session.debug)
    loaded = load(config, overrides=overrides)
    settings = loaded.settings
    conceal(settings)
    logs.set_level(quietest or settings.logging.level, debug=session.debug)
    session.no_color = session.no_color or settings.no_color
    for notice in loaded.notices:
        logs.notice(notice)
    return Ready(loaded, lines)


def say_what_waits(settings: "Settings") -> None:
    """Say which keys are given and do nothing, so that nobody believes otherwise.

    They wait for their processor, or may name a field that is not there.
    """
    from sensor_tui.service.stages import doubtful_names

    processing = settings.processing
    given = (
        ("Schematize", "schematization.types", processing.schematization.types),
        ("Sanitize", "sanitization.drop", processing.sanitization.drop),
        ("Sanitize", "sanitization.hash", processing.sanitization.hash),
        ("Anomaly", "anomaly.rules", processing.anomaly.rules),
        ("Anomaly", "anomaly.action: route", processing.anomaly.action == "route"),
    )
    for processor, key, value in given:
        if value and processor not in processing.processors:
            logs.notice(f"processing.{key} has no effect: {processor} is not among processing.processors")
    for notice in doubtful_names(settings):
        logs.notice(notice)


def conceal(settings: "Settings") -> None:
    """Mask the secrets of a configuration in everything that is written from now on."""
    hash_key = settings.processing.sanitization.hash_key
    for secret in (settings.cosmos.key, settings.service.token, hash_key):
        if secret is not None:
            logs.SECRETS.hide(secret.get_secret_value())


def sync_request(
    settings: "Settings",
    *,
    data_dir: Path | None,
    sqlite: Path | None,
    development: bool = False,
    dry_run: bool = False,
) -> "SyncRequest":
    """The request for the files that are meant; raises UsageError where that is not clear."""
    from sensor_tui.service.request import SyncRequest

    root = data_root(data_dir, sqlite, settings.data_dir)
    return SyncRequest(
        root.absolute(),
        development=development,
        dry_run=dry_run,
        state_dir=settings.state_dir,
        place=settings.region,
    )

"""The archive of the configuration, as a sink."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensor_tui.model.clock import Clock
from sensor_tui.sync.contract import Sink
from sensor_tui.sync.sinks.archive.options import ArchiveOptions

if TYPE_CHECKING:
    from sensor_tui.config import Settings

CONTAINER_FOLDER: Final = Path("/app/archive")
"""Where the archive of an uploader's container is mounted: its own city's folder, where it serves one."""


def archive_sink(settings: "Settings", clock: Clock) -> Sink | None:
    """The archive sink, not yet opened; None where no folder is configured.

    Raises:
        ConfigError: the archive is to be Parquet and pyarrow is not installed.
    """
    options = archive_options(settings)
    if options is None:
        return None
    from sensor_tui.sync.sinks.archive.sink import ArchiveSink

    return ArchiveSink(options, clock)


def archive_options(settings: "Settings") -> ArchiveOptions | None:
    """What the archive sink has to know; None where no folder is configured."""
    archive = settings.archive
    if archive.path is None:
        return None
    return ArchiveOptions(
        path=archive.path,
        format=archive.format,
        compact_files=archive.compact_files,
        own_city=settings.region if archive.path == CONTAINER_FOLDER else None,
    )

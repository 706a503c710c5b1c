"""Files beside the upload, and how long the sensors' own rows are kept: sections of the schema."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sensor_tui.config import values
from sensor_tui.config.schema_base import DAY, Seconds, Section, lower, parsed
from sensor_tui.config.values import ArchiveFormat


class ArchiveSettings(Section):
    """Files kept beside the upload."""

    path: Path | None = Field(None, description="Folder of the archive; none means no archive.")
    format: Annotated[ArchiveFormat, parsed(values.archive_format)] = Field(
        "Parquet", description="Parquet, CSV or JSON lines."
    )
    what: Annotated[Literal["processed", "raw"], parsed(lower)] = Field(
        "processed", description="What is kept: readings after the processors, or raw ones before them."
    )
    compact_files: int = Field(
        32, ge=2, le=10_000, description="Small files of one sensor that are made into one."
    )


class RetentionSettings(Section):
    """How long acknowledged rows stay in the sensors' files."""

    max_age: Seconds | None = Field(
        None, ge=0, description="Age from which acknowledged rows are removed: 12h, 30d; none means never."
    )
    max_size_mb: float | None = Field(
        None, gt=0, description="Size of a sensor's file in MB above which its oldest acknowledged rows go."
    )
    archived_only: bool = Field(False, description="Remove only what the archive has as well.")
    interval_seconds: Seconds = Field(
        3600.0, ge=1, le=DAY, description="Pause in seconds between two rounds of removing."
    )

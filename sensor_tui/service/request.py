"""What a person asks to have uploaded."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One upload: where the sensor files are, and how it differs from the ordinary one."""

    root: Path
    """A folder of sensor files, or a single file."""
    development: bool = False
    """Send everything again, with fresh ids and the time of this run."""
    dry_run: bool = False
    """Read and encode everything; send nothing, write nothing."""
    state_dir: Path | None = None
    """Folder of our own state; `{root}/.sensor-tui` where None."""
    place: str | None = None
    """The city of files that no folder below the root names one for; the root's own name where None."""

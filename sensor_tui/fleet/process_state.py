"""What is remembered of a process unit across services: whether it should run, and which process it is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, get_type_hints

from sensor_tui.model.unit import UnitState

_LARGEST: Final = 64 * 1024


@dataclass(slots=True)
class Record:
    """State of one unit; times in seconds since the epoch."""

    wanted: bool = False
    """Whether it should run."""
    state: UnitState = UnitState.CREATED
    reason: str = ""
    pid: int | None = None
    birth: str = ""
    """Tells its process from another with the same number."""
    started_at: float | None = None
    restarts: int = 0
    attempts: int = 0
    """Ends in a row, each soon after its start; the pause grows with them."""
    exit_code: int | None = None

    def encoded(self) -> bytes:
        """As it is kept on disk."""
        return json.dumps(asdict(self)).encode() + b"\n"


def load_record(path: Path) -> Record:
    """What is remembered; nothing where there is no file, or one that makes no sense."""
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(_LARGEST))
        kinds = get_type_hints(Record) | {"state": str}
        known = {name: value for name, value in facts.items() if isinstance(value, kinds.get(name, ()))}
        whole = known.keys() == kinds.keys()
        return Record(**known | {"state": UnitState(known["state"])}) if whole else Record()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Record()

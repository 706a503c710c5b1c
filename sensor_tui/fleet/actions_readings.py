"""What actions have to know of readings: whoever holds the engine says it."""

from dataclasses import dataclass
from typing import Protocol

from sensor_tui.model.unit import Unit


@dataclass(frozen=True, slots=True)
class Standing:
    """How the readings of one unit stand. Times are event times in seconds since the epoch."""

    backlog: int | None
    """Readings neither acknowledged nor dead; None where not known."""
    oldest_open: float | None = None
    newest: float | None = None
    dead_letters: int | None = 0
    problem: str = ""
    """Why something of it is not known."""
    uploads: str = ""
    """Why nothing is uploaded now; empty where readings flow."""
    held: bool = False
    """Waiting for an upload is no use: somebody has to do something first."""
    waiting: int = 0
    """Of the backlog: readings that wait for their window, which no upload can send yet."""


class Readings(Protocol):
    """The readings of units, and the engine that uploads them."""

    async def standing(self, unit: Unit) -> Standing | None:
        """How they stand, from memory; None for a unit that has none of its own."""
        ...

    async def unsent(self, unit: Unit) -> int | None:
        """How many are not settled, from the files themselves; None where that cannot be told."""
        ...

    def sync_now(self) -> None:
        """Have what is open uploaded soon; asking often costs nothing."""
        ...

    async def why_keep(self, unit: Unit) -> str:
        """Why its data may not be wiped; empty where it may."""
        ...

    async def wipe(self, unit: Unit, *, keep_folder: bool, destroy: bool = False) -> None:
        """Delete the data of a unit that is stopped; with `destroy` also what is unsent.

        Raises:
            FleetError: it may not be deleted, something in it is unsent or not known to be sent, or it
                cannot be deleted.
        """
        ...

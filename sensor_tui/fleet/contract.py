"""What a runtime is to the rest: a place where units run, a Docker engine or this machine's processes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from sensor_tui.model.unit import HostState, LogLine, Unit, UnitEvent, UnitStats


class Runtime(Protocol):
    """Runs units on one host. Every method may be called at any time after `open`, from one event loop.

    Units are named by their id. A method that changes a unit raises `FleetError` where it cannot be done;
    one that only looks never raises for a runtime that is away: `host` says so, and units are as last seen
    with the state UNKNOWN.
    """

    host_name: str
    name: str
    """`process` or `docker`."""

    async def open(self) -> None:
        """Look for what runs already and take it over; never starts a second of what is there."""
        ...

    async def close(self) -> None:
        """Let go; what runs, runs on."""
        ...

    def host(self) -> HostState:
        """How it stands, from memory."""
        ...

    def list(self) -> Sequence[Unit]:
        """Every unit, from memory, kept up to date by the runtime itself."""
        ...

    async def start(self, unit: str) -> None:
        """Start it; nothing where it is up already."""
        ...

    async def stop(self, unit: str, *, grace: float) -> None:
        """End it and return once it is gone: SIGTERM, SIGKILL after `grace` seconds; not started again."""
        ...

    async def restart(self, unit: str, *, grace: float) -> None:
        """Stop and start."""
        ...

    async def regenerate(self, unit: str) -> None:
        """Make a stopped unit anew from its definition, as a reset wants it."""
        ...

    async def remove(self, unit: str, *, grace: float) -> None:
        """Stop it and forget it, its logs too; its data stays."""
        ...

    async def stats(self, units: Sequence[str]) -> Mapping[str, UnitStats]:
        """What these units use, those that are up, since the call before."""
        ...

    def logs(
        self, unit: str, *, since: float | None = None, tail: int | None = None, follow: bool = False
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Lines in the order they were written, in batches; with `follow` for ever.

        A batch that is empty says that there is no more for now. `since` in seconds since the epoch, `tail`
        the number of last lines to begin with.
        """
        ...

    def events(self) -> AsyncIterator[UnitEvent]:
        """What changes from now on; the one who listens slowly loses nothing but gets `unit=None`."""
        ...

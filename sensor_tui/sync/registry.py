"""Connectors by name: ours, and those that other packages announce; imported when asked for.

Another package announces a connector by an entry point in the group `sensor_tui.sources` or
`sensor_tui.sinks` whose object is called as ours are, and keeps the contract.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Literal

from sensor_tui.errors import UsageError

Kind = Literal["source", "sink"]

_OURS: Final[Mapping[Kind, Mapping[str, str]]] = {
    "source": {"sqlite": "sensor_tui.sync.sources.sqlite:SqliteSource"},
    "sink": {
        "cosmos": "sensor_tui.sync.sinks.cosmos.sink:CosmosSink",
        "archive": "sensor_tui.sync.sinks.archive.sink:ArchiveSink",
    },
}


def names(kind: Kind) -> list[str]:
    """Every known name of that kind."""
    return sorted({*_OURS[kind], *_announced(kind)})


def connector(kind: Kind, name: str) -> Any:
    """The class or function that makes the connector of that name; ours come before those announced.

    Raises:
        UsageError: no such name, or a package that cannot be imported.
    """
    target = _OURS[kind].get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
    announced = _announced(kind).get(name)
    if announced is None:
        known = names(kind)
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(known)}"
        raise UsageError(f"There is no {kind} called {name!r}", fix=hint)
    try:
        return announced.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"The {kind} {name!r} of {announced.value} cannot be imported: {error}",
            fix="Install its package again, or remove it",
        ) from error


def _announced(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"sensor_tui.{kind}s")}

"""The part of the status board that is about units: only what changed is encoded, and only once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sensor_tui.model.action import ActionRun
from sensor_tui.model.unit import HostState, Unit, UnitStats
from sensor_tui.service.encoding import encoded

FIELDS: Final = ("hosts", "units", "stats", "actions")
"""Fields of a status report that are made here."""


@dataclass(frozen=True, slots=True)
class FleetView:
    """One look at the fleet; `stats` by unit id."""

    hosts: Sequence[HostState] = ()
    units: Sequence[Unit] = ()
    stats: Mapping[str, UnitStats] = field(default_factory=dict)
    actions: Sequence[ActionRun] = ()


class FleetBoard:
    """Compares one look with the next; `look` says how the fleet stands now."""

    def __init__(self, look: Callable[[], FleetView] = FleetView) -> None:
        self._look = look
        self._hosts: tuple[HostState, ...] = ()
        self._units: dict[str, Unit] = {}
        self._stats: dict[str, UnitStats] = {}
        self._actions: tuple[ActionRun, ...] = ()
        self._encoded: dict[str, bytes] = {}
        """JSON of each unit, by its id."""
        self._runs: dict[str, tuple[ActionRun, bytes]] = {}
        """Each action with its JSON, by its id."""

    def refresh(self) -> bytes:
        """Look; what changed as fields of a delta, each with a comma before it, nothing where nothing did."""
        view = self._look()
        gone = self._drop({unit.id for unit in view.units})
        units = [unit for unit in view.units if not _same(self._units.get(unit.id), unit)]
        for unit in units:
            self._units[unit.id] = unit
            self._encoded[unit.id] = encoded(unit)
        stats = self._changed_stats(view.stats)
        parts: list[bytes] = []
        if not _same_hosts(self._hosts, view.hosts):
            self._hosts = tuple(view.hosts)
            parts.append(b',"hosts":%b' % _array(map(encoded, self._hosts)))
        if units:
            parts.append(b',"units":%b' % _array(self._encoded[unit.id] for unit in units))
        if gone:
            parts.append(b',"units_gone":%b' % encoded(gone))
        if stats:
            parts.append(b',"stats":%b' % _array(map(encoded, stats)))
        if self._actions != (actions := tuple(view.actions)):
            self._actions = actions
            parts.append(b',"actions":%b' % self._actions_json())
        return b"".join(parts)

    def everything(self) -> bytes:
        """All of it as last seen, as fields of a status report, each with a comma before it."""
        return b',"hosts":%b,"units":%b,"stats":%b,"actions":%b' % (
            _array(map(encoded, self._hosts)),
            _array(self._encoded.values()),
            _array(map(encoded, self._stats.values())),
            self._actions_json(),
        )

    def values(self) -> dict[str, Any]:
        """All of it as last seen, by field of a status report."""
        return {
            "hosts": self._hosts,
            "units": tuple(self._units.values()),
            "stats": tuple(self._stats.values()),
            "actions": self._actions,
        }

    def _drop(self, present: set[str]) -> list[str]:
        """Forget units that are no more."""
        gone = [] if self._units.keys() <= present else [each for each in self._units if each not in present]
        for unit in gone:
            del self._units[unit], self._encoded[unit]
            self._stats.pop(unit, None)
        return gone

    def _changed_stats(self, stats: Mapping[str, UnitStats]) -> list[UnitStats]:
        """Take in what units use, those that are up: what is said of the others holds no more."""
        for unit in [each for each in self._stats if not self._units[each].state.up]:
            del self._stats[unit]
        changed = [
            each
            for unit, each in stats.items()
            if self._stats.get(unit) != each and unit in self._units and self._units[unit].state.up
        ]
        for each in changed:
            self._stats[each.unit] = each
        return changed

    def _actions_json(self) -> bytes:
        runs = {}
        for run in self._actions:
            known = self._runs.get(run.id)
            runs[run.id] = known if known is not None and known[0] is run else (run, encoded(run))
        self._runs = runs
        return _array(json for _, json in runs.values())


def _same(known: Unit | None, unit: Unit) -> bool:
    return known is unit or known == unit


def _same_hosts(known: Sequence[HostState], hosts: Sequence[HostState]) -> bool:
    """Whether nothing changed but the time when a host that answers was last seen."""
    return [_unseen(host) for host in known] == [_unseen(host) for host in hosts]


def _unseen(host: HostState) -> HostState:
    return replace(host, seen=None) if host.reachable else host


def _array(values: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(values)

"""What is known of the containers of one engine, and the units they are shown as. For one event loop."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sensor_tui.fleet.docker_recreate import name_before
from sensor_tui.fleet.docker_unit import Container
from sensor_tui.model.unit import Health, Unit, UnitState


class Roster:
    """Containers by id, units by name: a container that is made anew is the same unit."""

    def __init__(self) -> None:
        self._containers: dict[str, Container] = {}
        self._tickets: dict[str, int] = {}
        self._ticket = 0
        self._doing: dict[str, UnitState] = {}
        self._away: str | None = None
        self._shown: dict[str, tuple[Unit, Container]] | None = None

    def ticket(self) -> int:
        """To be taken before a container is looked at: an older look does not replace a later one."""
        self._ticket += 1
        return self._ticket

    def put(self, container: Container, ticket: int) -> bool:
        """Take in what was seen; whether that is news."""
        if ticket < self._tickets.get(container.id, 0):
            return False
        self._tickets[container.id] = ticket
        if self._containers.get(container.id) == container:
            return False
        self._containers[container.id] = container
        self._shown = None
        return True

    def drop(self, container: str) -> Container | None:
        """It is no more; a look at it that began before says nothing."""
        self._tickets[container] = self.ticket()
        self._shown = None
        return self._containers.pop(container, None)

    def only(self, containers: Iterable[str]) -> None:
        """Drop all others."""
        kept = set(containers)
        for each in [each for each in self._containers if each not in kept]:
            self.drop(each)
        self._tickets = {each: ticket for each, ticket in self._tickets.items() if each in kept}

    def away(self, reason: str | None) -> None:
        """The engine cannot be asked, and why; None once it can."""
        if reason != self._away:
            self._away = reason
            self._shown = None

    @contextmanager
    def doing(self, name: str, state: UnitState) -> Iterator[None]:
        """Show a unit in this state while something is done to it."""
        self._doing[name] = state
        self._shown = None
        try:
            yield
        finally:
            self._doing.pop(name, None)
            self._shown = None

    def __contains__(self, container: str) -> bool:
        return container in self._containers

    def __len__(self) -> int:
        return len(self._names())

    def container(self, container: str) -> Container | None:
        """By its id."""
        return self._containers.get(container)

    def find(self, name: str) -> Container | None:
        """The container that a unit is now."""
        shown = self._names().get(name)
        return None if shown is None else shown[1]

    def units(self) -> Sequence[Unit]:
        """All, by name."""
        return [unit for unit, _ in self._names().values()]

    def _names(self) -> dict[str, tuple[Unit, Container]]:
        if self._shown is None:
            shown: dict[str, tuple[Unit, Container]] = {}
            # what is being replaced comes last: the name is that of what replaces it
            for engine_name, each in sorted(
                self._chosen().items(), key=lambda item: (_is_old(*item), item[0])
            ):
                name = each.unit.name if each.unit.container else engine_name
                name = each.name if name in shown else name
                chosen = each if name == each.unit.name else _called(name, each)
                shown[name] = (self._unit(chosen.unit), chosen)
            self._shown = dict(sorted(shown.items()))
        return self._shown

    def _chosen(self) -> dict[str, Container]:
        """Containers by the name of their unit.

        One that is being replaced bears its own id before its name: it is the unit while the new one does
        not exist, and not shown afterwards, unless it runs.
        """
        chosen = {
            each.name: each for each in self._containers.values() if name_before(each.id, each.name) is None
        }
        for each in self._containers.values():
            before = name_before(each.id, each.name)
            if before is None:
                continue
            if before not in chosen:
                chosen[before] = each
            elif each.unit.state in {UnitState.RUNNING, UnitState.PAUSED}:
                chosen[each.name] = each
        return chosen

    def _unit(self, unit: Unit) -> Unit:
        if self._away is not None:
            return replace(
                unit,
                state=UnitState.UNKNOWN,
                health=Health.NONE,
                reason=f"was {unit.state} when last seen; {self._away}",
            )
        doing = self._doing.get(unit.name)
        return unit if doing is None else replace(unit, state=doing, health=Health.NONE, reason="")


def _called(name: str, container: Container) -> Container:
    """The container, its unit under this name."""
    unit = container.unit
    start = unit.id.removesuffix(unit.name)
    inside = "" if container.name == name else container.name
    return replace(container, unit=replace(unit, id=f"{start}{name}", name=name, container=inside))


def _is_old(name: str, container: Container) -> bool:
    """Whether it is shown beside what replaces it."""
    return name == container.name and name_before(container.id, container.name) is not None

"""A project on one engine: what there is of it, whose names are taken, how its containers fare, its end."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from docker.errors import APIError, DockerException, NotFound

from sensor_tui.fleet import labels
from sensor_tui.fleet.docker_errors import one_line, told
from sensor_tui.fleet.docker_host import DockerAddress, connect
from sensor_tui.model.unit import Role

Tell = Callable[[str, str], None]
"""Takes a name and what became of it; called from several threads."""

_CONFIG_FILES: Final = "com.docker.compose.project.config_files"
_WORKING_DIR: Final = "com.docker.compose.project.working_dir"
_AT_ONCE: Final = 8
_TOLD_LINES: Final = 3
_CONFLICT: Final = 409
UPLOADER_GRACE: Final = 40.0
"""Seconds: an uploader drains for up to 30 s when it is told to end."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine lists it; all text is as others wrote it."""

    id: str
    name: str
    service: str
    """The unit it is: its Compose service, or its name."""
    state: str
    """`created, running, paused, restarting, removing, exited, dead`."""
    status: str
    """In the engine's words: `Up 3 seconds (healthy)`."""
    image: str
    labels: Mapping[str, str]
    folders: frozenset[str] = frozenset()
    """Folders of its host that it uses."""

    @property
    def lives(self) -> bool:
        """Whether there is something to stop."""
        return self.state in {"running", "paused", "restarting"}

    @property
    def uploads(self) -> bool:
        """Whether it is an uploader."""
        return self.labels.get(labels.ROLE) == Role.UPLOADER

    @property
    def roots(self) -> frozenset[Path]:
        """What may be the data folder it belongs to; nothing where that cannot be told."""
        data = self.labels.get(labels.DATA)
        ends = [each for each in self.folders if data and each.endswith(f"/{data}")]
        return frozenset(Path(each.removesuffix(f"/{data}") or "/") for each in ends)

    @property
    def health(self) -> str:
        """`healthy`, `unhealthy`, `starting`, or nothing where it has no health check."""
        found = re.search(r"\((?:health: )?(healthy|unhealthy|starting)\)", self.status)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Network:
    """A network as the engine lists it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What an engine has of a project."""

    project: str
    ours: tuple[Container, ...] = ()
    """Containers with our label."""
    orphans: tuple[Container, ...] = ()
    """Containers without it that Compose made from the project's file."""
    foreign: tuple[Container, ...] = ()
    """Containers of somebody else's project of that name, or of another data folder: left alone."""
    networks: tuple[Network, ...] = ()

    @property
    def containers(self) -> tuple[Container, ...]:
        """All that belong to it."""
        return (*self.ours, *self.orphans)

    @property
    def elsewhere(self) -> tuple[Container, ...]:
        """Those of `foreign` with our label: of a fleet of that name with another data folder."""
        return tuple(each for each in self.foreign if each.labels.get(labels.PROJECT) == self.project)

    @property
    def empty(self) -> bool:
        """Whether there is nothing of it."""
        return not (self.ours or self.orphans or self.networks)


@dataclass(frozen=True, slots=True)
class Fate:
    """How a container fares: whether it is up and well, on its way, or has ended."""

    container: Container
    ready: bool = False
    ended: str = ""
    """How it ended; empty where it did not."""
    lines: tuple[str, ...] = field(default=())
    """The last it wrote, where it ended or is unhealthy."""


class Engine:
    """One engine, asked from here and now; every method blocks. Close it, or use it as a context.

    Raises FleetError, from every method too, where the engine does not answer.
    """

    def __init__(self, address: DockerAddress, *, timeout: float = 60.0) -> None:
        self.address = address
        self._client = connect(address, timeout=timeout)
        self._api = self._client.api

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._client.close()

    def survey(self, project: str, *, file: Path | None = None, root: Path | None = None) -> Survey:
        """What there is of a project, with or without its compose file at `file`.

        `root` is its data folder: what writes to another one is somebody else's, whatever it is called.
        """
        with self._telling():
            labelled = self._list({"label": f"{labels.PROJECT}={project}"})
            elsewhere = tuple(each for each in labelled if root is not None and _elsewhere(each, root))
            ours = [each for each in labelled if each not in elsewhere]
            composed = self._list({"label": f"{labels.COMPOSE_PROJECT}={project}"})
            others = [each for each in composed if labels.PROJECT not in each.labels]
            files = {origin for each in ours if (origin := _origin(each)) is not None}
            files |= {str(file)} if file is not None else set()
            foreign = (*elsewhere, *(each for each in others if _origin(each) not in files))
            found = self._networks({"label": f"{labels.PROJECT}={project}"})
            if not foreign:  # Compose's own label says no more than a name that others may have taken too
                found |= self._networks({"label": f"{labels.COMPOSE_PROJECT}={project}"})
        orphans = tuple(each for each in others if _origin(each) in files)
        return Survey(project, tuple(ours), orphans, foreign, tuple(found.values()))

    def clashes(
        self, project: str, *, names: Collection[str], services: Collection[str], folders: Collection[str]
    ) -> list[Container]:
        """Containers of others that are in the way of the project's units.

        They have their names or services, or, while they live, use their folders: one database, two writers.
        """

        def in_the_way(each: Container) -> bool:
            if each.labels.get(labels.PROJECT) == project:
                return False
            same = each.labels.get(labels.COMPOSE_PROJECT) == project
            taken = each.name in names or (same and each.service in services)
            return taken or (each.lives and not each.folders.isdisjoint(folders))

        with self._telling():
            return [each for each in self._list({}) if in_the_way(each)]

    def restarts(self, containers: Iterable[Container]) -> dict[str, int]:
        """How often each was started again by the engine, by id."""
        with self._telling():
            return {each.id: self._inspect(each).get("RestartCount", 0) for each in containers}

    def fates(self, project: str, *, services: Collection[str], began: Mapping[str, int]) -> list[Fate]:
        """How the containers of these services fare that have the project's label.

        `began` has restart counts by id from before: one that was started again since has ended meanwhile.
        """
        with self._telling(), ThreadPoolExecutor(_AT_ONCE, "fates") as pool:
            listed = [
                each
                for each in self._list({"label": f"{labels.PROJECT}={project}"})
                if each.service in services
            ]
            return list(pool.map(lambda each: self._fate(each, began.get(each.id, 0)), listed))

    def stop(self, containers: Sequence[Container], *, grace: float, tell: Tell) -> list[str]:
        """Stop these containers, several at a time; what could not be done, as lines.

        `grace` is in seconds; uploaders get as long as they need to drain.
        """

        def end(each: Container) -> None:
            self._stop(each, grace, tell)
            tell(each.service, "stopped")

        return self._each(end, [each for each in containers if each.lives])

    def remove(self, found: Survey, *, grace: float, tell: Tell) -> list[str]:
        """Stop and remove containers, then networks; what could not be done, as lines. `grace` as in `stop`.

        Volumes without a name go with their container, for nobody could find them again; folders stay.
        """

        def end(each: Container) -> None:
            if each.lives:
                self._stop(each, grace, tell)
            self._api.remove_container(each.id, v=True, force=True)
            tell(each.service, "removed")

        def end_network(each: Network) -> None:
            self._api.remove_network(each.id)
            tell(f"network {each.name}", "removed")

        return [*self._each(end, found.containers), *self._each(end_network, found.networks)]

    def _stop(self, each: Container, grace: float, tell: Tell) -> None:
        tell(each.service, "stopping")
        seconds = max(grace, UPLOADER_GRACE) if each.uploads else grace
        self._api.stop(each.id, timeout=max(0, round(seconds)))

    def _each(self, work: Callable[[Any], None], things: Sequence[Any]) -> list[str]:
        def attempt(thing: Any) -> str:
            try:
                work(thing)
            except NotFound:
                return ""  # somebody else was faster
            except (DockerException, OSError) as error:
                if _under_way(error):
                    return ""
                return told(error, self.address, unit=thing.name).message
            return ""

        if not things:
            return []
        with ThreadPoolExecutor(min(_AT_ONCE, len(things)), "project") as pool:
            return list(filter(None, pool.map(attempt, things)))

    def _fate(self, each: Container, restarts: int) -> Fate:
        facts = self._inspect(each)
        state = facts.get("State", {})
        again = facts.get("RestartCount", 0) > restarts or each.state == "restarting"
        if again or each.state in {"exited", "dead"}:
            code = state.get("ExitCode", 0)
            why = state.get("Error") or ("out of memory" if state.get("OOMKilled") else "")
            ended = "it ends again and again" if again else "it ended"
            ended += f", with exit code {code}" if code or not again else ""
            return Fate(each, ended=": ".join(filter(None, [ended, one_line(why)])), lines=self._last(each))
        if each.health == "unhealthy":
            return Fate(each, ended="its health check fails", lines=self._last(each))
        return Fate(each, ready=each.state == "running" and each.health in {"", "healthy"})

    def _inspect(self, each: Container) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._api.inspect_container(each.id)
        except NotFound:
            return {}
        return found

    def _last(self, each: Container) -> tuple[str, ...]:
        try:
            raw: bytes = self._api.logs(each.id, stdout=True, stderr=True, tail=_TOLD_LINES)
        except (DockerException, OSError):
            return ()
        lines = raw.decode("utf-8", "replace").splitlines()
        return tuple(dict.fromkeys(one_line(line) for line in lines if line.strip()))

    def _list(self, filters: Mapping[str, Any]) -> list[Container]:
        return [_container(facts) for facts in self._api.containers(all=True, filters=dict(filters))]

    def _networks(self, filters: Mapping[str, Any]) -> dict[str, Network]:
        listed = self._api.networks(filters=dict(filters))
        return {str(facts["Id"]): Network(str(facts["Id"]), str(facts["Name"])) for facts in listed}

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (DockerException, OSError) as error:
            raise told(error, self.address) from error


def _under_way(error: Exception) -> bool:
    """Whether somebody else is removing it just now."""
    return (
        isinstance(error, APIError)
        and error.status_code == _CONFLICT
        and "already in progress" in str(error.explanation)
    )


def _container(facts: Mapping[str, Any]) -> Container:
    named = facts.get("Labels") or {}
    # a name with a second "/" is that of a link, not its own
    names = [name.lstrip("/") for name in facts.get("Names") or () if name.count("/") == 1]
    name = names[0] if names else str(facts["Id"])[:12]
    service = named.get(labels.COMPOSE_SERVICE) or name
    mounts = facts.get("Mounts") or ()
    return Container(
        id=str(facts["Id"]),
        name=name,
        service=service,
        state=str(facts.get("State", "")),
        status=str(facts.get("Status", "")),
        image=str(facts.get("Image", "")),
        labels=named,
        folders=frozenset(str(each["Source"]) for each in mounts if each.get("Source")),
    )


def _origin(each: Container) -> str | None:
    """The compose file it was made from, absolute; None where nobody knows."""
    files = each.labels.get(_CONFIG_FILES)
    if not files or "," in files:
        return None
    return str(Path(each.labels.get(_WORKING_DIR, "/"), files))


def _elsewhere(each: Container, root: Path) -> bool:
    """Whether it writes to another data folder, as far as that can be told."""
    same = os.path.realpath(root)
    # Docker Desktop shows a folder of its machine below one of its own
    known = {os.path.realpath(place) for place in each.roots}
    return bool(known) and known.isdisjoint({same, f"/host_mnt{same}"})

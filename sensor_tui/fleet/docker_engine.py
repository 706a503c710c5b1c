"""What an engine is asked, over one connection. Everything blocks, and fails with `FleetError` alone."""

import json
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sensor_tui.errors import FleetError
from sensor_tui.fleet import labels
from sensor_tui.fleet.docker_errors import NotThere, told
from sensor_tui.fleet.docker_host import TIMEOUT_SECONDS, DockerAddress, connect
from sensor_tui.fleet.docker_recreate import recreate
from sensor_tui.fleet.docker_stream import ByteStream

if TYPE_CHECKING:
    import docker

T = TypeVar("T")

CHANGE_SECONDS: Final = 60.0
"""For the answer to what changes something."""

_EVENTS: Final = (
    "create", "start", "restart", "die", "kill", "stop", "pause", "unpause", "oom", "rename", "update",
    "destroy", "health_status",
)  # fmt: skip
"""Those that change how a container stands; a health check alone makes three others each time."""


class Engine:
    """One engine that has answered. Containers are named by id, `name` is what a person knows them as."""

    def __init__(self, client: "docker.DockerClient", address: DockerAddress) -> None:
        self._client = client
        self._api = client.api
        self._address = address
        self._patient: docker.DockerClient | None = None
        self._opening = threading.Lock()
        self.version = ""

    @classmethod
    def open(cls, address: DockerAddress, timeout: float = TIMEOUT_SECONDS) -> "Engine":
        """Connect."""
        engine = cls(connect(address, timeout=timeout), address)
        try:
            engine.version = str(engine._ask(engine._api.version).get("Version", ""))
        except BaseException:
            engine.close()
            raise
        return engine

    def close(self) -> None:
        """Let go."""
        self._client.close()
        with self._opening:
            if self._patient is not None:
                self._patient.close()

    def ping(self) -> None:
        """Whether it still answers."""
        self._ask(self._api.ping)

    def containers(self, project: str) -> list[str]:
        """Ids of the containers of a project, by our label and by Compose's."""
        filters = [{"label": f"{label}={project}"} for label in (labels.PROJECT, labels.COMPOSE_PROJECT)]
        found = self._ask(lambda: [self._api.containers(all=True, filters=each) for each in filters])
        return list({str(each["Id"]): None for part in found for each in part})

    def inspect(self, container: str) -> Mapping[str, Any] | None:
        """All about one; None where there is none."""
        try:
            return dict(self._ask(lambda: self._api.inspect_container(container)))
        except NotThere:
            return None

    def events(self) -> ByteStream:
        """Changes of containers from now on, an object of JSON a line."""
        filters = json.dumps({"type": ["container"], "event": list(_EVENTS)})
        return self._ask(lambda: ByteStream(self._client, ("events",), {"filters": filters}))

    def logs(
        self, container: str, name: str, *, since: str | None, tail: int | None, follow: bool
    ) -> ByteStream:
        """A container's log with the engine's times; `since` as seconds, a point and nine digits."""
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": str(int(follow))}
        query["tail"] = "all" if tail is None else str(tail)
        if since is not None:
            query["since"] = since
        path = ("containers", container, "logs")
        return self._ask(lambda: ByteStream(self._client, path, query), name)

    def stats(self, container: str) -> Any:
        """What it uses: one look, which waits for the engine's next tick."""
        return self._ask(lambda: self._api.stats(container, stream=False, one_shot=True))

    def start(self, container: str, name: str) -> None:
        """Start it, or let it go on where it is paused."""
        facts = self._ask(lambda: self._api.inspect_container(container), name)
        if facts["State"].get("Paused"):
            self._ask(lambda: self._changes().api.unpause(container), name)
        else:
            self._ask(lambda: self._changes().api.start(container), name)

    def stop(self, container: str, name: str, grace: float) -> None:
        """End it; it may have seconds of grace."""
        self._go_on(container)
        self._ask(lambda: self._api.stop(container, timeout=math.ceil(grace)), name)

    def restart(self, container: str, name: str, grace: float) -> None:
        """End it and start it."""
        self._go_on(container)
        self._ask(lambda: self._api.restart(container, timeout=math.ceil(grace)), name)

    def remove(self, container: str, name: str) -> None:
        """Delete it, and not its volumes; fine where that is done or under way already."""
        try:
            self._ask(lambda: self._changes().api.remove_container(container, force=True), name)
        except NotThere:
            return
        except FleetError as error:
            if "already in progress" not in error.message:
                raise

    def recreate(self, container: str, name: str) -> str:
        """Make it anew from its definition; the id of the new one."""
        return self._ask(lambda: recreate(self._changes(), container), name)

    def _changes(self) -> "docker.DockerClient":
        """A client that waits longer: an engine with much to do takes its time to change something."""
        with self._opening:
            if self._patient is None:
                self._patient = connect(self._address, timeout=CHANGE_SECONDS)
            return self._patient

    def _go_on(self, container: str) -> None:
        """What is paused cannot be ended."""
        facts = self.inspect(container)
        if facts is not None and facts["State"].get("Paused"):
            self._ask(lambda: self._api.unpause(container))

    def _ask(self, work: Callable[[], T], name: str = "") -> T:
        from docker.errors import DockerException

        try:
            return work()
        except (DockerException, OSError, KeyError, ValueError) as error:
            raise told(error, self._address, unit=name) from error


def objects(lines: Iterable[bytes]) -> list[Mapping[str, Any]]:
    """Those lines that are objects of JSON."""
    found: list[Mapping[str, Any]] = []
    for line in lines:
        try:
            each = json.loads(line) if line.strip() else None
        except ValueError:
            continue
        if isinstance(each, dict):
            found.append(each)
    return found

"""A look at an engine for a check: what it is, what it has of a project, and a command inside a container."""

import io
import re
import tarfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sensor_tui.errors import FleetError
from sensor_tui.fleet import labels
from sensor_tui.fleet.docker_engine import Engine
from sensor_tui.fleet.docker_errors import NotThere
from sensor_tui.fleet.docker_host import DockerAddress, connect
from sensor_tui.fleet.docker_unit import Container, container_of

T = TypeVar("T")

SECONDS: Final = 15.0
"""For one answer of the engine."""
PROBE_LABEL: Final = "sensor-tui.probe"
"""Of a container that lives for one command: it is no unit."""

_AT_ONCE: Final = 8
_MOST_BYTES: Final = 4 << 20
"""Of a log."""
_MOST_OUTPUT: Final = 256 << 10
_NOT_FOUND: Final = frozenset({126, 127})
_NO_PROGRAM: Final = re.compile(r"executable file not found|no such file or directory", re.IGNORECASE)
_NOBODY: Final = "65534:65534"


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a command in a container; `output` is as others wrote it."""

    output: bytes
    missing: bool = False
    """There is no such program in it."""


class Probe(Engine):
    """An engine that has answered; every method blocks and raises FleetError."""

    api_version = ""

    @classmethod
    def open(cls, address: DockerAddress, timeout: float = SECONDS) -> "Probe":
        """Connect."""
        probe = cls(connect(address, timeout=timeout), address)
        try:
            about = probe._ask(probe._api.version)
        except BaseException:
            probe.close()
            raise
        probe.version = str(about.get("Version", ""))
        probe.api_version = str(about.get("ApiVersion", ""))
        return probe

    def units(self, project: str, data_root: Path | None) -> list[Container]:
        """The containers of a project, by name; those of a fleet with another data folder are left out.

        `data_root` is where mounts of this machine are looked up; None for an engine elsewhere.
        """
        ids = self.containers(project)
        with ThreadPoolExecutor(_AT_ONCE, "containers") as pool:
            inspected = [facts for facts in pool.map(self.inspect, ids) if facts is not None]
        found: list[Container] = []
        for facts in inspected:
            with suppress(ValueError):
                found.append(container_of(facts, self._address.name, data_root=data_root))
        return sorted(
            (each for each in found if data_root is None or not _elsewhere(each)),
            key=lambda each: each.unit.name,
        )

    def has_image(self, image: str) -> bool:
        """Whether the engine itself has it."""
        try:
            self._ask(lambda: self._client.images.get(image))
        except NotThere:
            return False
        except FleetError as error:
            if "is missing" in error.message:
                return False
            raise
        return True

    def lines(self, container: Container, *, since: float, tail: int) -> list[str]:
        """Its last lines since that time, in seconds since the epoch; at most some megabytes of them."""

        def read() -> bytes:
            chunks: list[bytes] = []
            size = 0
            stream = self._api.logs(container.id, stream=True, follow=False, since=since, tail=tail)
            for chunk in stream:
                chunks.append(chunk)
                size += len(chunk)
                if size > _MOST_BYTES:
                    break
            return b"".join(chunks)

        return self._ask(read, container.name).decode("utf-8", "replace").splitlines()

    def name_servers(self, container: Container) -> list[str]:
        """Name servers its definition gives it, besides those of the engine or of its host."""
        facts = self.inspect(container.id) or {}
        given = (facts.get("HostConfig") or {}).get("Dns") or ()
        return [str(each) for each in given]

    def read(self, container: Container, path: str) -> str:
        """A small text file in a container; nothing where there is none."""

        def work() -> bytes:
            chunks, _ = self._api.get_archive(container.id, path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks)), mode="r:") as tar:
                opened = next((tar.extractfile(each) for each in tar if each.isfile()), None)
                return b"" if opened is None else opened.read(_MOST_OUTPUT)

        try:
            return self._ask(work, container.name).decode("utf-8", "replace")
        except (NotThere, tarfile.TarError):
            return ""

    def run(self, container: Container, command: Sequence[str]) -> Ran:
        """Run a command in a container that is up; it has to end by itself."""

        def work() -> Ran:
            made = self._api.exec_create(container.id, list(command), stdin=False)
            output = self._api.exec_start(made["Id"])
            code = self._api.exec_inspect(made["Id"]).get("ExitCode")
            return _ran(output, code)

        return self._tried(work, container.name)

    def run_once(self, image: str, command: Sequence[str], *, project: str) -> Ran:
        """Run a command in a container made of a local image for it, which is removed again.

        It runs as nobody, changes nothing and sees nothing of the host; in the network of the project
        where there is one.
        """

        def work() -> Ran:
            network = self._network(project)
            container = self._client.containers.create(
                image,
                list(command[1:]),
                entrypoint=[command[0]],
                user=_NOBODY,
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                mem_limit="128m",
                labels={PROBE_LABEL: project},
                network=network,
            )
            try:
                container.start()
                code = container.wait(timeout=SECONDS).get("StatusCode")
                output = container.logs(stdout=True, stderr=True)
            finally:
                with suppress(NotThere):
                    self._ask(lambda: container.remove(force=True, v=True))
            return _ran(output, code)

        return self._tried(work, image)

    def _network(self, project: str) -> str | None:
        """The network that Compose made for the project."""
        filters: Mapping[str, str] = {"label": f"{labels.COMPOSE_PROJECT}={project}"}
        found = self._api.networks(filters=dict(filters))
        return str(found[0]["Name"]) if found else None

    def _tried(self, work: Callable[[], Ran], name: str) -> Ran:
        try:
            return self._ask(work, name)
        except FleetError as error:
            # Newer engines refuse to begin, older ones say it in the output.
            if _NO_PROGRAM.search(error.message):
                return Ran(b"", missing=True)
            raise


def _ran(output: bytes, code: int | None) -> Ran:
    missing = code in _NOT_FOUND and _NO_PROGRAM.search(output.decode("utf-8", "replace")) is not None
    return Ran(output[:_MOST_OUTPUT], missing=missing)


def _elsewhere(container: Container) -> bool:
    """Whether it has a data folder, and that is not below the data root."""
    return bool(container.unit.labels.get(labels.DATA)) and container.unit.data is None

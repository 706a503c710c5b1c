"""Real containers under a project of the test's own, and runtimes that look after them."""

import asyncio
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException, NotFound

from sensor_tui.fleet import labels
from sensor_tui.fleet.docker import DockerRuntime
from sensor_tui.fleet.docker_host import DockerAddress, docker_addresses
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.model.unit import LogLine, Unit
from tests.support.components import require_component
from tests.support.docker import START_SECONDS, Daemon, busybox_image, engine_client

SECONDS = 20.0
"""Longest wait for something that is bound to happen."""
LOOP = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


class PrivateDaemon(Daemon):
    """An engine in a network of its own: `--bridge=none` would take away the machine's docker0."""

    def __init__(self) -> None:
        # Not the test's folder: the path of a socket in it would be too long.
        super().__init__(Path(tempfile.mkdtemp(prefix="h3-", dir="/tmp")))

    arguments: tuple[str, ...] = ()
    given: socket.socket | None = None
    """A socket it finds as its third descriptor, as systemd gives it."""

    def start(self) -> None:
        require_component("dockerd")
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "pid").unlink(missing_ok=True)
        command = [
            "unshare", "--net", "dockerd", "--data-root", self._folder / "data",
            "--exec-root", self._folder / "exec", "--pidfile", self._folder / "pid", "-H", self.address,
            "--bridge=none", "--iptables=false", "--live-restore", *self.arguments,
        ]  # fmt: skip
        given: tuple[int, ...] = ()
        if self.given is not None:
            given = (self.given.fileno(),)
            script = f'exec 3<&{given[0]}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
            command = ["bash", "-c", script, "bash", *command]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, pass_fds=given
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(DockerException, OSError):
                client = self.client()
                try:
                    client.ping()
                finally:
                    client.close()
                return
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.05)
        raise TimeoutError((self._folder / "log").read_text()[-2000:])

    def client(self) -> docker.DockerClient:
        # The SDK leaves a socket open where nobody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket))
        return super().client()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


class Box:
    """Containers of one project on one engine."""

    def __init__(self, client: docker.DockerClient, project: str) -> None:
        self.client = client
        self.project = project
        self.image = busybox_image(client)

    def make(self, name: str = "sensor-1", script: str = LOOP, *, start: bool = True, **options: Any) -> str:
        """Create a container that runs a script; its full name, which is its unit's."""
        full = f"{self.project}-{name}"
        options["labels"] = {labels.PROJECT: self.project} | options.get("labels", {})
        container = self.client.containers.create(
            self.image, ["sh", "-c", script], name=full, **({"network_mode": "none"} | options)
        )
        if start:
            container.start()
        return full

    def get(self, name: str) -> Any:
        """The container as the SDK has it now."""
        return self.client.containers.get(name)

    def clean(self) -> None:
        """Nothing of the project stays."""
        for container in self.client.containers.list(
            all=True, filters={"label": f"{labels.PROJECT}={self.project}"}, ignore_removed=True
        ):
            with suppress(NotFound):
                container.remove(force=True, v=True)
        self.client.close()


class Watched:
    """A runtime, and waiting for what is bound to happen to it."""

    def __init__(self, runtime: DockerRuntime) -> None:
        self.runtime = runtime
        self._events = runtime.events()

    def id(self, name: str) -> str:
        return f"{self.runtime.host_name}/docker/{name}"

    def unit(self, name: str) -> Unit | None:
        return next((each for each in self.runtime.list() if each.name == name), None)

    async def until(self, what: Callable[[], Any], *, seconds: float = SECONDS) -> Any:
        """Look whenever the runtime says that something changed."""
        async with asyncio.timeout(seconds):
            while not (found := what()):
                await anext(self._events)
        return found

    async def unit_is(self, name: str, what: Callable[[Unit], bool], *, seconds: float = SECONDS) -> Unit:
        found = await self.until(
            lambda: (unit := self.unit(name)) is not None and what(unit) and unit, seconds=seconds
        )
        assert isinstance(found, Unit)
        return found

    async def lines(
        self, name: str, enough: Callable[[list[LogLine]], bool] | None = None, **options: Any
    ) -> list[LogLine]:
        """What there is of a log: to the end, or until there is enough where it is followed."""
        lines: list[LogLine] = []
        stream = self.runtime.logs(self.id(name), follow=enough is not None, **options)
        async with asyncio.timeout(SECONDS):
            async for batch in stream:
                assert len(batch) <= 501
                lines += batch
                if enough is not None and enough(lines):
                    break
        await stream.aclose()  # type: ignore[attr-defined]
        return lines


Watcher = Callable[..., Any]


@pytest.fixture
def box() -> Iterator[Box]:
    """Containers on this machine's engine."""
    require_component("docker")
    box = Box(engine_client(), f"h3{uuid.uuid4().hex[:8]}")
    yield box
    box.clean()


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watcher]:
    """Opens runtimes; `await watch(box)` knows how the engine stands."""
    opened: list[DockerRuntime] = []

    async def watch(
        project: str,
        address: DockerAddress | str | None = None,
        *,
        clock: Clock | None = None,
        settled: bool = True,
    ) -> Watched:
        if not isinstance(address, DockerAddress):
            (address,) = docker_addresses([address] if address is not None else [])
        runtime = DockerRuntime(address, clock or SystemClock(), project=project, data_root=tmp_path / "data")
        opened.append(runtime)
        watched = Watched(runtime)
        await runtime.open()
        if settled:
            async with asyncio.timeout(SECONDS):
                await runtime.settled()
        return watched

    yield watch
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(runtime.close() for runtime in opened))


@pytest.fixture
def daemon() -> Iterator[PrivateDaemon]:
    """An engine of the test's own, started."""
    daemon = PrivateDaemon()
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.remove()

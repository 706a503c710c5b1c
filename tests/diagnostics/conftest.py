"""Configurations that work and configurations that do not, and checks made on them."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from sensor_tui.config import load
from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.fleet import labels
from sensor_tui.fleet.project import Project as Made
from sensor_tui.fleet.project import remember
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.diagnostics import Context, Diagnostics, of_request
from sensor_tui.service.request import SyncRequest
from sensor_tui.simulator.sample import write_sample
from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client


class ShiftedClock(SystemClock):
    """A clock of a machine that nobody has set."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sensor(root: Path) -> Callable[..., Path]:
    def make(name: str = "A", *, city: str = "London", rows: int = 20, **options: Any) -> Path:
        path = root / city / name / "sensor_data.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        given = {"generation": "2025-08", "seed": sum(name.encode())} | options
        write_sample(path, rows=rows, city=city, **given)
        return path

    return make


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as running:
        yield running


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Any]:
    def make(
        emulator: Emulator | None = None, /, *, sections: dict[str, Any] | None = None, **cosmos: Any
    ) -> Any:
        given = {"endpoint": emulator.url, "key": emulator.key} if emulator is not None else {}
        path = tmp_path / "sensor-tui.yaml"
        sections = {"cosmos": given | cosmos} | (sections or {})
        # a name of its own: what others do on the machine's engine is not seen here
        sections["fleet"] = {"project": f"none-{uuid.uuid4().hex[:10]}"} | sections.get("fleet", {})
        path.write_text(json.dumps(sections))
        return load(path, env={}, cwd=tmp_path).settings

    return make


@pytest.fixture
def context(root: Path, settings_for: Callable[..., Any]) -> Callable[..., Context]:
    """What checks are made on, with changes."""

    def make(settings: Any = None, *, write: bool = False, clock: Any = None, **changes: Any) -> Context:
        made = of_request(settings or settings_for(), SyncRequest(root), clock or SystemClock(), write=write)
        return replace(made, **changes)

    return make


@pytest.fixture
def check(context: Callable[..., Context]) -> Callable[..., Any]:
    """Make one check."""

    async def make(name: str, settings: Any = None, **options: Any) -> Any:
        diagnostics = Diagnostics(context(settings, **options))
        try:
            return await diagnostics.run_check(name)
        finally:
            await diagnostics.close()

    return make


@pytest.fixture
def shifted() -> type[ShiftedClock]:
    return ShiftedClock


LOOP = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


class Project:
    """Containers of a project of the test's own on the machine's engine, and its compose file."""

    def __init__(self, client: Any, root: Path, file: Path) -> None:
        self.client = client
        self.name = f"diag-{uuid.uuid4().hex[:10]}"
        self.root = root
        self.file = file
        self.image = busybox_image(client)
        self._networks: list[Any] = []
        self._images: list[str] = []
        self._services: dict[str, str] = {}
        self.remember()

    def remember(self) -> None:
        """Have it be the one that was started last with these files."""
        self.file.write_text(
            json.dumps({"services": {name: {"image": image} for name, image in self._services.items()}})
        )
        remember(self.root / ".sensor-tui", Made(self.name, self.file))

    def expect(self, name: str, image: str = "") -> str:
        """Name a unit in the compose file; its full name."""
        self._services[f"{self.name}-{name}"] = image or self.image
        self.remember()
        return f"{self.name}-{name}"

    def make(self, name: str = "sensor-1", script: str = LOOP, **options: Any) -> Any:
        """Start a container that is a unit of it."""
        full = self.expect(name, options.get("image", ""))
        given = {"network_mode": "none", "stop_signal": "SIGKILL"} | options
        if "network" in given:
            del given["network_mode"]
        image = given.pop("image", self.image)
        marks = {labels.PROJECT: self.name} | given.pop("labels", {})
        command = given.pop("command", ["sh", "-c", script])
        container = self.client.containers.create(image, command, name=full, labels=marks, **given)
        container.start()
        container.reload()
        return container

    def until(self, container: Any, what: Callable[[Any], Any], *, seconds: float = 30.0) -> None:
        """Wait until this is so of what the engine says of it."""
        deadline = time.monotonic() + seconds
        while not what(container.attrs):
            assert time.monotonic() < deadline, container.attrs["State"]
            time.sleep(0.05)
            container.reload()

    def network(self) -> str:
        """A network of its own, with Docker's own name server in it."""
        made = self.client.networks.create(f"{self.name}-{len(self._networks)}")
        self._networks.append(made)
        return str(made.name)

    def tag(self, tag: str) -> str:
        """The tiny image under a name of its own."""
        self.client.images.get(self.image).tag(self.name, tag)
        self._images.append(f"{self.name}:{tag}")
        return self._images[-1]

    def bare(self) -> str:
        """An image with one program, `sleep`, and nothing else."""
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w") as tar:
            binary = next(path for path in ("/bin/busybox", "/usr/bin/busybox") if Path(path).exists())
            tar.add(Path(binary).resolve(), "bin/sleep")
        self.client.api.import_image_from_data(written.getvalue(), repository=self.name, tag="bare")
        self._images.append(f"{self.name}:bare")
        return self._images[-1]

    def clean(self) -> None:
        """Nothing of it stays."""
        marked = {"label": f"{labels.PROJECT}={self.name}"}
        for container in self.client.containers.list(all=True, filters=marked, ignore_removed=True):
            with suppress(NotFound):
                container.remove(force=True, v=True)
        for network in self._networks:
            network.remove()
        for image in self._images:
            self.client.images.remove(image)


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Iterator[Project]:
    require_component("docker")
    client = engine_client()
    try:
        made = Project(client, root, tmp_path / "docker-compose.yml")
        try:
            yield made
        finally:
            made.clean()
    finally:
        client.close()


@pytest.fixture
def as_nobody() -> Callable[..., Any]:
    """Run the program as a user who may do little."""
    here = Path(__file__).parents[2]

    def run(*arguments: object) -> Any:
        command = [sys.executable, "-m", "sensor_tui", *map(str, arguments)]
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("setpriv is missing (util-linux)")
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(here), "PYTHONDONTWRITEBYTECODE": "1"}

        def call(command: list[str]) -> Any:
            return subprocess.run(
                command, check=False, capture_output=True, text=True, cwd="/", env=environment
            )

        ran = call(command)
        if not ran.stdout and call([*command[: -len(arguments)], "--version"]).returncode:
            pytest.skip("another user cannot run the program from this folder")
        return ran

    return run


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can look into."""
    with tempfile.TemporaryDirectory(prefix="st", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)

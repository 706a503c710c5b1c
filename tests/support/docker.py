"""A real Docker engine for tests: the machine's, or engines of their own; images made from folders."""

import fcntl
import functools
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from tests.support.components import require_component

BUSYBOX = "sensor-tui-test-busybox:v1"
BASE = "sensor-tui-test-base:bookworm"
START_SECONDS = 60.0


def base_folder() -> Path:
    """The root file system with Python that images are built on, as CI made it."""
    return Path(os.environ.get("SENSOR_TUI_BASE", "/var/lib/dk-base"))


def engine_client() -> docker.DockerClient:
    """A client of this machine's engine; close it."""
    return docker.from_env(timeout=30)


@functools.cache
def engine_answers() -> bool:
    """Whether this machine's engine answers."""
    try:
        client = engine_client()
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def busybox_image(client: docker.DockerClient) -> str:
    """A tiny image with busybox as /bin/sh, made once."""
    with _once("busybox"):
        if not _known(client, BUSYBOX):
            binary = next(
                (path for path in ("/bin/busybox", "/usr/bin/busybox") if Path(path).exists()), None
            )
            if binary is None:
                raise FileNotFoundError("busybox-static is not installed")
            _import(client, _busybox_root(Path(binary)), BUSYBOX)
    return BUSYBOX


def base_image(client: docker.DockerClient) -> str:
    """An image with Python 3.11, made once from the folder CI names."""
    require_component("docker-base")
    with _once("base"):
        if not _known(client, BASE):
            repository, _, tag = BASE.rpartition(":")
            command = ["tar", "-C", base_folder(), "-c", "."]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
                client.api.import_image_from_stream(tar.stdout, repository=repository, tag=tag)
    return BASE


class Daemon:
    """A Docker engine of a test's own, with no network of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = folder / "docker.sock"
        self.address = f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        require_component("dockerd")
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [
            # a network of its own: with no bridge, an engine takes away the one of the machine's engine
            "unshare", "--net", "dockerd", "--data-root", self._folder / "data",
            "--exec-root", self._folder / "exec", "--pidfile", self._folder / "pid",
            "-H", self.address, "--bridge=none", "--iptables=false", "--live-restore",
        ]  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            # on a busy machine its containerd may take longer than it waits for it: it is started again
            if self._process is None or self._process.poll() is not None:
                (self._folder / "pid").unlink(missing_ok=True)
                with (self._folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            if self._answers():
                return
            time.sleep(0.05)
        raise TimeoutError((self._folder / "log").read_text()[-2000:])

    def client(self) -> docker.DockerClient:
        """A client of it; close it."""
        return docker.DockerClient(base_url=self.address, timeout=30)

    def stop(self) -> None:
        """Stop the engine; its containers run on."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the engine as a crash would."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """Everything of it goes: containers, engine, files."""
        with suppress(DockerException, OSError):
            client = self.client()
            try:
                for container in client.containers.list(all=True):
                    container.remove(force=True, v=True)
            finally:
                client.close()
        self.stop()
        for pid in _processes_of(self._folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for line in Path("/proc/self/mounts").read_text().splitlines():
            place = line.split()[1]
            if place.startswith(f"{self._folder}/"):
                subprocess.run(["umount", "-l", place], check=False, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        """Asked by hand: a client that is refused leaves its socket to the collector."""
        with socket.socket(socket.AF_UNIX) as asking, suppress(OSError):
            asking.settimeout(5)
            asking.connect(str(self.socket))
            asking.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in asking.recv(64)
        return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


def _processes_of(folder: Path) -> Iterator[int]:
    """Whatever was started for that folder, as its containers' keepers."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    yield int(entry.name)


def _known(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _import(client: docker.DockerClient, data: bytes, name: str) -> None:
    repository, _, tag = name.rpartition(":")
    client.api.import_image_from_data(data, repository=repository, tag=tag)


def _busybox_root(binary: Path) -> bytes:
    """A root file system with nothing but busybox, under the names that are used."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for folder in ("bin", "tmp", "etc", "app", "app/data"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder in {"tmp", "app/data"} else 0o755
            tar.addfile(entry)
        tar.add(binary.resolve(), "bin/busybox")
        for name in (
            "sh",
            "sleep",
            "cat",
            "echo",
            "date",
            "true",
            "false",
            "seq",
            "kill",
            "ls",
            "touch",
            "rm",
        ):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return written.getvalue()


@contextmanager
def _once(name: str) -> Iterator[None]:
    """One at a time, whichever process the test runs in."""
    with Path(f"/tmp/sensor-tui-test-{name}-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

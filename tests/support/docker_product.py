"""The product's own image for tests: built once for every state of the sources, whichever process asks."""

import functools
import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import docker
from docker.models.containers import Container

from sensor_tui.fleet.docker_host import docker_addresses
from sensor_tui.fleet.images import build
from sensor_tui.fleet.images_context import Item, installed_items, needed, product_items
from tests.support.docker import _known, _once, base_image

REPOSITORY = "sensor-tui-test-product"
SECONDS = 30.0

T = TypeVar("T")


def product_image(client: docker.DockerClient) -> str:
    """Name of the image of the product as it is now, on the base that CI made."""
    base = base_image(client)
    image = f"{REPOSITORY}:v{_state()}"
    with _once("product"):
        if not _known(client, image):
            build(docker_addresses()[0], image, base=base, say=lambda _: None)
    return image


@functools.cache
def _state() -> str:
    """A hash of everything that goes into the image."""
    digest = hashlib.blake2b(digest_size=6)
    for item in sorted(product_items(), key=lambda item: item.name):
        digest.update(f"{item.name}\0{item.mode}\0".encode() + _content(item))
    for item in installed_items(needed()):
        digest.update(f"{item.name}\n".encode())
    return digest.hexdigest()


def _content(item: Item) -> bytes:
    return item.content.read_bytes() if isinstance(item.content, Path) else item.content or b""


@contextmanager
def running(client: docker.DockerClient, *args: Any, **kwargs: Any) -> Iterator[Container]:
    """A container that is started, and removed at the end whatever becomes of it."""
    container = client.containers.create(*args, **kwargs)
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


def wait_for(ask: Callable[[], T], container: Container | None = None, *, seconds: float = SECONDS) -> T:
    """The first answer that is true; fails, with the container's log, where there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("not in time" if container is None else container.logs().decode())


def health(container: Container) -> str:
    """Docker's word for how it is."""
    container.reload()
    return str(container.attrs["State"].get("Health", {}).get("Status", ""))


class Registry:
    """Debian's registry on a free port of this machine."""

    def __init__(self, folder: Path, *, users: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._users = users
        self._process: subprocess.Popen[bytes] | None = None
        self.name = ""

    def start(self, port: int) -> None:
        """Start it and wait until it answers."""
        import json
        import urllib.error
        import urllib.request

        config = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        if self._users:
            (self._folder / "htpasswd").write_text(self._users)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self._folder / "htpasswd")}}
        path = self._folder / "config.yml"
        path.write_text(json.dumps(config))  # JSON is YAML
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(["docker-registry", "serve", path], stdout=log, stderr=log)
        self.name = f"127.0.0.1:{port}"

        def answers() -> bool:
            try:
                urllib.request.urlopen(f"http://{self.name}/v2/", timeout=5).close()
            except urllib.error.HTTPError as error:
                error.close()
                return error.code == 401
            except OSError:
                return False
            return True

        wait_for(answers)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

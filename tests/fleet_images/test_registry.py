"""A real registry on this machine: push, pull, check, and everything that goes wrong with one."""

import json
import socket
import uuid
from pathlib import Path

import pytest

from sensor_tui.errors import ExitCode
from sensor_tui.fleet import images_registry
from sensor_tui.fleet.docker_host import docker_addresses
from sensor_tui.fleet.images import (
    ImageError,
    RegistryRefused,
    RegistryUnreachable,
    check_images,
    is_local,
    pull,
    push,
)
from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client
from tests.support.docker_product import Registry

pytestmark = pytest.mark.component("docker", "docker-registry")

USERS = "user:$2b$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q\n"
"""`user` with the password `pw`, as bcrypt has it."""


@pytest.fixture(scope="module")
def client():
    require_component("docker")
    client = engine_client()
    yield client
    client.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    require_component("docker-registry")
    registry = Registry(tmp_path_factory.mktemp("registry"))
    registry.start(free_port())
    yield registry
    registry.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    require_component("docker-registry")
    registry = Registry(tmp_path_factory.mktemp("guarded"), users=USERS)
    registry.start(free_port())
    yield registry
    registry.stop()


@pytest.fixture
def tagged(client):
    """Gives the tiny image further names, and takes them away again."""
    names = []

    def tag(name: str) -> str:
        client.images.get(busybox_image(client)).tag(name)
        names.append(name)
        return name

    yield tag
    for name in names:
        if is_local(docker_addresses()[0], name):
            client.images.remove(name)


def here():
    return docker_addresses()[0]


def test_an_image_is_pushed_found_and_pulled(client, registry, tagged):
    image = tagged(f"{registry.name}/fleet/h2-{uuid.uuid4().hex[:8]}:v1")
    with pytest.raises(ImageError, match="is not in 127"):
        check_images([image], here(), allow_local=False)
    check_images([image], here(), allow_local=True)
    said: list[str] = []
    digest = push(here(), image, say=said.append)
    assert digest.startswith("sha256:")
    assert any("Pushed" in line for line in said)
    assert not any("Preparing" in line for line in said)
    check_images([image, image], here(), allow_local=False)
    client.images.remove(image)
    assert not is_local(here(), image)
    check_images([image], here(), allow_local=True)
    pull(here(), image, say=said.append)
    assert is_local(here(), image)
    by_digest = f"{image.rpartition(':')[0]}@{digest}"
    check_images([by_digest], here(), allow_local=False)


def test_a_missing_image_is_named_with_the_command_that_builds_it(registry):
    image = f"{registry.name}/fleet/sensor-tui:v9"
    with pytest.raises(ImageError) as caught:
        check_images([image], here(), allow_local=False)
    assert type(caught.value) is ImageError
    assert caught.value.message == f"the image {image} is not in {registry.name}"
    assert caught.value.fix == (
        f"Build it with: sensor-tui build --registry {registry.name}/fleet --name sensor-tui --tag v9"
        " --push, or use an image of the engine with --allow-local"
    )
    with pytest.raises(ImageError, match="is not in"):
        check_images([image], here(), allow_local=True)
    with pytest.raises(ImageError, match="is not in"):
        pull(here(), image, say=lambda _: None)
    with pytest.raises(ImageError, match="has no image") as caught:
        push(here(), image, say=lambda _: None)
    assert "--tag v9 --push" in caught.value.fix


@pytest.mark.parametrize("tag", ["", ":latest"])
def test_an_image_without_a_version_is_not_asked_for(registry, tag):
    with pytest.raises(ImageError, match="every image needs one of its own"):
        check_images([f"{registry.name}/sensor-tui{tag}"], here(), allow_local=True)


def test_another_version_of_an_image_is_not_that_image(registry, tagged):
    image = tagged(f"{registry.name}/h2-other:v1")
    push(here(), image, say=lambda _: None)
    check_images([image], here(), allow_local=False)
    with pytest.raises(ImageError, match=r"h2-other:v2 is not in"):
        check_images([image, image.replace(":v1", ":v2")], here(), allow_local=False)


def test_a_registry_that_is_away_is_not_an_image_that_is_missing(tagged):
    image = tagged(f"127.0.0.1:{free_port()}/sensor-tui:v1")
    for ask in (
        lambda: check_images([image], here(), allow_local=False),
        lambda: push(here(), image, say=lambda _: None),
        lambda: pull(here(), image, say=lambda _: None),
    ):
        with pytest.raises(
            RegistryUnreachable, match=r"which does not answer: .*connection refused"
        ) as caught:
            ask()
        assert caught.value.exit_code is ExitCode.SINK
        assert caught.value.fix.startswith("Mend the connection")
        assert "\n" not in str(caught.value)


def test_a_registry_that_hangs_is_away_and_the_engine_is_not_blamed(monkeypatch):
    monkeypatch.setattr(images_registry, "_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/sensor-tui:v1"
        with pytest.raises(RegistryUnreachable, match="does not answer: timed out"):
            check_images([image], here(), allow_local=False)


def test_a_registry_that_goes_and_comes_back_is_asked_again(tmp_path, tagged):
    registry = Registry(tmp_path / "registry")
    port = free_port()
    registry.start(port)
    image = tagged(f"{registry.name}/h2-back:v1")
    push(here(), image, say=lambda _: None)
    registry.stop()
    with pytest.raises(RegistryUnreachable):
        check_images([image], here(), allow_local=False)
    registry.start(port)
    check_images([image], here(), allow_local=False)
    registry.stop()


def test_a_registry_that_wants_a_name_and_password_says_so(guarded, tagged):
    image = tagged(f"{guarded.name}/sensor-tui:v1")
    for ask in (
        lambda: check_images([image], here(), allow_local=False),
        lambda: push(here(), image, say=lambda _: None),
        lambda: pull(here(), image, say=lambda _: None),
    ):
        with pytest.raises(RegistryRefused, match="which refuses") as caught:
            ask()
        assert caught.value.fix.startswith(f"Sign in with docker login {guarded.name}")
    config = Path.home() / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {guarded.name: {"auth": "dXNlcjpwdw=="}}}))
    push(here(), image, say=lambda _: None)
    check_images([image], here(), allow_local=False)
    config.write_text(json.dumps({"auths": {guarded.name: {"auth": "dXNlcjpubw=="}}}))
    with pytest.raises(RegistryRefused, match="unauthorized") as caught:
        check_images([image], here(), allow_local=False)
    assert "dXNlcjpubw" not in str(caught.value)
    config.write_text(json.dumps({"credHelpers": {guarded.name: "is-not-there"}}))
    with pytest.raises(RegistryRefused, match="is-not-there"):
        check_images([image], here(), allow_local=False)

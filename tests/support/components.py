"""Real components that tests need: found, skipped by name, or, where CI promised them, a failure."""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def node_modules() -> Path:
    """Folder with the JavaScript peers of tests/node/package.json."""
    given = os.environ.get("SENSOR_TUI_NODE_MODULES")
    return Path(given) if given else ROOT / "build" / "peers" / "node_modules"


def _base() -> Path:
    from tests.support.docker import base_folder

    return base_folder()


def plugin_environment() -> dict[str, str]:
    """What makes the docker command find the Compose plugin that CI built, where it built one."""
    folder = os.environ.get("SENSOR_TUI_COMPOSE_PLUGIN")
    return {"DOCKER_CONFIG": folder} if folder else {}


@functools.cache
def _compose_answers() -> bool:
    command = ["docker", "compose", "version"]
    environment = {**os.environ, **plugin_environment()}
    return (
        shutil.which("docker") is not None
        and not subprocess.run(command, capture_output=True, check=False, env=environment).returncode
    )


def _engine_answers() -> bool:
    from tests.support.docker import engine_answers

    return engine_answers()


_FIND: dict[str, tuple[Callable[[], bool], str]] = {
    "node": (
        lambda: shutil.which("node") is not None and (node_modules() / "@azure" / "cosmos").is_dir(),
        (
            "install Node.js and npm, then: mkdir -p build/peers && cp tests/node/package.json build/peers"
            " && npm install --prefix build/peers"
        ),
    ),
    "cosmosdb-server": (
        lambda: (
            shutil.which("node") is not None and (node_modules() / "@vercel" / "cosmosdb-server").is_dir()
        ),
        (
            "install Node.js and npm, then: mkdir -p build/peers && cp tests/node/package.json build/peers"
            " && npm install --prefix build/peers"
        ),
    ),
    "tmux": (lambda: shutil.which("tmux") is not None, "install tmux"),
    "chromium": (
        lambda: any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
        "install chromium",
    ),
    "docker": (_engine_answers, "start a Docker engine: apt-get install docker.io, then dockerd"),
    "dockerd": (
        lambda: shutil.which("dockerd") is not None and os.geteuid() == 0,
        "install docker.io, and run the tests as root: they start engines of their own",
    ),
    "docker-compose": (lambda: shutil.which("docker-compose") is not None, "install docker-compose"),
    "docker-compose-v2": (_compose_answers, "install the Compose plugin of the docker command"),
    "docker-registry": (lambda: shutil.which("docker-registry") is not None, "install docker-registry"),
    "docker-base": (
        lambda: _base().exists(),
        (
            "debootstrap --variant=minbase --include=python3,python3-venv bookworm FOLDER,"
            " and name the folder in SENSOR_TUI_BASE"
        ),
    ),
}


def require_component(name: str) -> None:
    """Skip the calling test where the component is missing, or fail where `SENSOR_TUI_REQUIRE` names it."""
    present, how = _FIND[name]
    if present():
        return
    required = {part.strip() for part in os.environ.get("SENSOR_TUI_REQUIRE", "").split(",")}
    if name in required:
        pytest.fail(f"{name} is required by SENSOR_TUI_REQUIRE and missing: {how}")
    pytest.skip(f"{name} is missing: {how}")

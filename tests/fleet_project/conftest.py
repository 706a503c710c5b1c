"""Compose files of busybox containers on this machine's engine, each in a project of its own."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from sensor_tui.fleet import labels
from sensor_tui.fleet.compose_tool import Stack
from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client

LOOP = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


class World:
    """One engine, one project, and what belongs to it."""

    def __init__(self, client: docker.DockerClient, folder: Path) -> None:
        self.client = client
        self.image = busybox_image(client)
        self.project = f"h4t{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.stack = Stack(folder / "stack.yml", self.project)

    def service(self, command: str = LOOP, **further: object) -> dict[str, object]:
        return {
            "image": self.image,
            "command": ["sh", "-c", command],
            "init": True,
            "labels": {labels.PROJECT: self.project, labels.ROLE: "sensor"},
            **further,
        }

    def write(self, services: dict[str, object], **further: object) -> Stack:
        """A compose file; JSON is YAML."""
        self.stack.file.write_text(json.dumps({"version": "3.8", "services": services, **further}))
        return self.stack

    def containers(self) -> dict[str, str]:
        """State by service, of whatever Compose has for this project."""
        found = self.client.containers.list(
            all=True, filters={"label": f"{labels.COMPOSE_PROJECT}={self.project}"}
        )
        return {each.labels[labels.COMPOSE_SERVICE]: each.status for each in found}

    def remove(self) -> None:
        mine = {"label": f"{labels.COMPOSE_PROJECT}={self.project}"}
        for each in self.client.containers.list(all=True, filters=mine):
            each.remove(force=True, v=True)
        for network in self.client.networks.list(filters=mine):
            network.remove()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    require_component("docker")
    require_component("docker-compose")
    client = engine_client()
    made = World(client, tmp_path)
    try:
        yield made
    finally:
        made.remove()
        client.close()


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}

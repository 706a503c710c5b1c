"""Somebody with a home, and an endpoint to send readings to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.processes import Endpoint, Person, person


@pytest.fixture
def someone(tmp_path: Path) -> Iterator[Person]:
    """A person who has configured nothing."""
    with person(tmp_path / "home") as somebody:
        yield somebody


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A local endpoint in a process of its own; tests that share it use containers of their own."""
    with person(tmp_path_factory.mktemp("endpoint")) as host:
        yield Endpoint(host)


@pytest.fixture
def service_config(tmp_path: Path) -> Path:
    """Continuous mode without the jitter that is meant for many uploaders."""
    path = tmp_path / "sensor-tui.yaml"
    path.write_text("performance: {upload_jitter_seconds: 0}\n")
    return path

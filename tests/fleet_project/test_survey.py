"""Whose containers are whose, told from what an engine made up here lists."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sensor_tui.fleet import labels, project_engine
from sensor_tui.fleet.docker_host import DockerAddress
from sensor_tui.fleet.project_engine import Engine, Survey


class Docker:
    """As much of an engine as is asked here."""

    def __init__(self) -> None:
        self.api = self
        self.listed: list[dict[str, Any]] = []
        self.stopped: dict[str, int] = {}
        self.removed: list[str] = []

    def add(self, name: str, root: Path | None = None, **named: str) -> None:
        """A container; `root` is the data folder it writes to."""
        data = named.get(labels.DATA, "London/LON_1")
        mounts = [] if root is None else [{"Source": f"{root}/{data}"}, {"Source": f"/archive/{data}"}]
        self.listed.append(
            {"Id": name, "Names": [f"/{name}"], "State": "running", "Labels": named, "Mounts": mounts}
        )

    def containers(self, *, all: bool, filters: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: A002 - theirs
        assert all
        name, _, value = filters["label"].partition("=")
        return [each for each in self.listed if each["Labels"].get(name) == value]

    def networks(self, *, filters: dict[str, Any]) -> list[dict[str, Any]]:
        ours = filters["label"] == f"{labels.COMPOSE_PROJECT}=p"
        return [{"Id": "n", "Name": "p_default"}] if ours else []

    def stop(self, name: str, *, timeout: int) -> None:
        self.stopped[name] = timeout

    def remove_container(self, name: str, *, v: bool, force: bool) -> None:
        assert v
        assert force
        self.removed.append(name)

    def remove_network(self, name: str) -> None:
        self.removed.append(name)


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    made = Docker()
    monkeypatch.setattr(project_engine, "connect", lambda address, *, timeout: made)
    return made


@pytest.fixture
def engine(docker: Docker) -> Engine:
    address: Any = SimpleNamespace(name="here")
    made: DockerAddress = address
    return Engine(made)


def fleet(role: str = "sensor", **further: str) -> dict[str, str]:
    data = "London" if role == "uploader" else "London/LON_1"
    return {
        labels.PROJECT: "p",
        labels.COMPOSE_PROJECT: "p",
        labels.ROLE: role,
        labels.DATA: data,
        **further,
    }


def names(found: Any) -> list[str]:
    return [each.name for each in found]


def test_a_fleet_of_that_name_with_another_data_folder_is_left_alone(
    docker: Docker, engine: Engine, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (tmp_path / "link").symlink_to(here)
    docker.add("ours", here, **fleet())
    docker.add("linked", tmp_path / "link", **fleet())
    docker.add("desktop", Path(f"/host_mnt{here}"), **fleet())
    docker.add("uploader", here, **fleet("uploader"))
    docker.add("unknown", None, **{labels.PROJECT: "p"})
    docker.add("theirs", there, **fleet())
    docker.add("their-uploader", there, **fleet("uploader"))

    found = engine.survey("p", root=here)

    assert names(found.ours) == ["ours", "linked", "desktop", "uploader", "unknown"]
    assert names(found.foreign) == names(found.elsewhere) == ["theirs", "their-uploader"]
    assert there in found.foreign[0].roots
    assert found.networks == ()
    assert engine.remove(found, grace=1, tell=lambda *_: None) == []
    assert sorted(docker.removed) == sorted(names(found.ours))

    assert names(engine.survey("p", root=there).ours) == ["unknown", "theirs", "their-uploader"]


def test_a_file_of_theirs_proves_nothing(docker: Docker, engine: Engine, tmp_path: Path) -> None:
    """Their containers without our label are not orphans of ours."""
    origin = {
        "com.docker.compose.project.config_files": "docker-compose.yml",
        "com.docker.compose.project.working_dir": str(tmp_path),
    }
    docker.add("theirs", tmp_path / "there", **fleet(**origin))
    docker.add("plain", None, **{labels.COMPOSE_PROJECT: "p", **origin})

    found = engine.survey("p", root=tmp_path / "here")

    assert (found.containers, names(found.foreign)) == ((), ["theirs", "plain"])
    assert names(found.elsewhere) == ["theirs"]
    assert names(engine.survey("p", file=tmp_path / "docker-compose.yml").orphans) == ["plain"]


@pytest.mark.parametrize(("grace", "expected"), [(3.0, 40), (60.0, 60)])
def test_uploaders_get_the_time_to_drain(docker: Docker, engine: Engine, grace: float, expected: int) -> None:
    docker.add("sensor", None, **fleet())
    docker.add("uploader", None, **fleet("uploader"))
    found = engine.survey("p")

    assert engine.remove(Survey("p", found.ours), grace=grace, tell=lambda *_: None) == []

    assert docker.stopped == {"sensor": grace, "uploader": expected}

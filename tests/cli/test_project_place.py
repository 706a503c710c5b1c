"""Which project is meant, and which compose file counts as its own."""

from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli.project import Place, place_for
from sensor_tui.config import load
from sensor_tui.fleet.compose_file import sealed
from sensor_tui.fleet.project import Project, remember, remembered

OPTIONS = {"project_name": None, "config_path": None}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    return tmp_path


def place(folder: Path, *, output: Path | None = None, **further: Any) -> Place:
    config = folder / "sensor-tui.yaml"
    settings = load(config if config.exists() else None, overrides=further.pop("overrides", {})).settings
    return place_for(settings, folder / "data", {**OPTIONS, **further}, output=output)


def state(folder: Path) -> Path:
    return folder / "data" / ".sensor-tui"


def test_the_last_one_stands_in_for_what_nobody_says(folder: Path) -> None:
    usual = place(folder)
    assert (usual.project.file, usual.remembered) == (folder / "docker-compose.yml", False)

    remember(state(folder), Project("last", folder / "last.yml"))

    found = place(folder)
    assert (found.name, found.project.file, found.remembered) == ("last", folder / "last.yml", True)
    assert place(folder, project_name="other").project.file == folder / "docker-compose.yml"


def test_what_is_configured_goes_before_the_last_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(state(folder), Project("last", folder / "last.yml"))
    (folder / "sensor-tui.yaml").write_text("fleet: {compose_output: mine.yml}\n")

    found = place(folder)
    assert (found.name, found.project.file, found.remembered) == ("last", folder / "mine.yml", False)

    (folder / "sensor-tui.yaml").write_text("fleet: {project: mine}\n")
    assert place(folder).name == "mine"
    (folder / "sensor-tui.yaml").unlink()
    assert place(folder, overrides={"fleet.project": "option"}).name == "option"
    monkeypatch.setenv("SENSOR_TUI__FLEET__PROJECT", "environment")
    assert place(folder).name == "environment"


def test_a_file_that_happens_to_be_there_is_not_its_own(folder: Path) -> None:
    """What Compose made from it is somebody else's; and it is not remembered as ours."""
    file = folder / "docker-compose.yml"
    file.write_text("services: {}\n")

    found = place(folder)
    assert (found.project.file, found.file, found.stack) == (file, None, None)
    found.remember()
    assert remembered(state(folder)) == Project(found.name, None, found.address.name)
    assert place(folder).file is None

    file.write_text(sealed([], "services: {}\n"))
    assert found.file == file
    assert found.stack is not None
    found.remember()

    file.unlink()
    later = place(folder)
    assert (later.file, later.stack) == (file, None)


def test_a_folder_in_its_place_is_not_its_own_either(folder: Path) -> None:
    (folder / "docker-compose.yml").mkdir()

    assert place(folder).file is None

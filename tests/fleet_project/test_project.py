"""The project that is remembered, and the folders its containers write to."""

import os

import pytest

from sensor_tui.errors import FleetError, StorageError, UsageError
from sensor_tui.fleet.project import FILE, Project, check_name, make_folders, remember, remembered

USER = f"{os.getuid()}:{os.getgid()}"


def test_what_is_remembered_is_found_again(tmp_path):
    state = tmp_path / "new" / "state"
    project = Project("my-sensors", tmp_path / "docker-compose.yml", "elsewhere")

    remember(state, project)

    assert remembered(state) == project
    assert (state / FILE).stat().st_mode & 0o777 == 0o600
    remember(state, Project("other"))
    assert remembered(state) == Project("other")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"project": 5}',
        '{"project": "Not A Name"}',
        '{"project": "../up"}',
        "\udcff",
        '{"file": "/x"}',
    ],
)
def test_what_makes_no_sense_is_not_remembered(tmp_path, text):
    (tmp_path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))

    assert remembered(tmp_path) is None


def test_a_file_that_is_none_is_left_out(tmp_path):
    (tmp_path / FILE).write_text('{"project": "p", "file": "relative.yml", "host": 7}')

    assert remembered(tmp_path) == Project("p")
    assert remembered(tmp_path / "nowhere") is None


def test_a_state_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "state").write_text("a file")

    with pytest.raises(StorageError, match="cannot be written"):
        remember(tmp_path / "state", Project("p"))


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a/b", "x" * 200])
def test_names_that_compose_would_not_take(name):
    with pytest.raises(UsageError, match="cannot be the name of a project"):
        check_name(name)


def test_folders_are_made_and_those_there_are_left(tmp_path):
    there = tmp_path / "London"
    there.mkdir(mode=0o700)

    made = make_folders([there, there / "A", tmp_path / "Rome" / "B"], USER)

    assert made == [there / "A", tmp_path / "Rome", tmp_path / "Rome" / "B"]
    assert there.stat().st_mode & 0o777 == 0o700
    assert make_folders([there / "A"], USER) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_folders_made_by_root_belong_to_the_user(tmp_path):
    made = make_folders([tmp_path / "a" / "b"], "1234:2345")

    assert [(each.stat().st_uid, each.stat().st_gid) for each in made] == [(1234, 2345)] * 2


def test_what_cannot_be_made_or_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir(mode=0o555)

    with pytest.raises(FleetError, match="cannot be made: Not a directory"):
        make_folders([tmp_path / "file" / "below"], USER)
    with pytest.raises(FleetError, match="is no folder"):
        make_folders([tmp_path / "file"], USER)
    with pytest.raises(FleetError, match="could not write") as caught:
        make_folders([tmp_path / "closed"], USER)
    assert caught.value.fix.startswith("chown -R")

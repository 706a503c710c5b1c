"""Which files are found under a root, and the city their folders name."""

import os
from pathlib import Path

import pytest

from sensor_tui.storage.discovery import Tree


@pytest.fixture
def files(data):
    def make(*names):
        for name in names:
            path = data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")

    return make


def keys(tree):
    return [found.key for found in tree.walk().files]


def test_databases_are_found_at_any_depth_by_their_suffix(data, files):
    files("a.db", "London/s1/sensor_data.db", "x/y/z/q.sqlite", "Paris/p.SQLITE3")
    assert keys(Tree(data)) == ["London/s1/sensor_data.db", "Paris/p.SQLITE3", "a.db", "x/y/z/q.sqlite"]


def test_what_is_not_a_database_by_name_is_left_alone(data, files):
    files(
        ".sensor-tui/ledger.db", "a.db-wal", "a.db-shm", "a.db-journal", ".hidden/a.db", ".a.db", "notes.txt"
    )
    files("London/.sensor_data.db.sensor-tui.lock")
    (data / "folder.db").mkdir()
    assert keys(Tree(data)) == []


def test_a_loop_of_links_ends_and_a_folder_counts_once(data, files):
    files("London/s1/sensor_data.db")
    (data / "London" / "s1" / "up").symlink_to(data)
    (data / "nowhere.db").symlink_to(data / "missing")
    assert len(keys(Tree(data))) == 1


@pytest.mark.parametrize(
    ("name", "city"),
    [
        ("London/s1/sensor_data.db", "London"),
        ("uk/London/s1/sensor_data.db", "London"),
        ("London/LON_000001.db", "London"),
        ("s1/sensor_data.db", "data"),
        ("sensor_data.db", "data"),
    ],
)
def test_the_city_is_the_folder_above_the_sensors(data, files, name, city):
    files(name)
    assert Tree(data).walk().files[0].city == city


def test_a_file_as_root_takes_its_city_from_its_own_place(data, files):
    files("London/s1/sensor_data.db", "Paris/x.sqlite")
    assert Tree(data / "London/s1/sensor_data.db").walk().files[0].city == "London"
    (found,) = Tree(data / "Paris/x.sqlite").walk().files
    assert (found.key, found.city) == ("x.sqlite", "Paris")


def test_new_and_removed_files_are_noticed_at_the_next_walk(data, files):
    files("London/s1/sensor_data.db")
    tree = Tree(data)
    assert len(keys(tree)) == 1
    files("London/s2/sensor_data.db")
    assert len(keys(tree)) == 2
    (data / "London/s1/sensor_data.db").unlink()
    assert keys(tree) == ["London/s2/sensor_data.db"]


def test_a_folder_that_did_not_change_is_not_listed_again(data, files, monkeypatch):
    files(*(f"c{n}/s/sensor_data.db" for n in range(20)))
    tree = Tree(data)
    tree.walk()
    tree.walk()
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
    assert len(keys(tree)) == 20
    assert listed == []
    files("c3/t/sensor_data.db")
    assert len(keys(tree)) == 21
    assert {Path(path).name for path in listed} == {"c3", "t"}


def test_a_name_that_is_not_utf8_becomes_a_readable_key(data):
    folder = os.fsencode(data) + b"/Z\xfcrich/s"
    place = Path(os.fsdecode(folder))
    place.mkdir(parents=True)
    (place / "sensor_data.db").touch()
    (found,) = Tree(data).walk().files
    assert found.key == "Z\\xfcrich/s/sensor_data.db"
    assert found.city == "Z\\xfcrich"

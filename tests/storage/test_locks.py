"""Two engines never have the same file, whatever root each was given, and the second says who has it."""

import json
import os
import resource
import socket
from pathlib import Path

import pytest

from sensor_tui.errors import StorageError
from sensor_tui.storage.locks import (
    Owner,
    Ownership,
    allow_open_files,
    find_owner,
    lock_path,
    owner_text,
)

KEY = "London/A/sensor_data.db"


@pytest.fixture
def ownership():
    held = []

    def make(root="/data", pid=None):
        owner = Owner(socket.gethostname(), pid or os.getpid(), root, 1_754_000_000.0, "/run/x.sock")
        held.append(Ownership(owner))
        return held[-1]

    yield make
    for each in held:
        each.close()


async def test_overlapping_roots_in_another_process_leave_the_files_to_the_first(
    sample, open_store, holder, data, drain
):
    sample()
    sample("Paris/B")
    other = holder("store", data / "London")
    assert other.said == ["1", "held"]
    store = await open_store()
    scan = await store.scan()
    assert [file.key for file in scan.changed] == ["Paris/B/sensor_data.db"]
    (owner,) = scan.owned_elsewhere.values()
    assert f"process {other.pid} on {socket.gethostname()}" in owner
    assert str(data / "London") in owner
    assert "/run/other.sock" in owner
    other.let_go()
    scan = await store.scan()
    assert [file.key for file in scan.changed] == [KEY]
    assert scan.owned_elsewhere == {}
    assert len(await drain(store, KEY)) == 50


async def test_an_owner_that_is_killed_owns_nothing(sample, open_store, holder, data):
    sample()
    other = holder("store", data)
    other.kill()
    store = await open_store()
    scan = await store.scan()
    assert [file.key for file in scan.changed] == [KEY]


async def test_two_stores_in_one_process_exclude_each_other_too(sample, open_store):
    sample()
    first = await open_store()
    assert (await first.scan()).owned_elsewhere == {}
    second = await open_store()
    assert list((await second.scan()).owned_elsewhere) == [KEY]
    await first.close()
    assert [file.key for file in (await second.scan()).changed] == [KEY]


async def test_without_locks_every_file_can_be_seen(sample, open_store):
    sample()
    await (await open_store()).scan()
    looking = await open_store(lock=False)
    assert [file.key for file in (await looking.scan()).changed] == [KEY]


def test_the_lock_file_says_who_and_is_emptied_when_let_go(sample, ownership):
    path = str(sample())
    mine = ownership()
    assert mine.take(path) is None
    assert mine.take(path) is None
    content = json.loads(Path(lock_path(path)).read_text())
    assert content == {
        "host": socket.gethostname(), "pid": os.getpid(), "root": "/data", "since": 1_754_000_000.0,
        "socket": "/run/x.sock",
    }  # fmt: skip
    assert "process" in ownership().take(path)
    mine.release(path)
    assert Path(lock_path(path)).read_text() == ""
    assert ownership().take(path) is None


def test_a_lock_file_can_be_held_where_nothing_can_be_written(sample, ownership, data, read_only_view):
    path = str(sample())
    writer, reader = ownership(), ownership()
    assert writer.take(path) is None
    view = str(read_only_view(data) / KEY)
    assert "process" in reader.take(view)
    writer.release(path)
    assert reader.take(view) is None
    assert writer.take(path) is not None


def test_a_folder_is_held_where_there_is_no_lock_file(sample, ownership, data, read_only_view):
    path = str(sample())
    view = str(read_only_view(data) / KEY)
    reader, other_reader, writer = ownership(), ownership(), ownership()
    assert reader.take(view) is None
    assert other_reader.take(view) == owner_text(None)
    assert writer.take(path) == owner_text(None)
    reader.release(view)
    assert writer.take(path) is None
    Path(lock_path(path)).unlink()
    assert other_reader.take(view) == owner_text(None)


def test_two_engines_may_have_files_of_one_folder(sample, ownership):
    first, second = str(sample(name="a.db")), str(sample(name="b.db"))
    one, other = ownership(), ownership()
    assert one.take(first) is None
    assert other.take(second) is None
    assert other.take(first) is not None


def test_looking_for_an_owner_takes_nothing(sample, ownership):
    path = str(sample())
    assert find_owner(path) is None
    assert not Path(lock_path(path)).exists()
    mine = ownership()
    assert mine.take(path) is None
    assert f"process {os.getpid()}" in find_owner(path)
    mine.release(path)
    assert find_owner(path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 1}', "\x00" * 100])
def test_a_lock_file_with_nonsense_in_it_still_locks(sample, ownership, content):
    path = str(sample())
    assert ownership().take(path) is None
    Path(lock_path(path)).write_text(content)
    assert ownership().take(path) == owner_text(None)


def test_a_link_in_place_of_the_lock_file_is_not_followed(sample, ownership, tmp_path):
    path = str(sample())
    victim = tmp_path / "precious"
    victim.write_text("content")
    Path(lock_path(path)).symlink_to(victim)
    ownership().take(path)
    assert victim.read_text() == "content"


def take_all(ownership, paths):
    for path in paths:
        assert ownership.take(path) is None


def test_the_limit_of_open_files_is_raised_and_its_end_is_said(sample, ownership):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    paths = [str(sample(f"London/s{number}", rows=1)) for number in range(30)]
    used = len(list(Path("/proc/self/fd").iterdir()))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
        mine = ownership()
        with pytest.raises(
            StorageError, match=r"cannot own more than \d+ sensor files: the limit of open files"
        ):
            take_all(mine, paths)
        allow_open_files(len(paths))
        take_all(mine, paths)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_owner_is_told_in_one_line():
    owner = Owner("edge-1", 42, "/app/data", 1_754_000_000.0, "/app/data/.sensor-tui/service.sock")
    assert owner_text(owner) == (
        "process 42 on edge-1, which reads /app/data since 2025-07-31 22:13:20Z,"
        " reachable at /app/data/.sensor-tui/service.sock"
    )
    assert "unknown time" in owner_text(Owner("h", 1, "/", 1e300))

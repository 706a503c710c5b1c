"""Small parts become larger ones, and no reader ever sees a document twice or not at all."""

import errno
import os
import threading
from pathlib import Path

import pytest

from sensor_tui.sync.sinks.archive import compaction, files
from sensor_tui.sync.sinks.archive.compaction import chosen, compact
from sensor_tui.sync.sinks.archive.dataset import Dataset
from sensor_tui.sync.sinks.archive.documents import read
from sensor_tui.sync.sinks.archive.formats import Abandoned, Unreadable, make_format
from sensor_tui.sync.sinks.archive.known import KnownIds
from sensor_tui.sync.sinks.archive.names import Part
from sensor_tui.sync.sinks.archive.options import SUFFIXES
from tests.archive.kit import documents, ids_in

MEGABYTE = 1024 * 1024


def part(sequence, level=0, *, rows=10, size=1000):
    return Part(sequence, level, rows, 0, 0, f"{sequence}-{level}", size)


def test_the_oldest_of_the_lowest_level_are_chosen():
    old, new = [part(n, 1) for n in (1, 2, 3)], [part(n) for n in (4, 5, 6, 7)]
    assert chosen(new + old, 4, 1000) == new
    assert chosen(new + old, 3, 1000) == new[:3]
    assert chosen(old + new[:2], 3, 1000) == old
    assert chosen(old + new, 5, 1000) == []
    assert chosen([], 2, 1000) == []


def test_large_parts_are_left_and_bounds_are_kept():
    assert chosen([part(n, rows=500) for n in range(5)], 2, 999) == []
    assert chosen([part(n, size=40 * MEGABYTE) for n in range(5)], 2, 999) == []
    thirds = [part(n, rows=333) for n in range(5)]
    assert chosen(thirds, 5, 1000) == thirds[:3]
    halves = [part(n, size=32 * MEGABYTE) for n in range(5)]
    assert chosen(halves, 5, 1000) == halves[:2]


@pytest.fixture
def dataset(tmp_path, form):
    (tmp_path / "London").mkdir()
    path = str(tmp_path / "London" / f"LON_123456{SUFFIXES[form]}")
    return Dataset(path, make_format(form), KnownIds(), holder=b"me")


def append(dataset, first, count, **more):
    [entries] = read(documents(first, count, **more))[0].values()
    return dataset.append(entries)


def contents(dataset):
    found = [name for name in names(dataset.path) if name.endswith(dataset.format.suffix)]
    return [each for name in found for each in ids_in(Path(dataset.path, name))]


def names(path):
    return sorted(each.name for each in Path(path).iterdir())


def beside(dataset):
    return names(Path(dataset.path).parent)


def expected(count):
    return [entry.id for entry in next(iter(read(documents(0, count))[0].values()))]


def test_parts_become_one_in_their_order(dataset):
    for first in range(0, 50, 10):
        append(dataset, first, 10, **({"extra": 1} if first > 20 else {}))
    Path(dataset.path, "notes.md").write_text("mine")
    old = compact(dataset, 4, lambda: False)
    assert old is not None
    assert len([name for name in names(old) if name.endswith(dataset.format.suffix)]) == 5
    files.remove_folder(old)
    assert [(each.sequence, each.level, each.rows) for each in dataset.parts] == [(1, 1, 40), (5, 0, 10)]
    assert contents(dataset) == expected(50)
    assert not compact(dataset, 4, lambda: False)
    assert Path(f"{dataset.path}/notes.md").exists(), "what others put there stays"
    assert beside(dataset) == [
        f".LON_123456{dataset.format.suffix}.lock", f"LON_123456{dataset.format.suffix}"
    ]  # fmt: skip
    fresh = Dataset(dataset.path, dataset.format, KnownIds(), holder=b"other")
    with fresh.held():
        assert fresh.parts == dataset.parts
        assert set(fresh.columns) == set(dataset.columns)


def test_levels_keep_the_number_of_parts_small(dataset):
    for number in range(81):
        append(dataset, number, 1)
        while compact(dataset, 3, lambda: False):
            pass
    assert [(each.level, each.rows) for each in dataset.parts] == [(4, 81)]
    assert contents(dataset) == expected(81)


def test_without_exchange_folders_are_renamed(dataset, monkeypatch):
    def cannot(one, other):
        raise files.CannotExchange(errno.EINVAL, "no", one)

    monkeypatch.setattr(files, "exchange", cannot)
    for first in range(0, 40, 10):
        append(dataset, first, 10)
    old = compact(dataset, 3, lambda: False)
    assert old is not None
    assert contents(dataset) == expected(40)
    dataset.recover()
    assert not Path(old).exists()
    assert append(dataset, 0, 45).already_there == 40
    assert beside(dataset) == [
        f".LON_123456{dataset.format.suffix}.lock", f"LON_123456{dataset.format.suffix}"
    ]  # fmt: skip


def test_a_crash_between_the_two_renames_is_mended(dataset, monkeypatch):
    def cannot(one, other):
        raise files.CannotExchange(errno.EINVAL, "no", one)

    for first in range(0, 30, 10):
        append(dataset, first, 10)
    monkeypatch.setattr(files, "exchange", cannot)
    move = files.move
    monkeypatch.setattr(files, "move", lambda one, two: move(one, two) if two.endswith(".old") else stop())

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compact(dataset, 3, lambda: False)
    assert not Path(dataset.path).exists()
    monkeypatch.undo()
    fresh = Dataset(dataset.path, dataset.format, KnownIds(), holder=b"other")
    fresh.recover()
    assert contents(fresh) == expected(30)
    assert len(beside(dataset)) == 2
    assert append(fresh, 0, 31).already_there == 30


def test_where_there_are_no_links_nothing_changes(dataset, monkeypatch):
    def cannot(*args, **kwargs):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for first in range(0, 40, 10):
        append(dataset, first, 10)
    before = names(dataset.path)
    monkeypatch.setattr(os, "link", cannot)
    with pytest.raises(PermissionError):
        compact(dataset, 3, lambda: False)
    assert names(dataset.path) == before
    assert len(beside(dataset)) == 2
    assert append(dataset, 40, 1).already_there == 0


def test_it_can_be_given_up(dataset):
    for first in range(0, 40, 10):
        append(dataset, first, 10)
    with pytest.raises(Abandoned):
        compact(dataset, 3, lambda: True)
    assert len(dataset.parts) == 4
    assert contents(dataset) == expected(40)
    assert len(beside(dataset)) == 2


def test_a_part_that_lost_documents_is_not_put_together(dataset):
    for first in range(0, 30, 10):
        append(dataset, first, 10)
    name = dataset.parts[1].name
    Path(f"{dataset.path}/{name}").rename(f"{dataset.path}/{name.replace('-0-10-', '-0-11-')}")
    dataset.recover()
    with pytest.raises(Unreadable, match="hold 30 documents where their names say 31"):
        compact(dataset, 3, lambda: False)
    assert contents(dataset) == expected(30)


def test_a_reader_sees_every_document_once_at_any_moment(dataset):
    """A reader in another thread lists and reads, over and over; a part that is gone makes it begin again."""
    done, seen, wrong, every = threading.Event(), [0], [], expected(150)

    def reader():
        while not done.is_set() or not seen[0]:
            try:
                found = contents(dataset)
            except OSError:
                continue
            seen[0] += 1
            if not found or found != every[: len(found)]:
                wrong.append(found)

    append(dataset, 0, 5)
    replaced = []
    thread = threading.Thread(target=reader)
    thread.start()
    try:
        for first in range(5, 150, 5):
            append(dataset, first, 5)
            replaced.append(compact(dataset, 2, lambda: False))
    finally:
        done.set()
        thread.join()
    assert seen[0]
    assert wrong == []
    assert any(replaced)


def test_the_exchange_is_the_systems_own(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "a").touch()
    files.exchange(str(one), str(two))
    assert [path.name for path in two.iterdir()] == ["a"]
    with pytest.raises(FileNotFoundError):
        files.exchange(str(one), str(tmp_path / "none"))


def test_nothing_but_a_missing_step_is_worked_around(dataset, monkeypatch):
    def fails(one, other):
        raise OSError(errno.EIO, "Input/output error", one)

    for first in range(0, 30, 10):
        append(dataset, first, 10)
    monkeypatch.setattr(files, "exchange", fails)
    with pytest.raises(OSError, match="Input/output"):
        compact(dataset, 3, lambda: False)
    monkeypatch.undo()
    assert append(dataset, 0, 30).already_there == 30
    assert contents(dataset) == expected(30)
    assert len(beside(dataset)) == 2
    assert compaction.compact(dataset, 3, lambda: False)

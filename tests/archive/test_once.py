"""Every document is there once, whatever the engine sends again."""

import random
import shutil

import pytest

from sensor_tui.sync.sinks.archive.known import KnownIds
from tests.archive.kit import document, documents, ids_in


def ids_of(archive, **of):
    return [each for part in archive.parts(**of) for each in ids_in(part)]


async def test_appending_in_order_reads_nothing_back(make, form, monkeypatch):
    async with make(form) as archive:
        for first in range(0, 1000, 50):
            answer = await archive.send(documents(first, 50))
            assert answer.already_there == 0
            assert answer.exceptions is None
            assert answer.bytes_sent == archive.parts()[-1].stat().st_size
        assert len(archive.parts()) == 20
        assert archive.sink.ids.reads == 0
        # many readings of one instant, cut anywhere, are in order too
        instant = document(2000)[:0]
        assert instant == b""
        same = [document(2000, id=f"{n:032x}") for n in range(60)]
        for first in range(0, 60, 20):
            await archive.send(same[first : first + 20])
        assert archive.sink.ids.reads == 0
        assert len(ids_of(archive)) == len(set(ids_of(archive))) == 1060


async def test_what_is_sent_again_is_known(make, form):
    async with make(form) as archive:
        await archive.send(documents(0, 100))
        answer = await archive.send(documents(50, 100))
        assert answer.already_there == 50
        answer = await archive.send(documents(0, 150))
        assert answer.already_there == 150
        assert answer.bytes_sent == 0
        answer = await archive.send(documents(200, 10) + documents(200, 10))
        assert answer.already_there == 10
        assert len(ids_of(archive)) == len(set(ids_of(archive))) == 160


async def test_it_is_known_after_a_restart_and_across_compaction(make, form):
    async with make(form, compact_files=4) as archive:
        for first in range(0, 100, 10):
            await archive.send(documents(first, 10))
        await archive.settled()
        before = len(archive.parts())
        assert before < 10
    async with make(form, compact_files=4) as archive:
        for first in range(0, 100, 7):
            answer = await archive.send(documents(first, 7))
            assert answer.already_there == min(7, 100 - first)
        await archive.settled()
        assert sorted(ids_of(archive)) == sorted(set(ids_of(archive)))
        assert len(ids_of(archive)) == 105


async def test_order_does_not_matter(make, form):
    rng = random.Random(7)
    every = documents(0, 600) + [document(n, id=f"twin {n}") for n in range(0, 600, 3)]
    rng.shuffle(every)
    async with make(form, compact_files=3) as archive:
        archive.sink.ids = KnownIds(200)
        for first in range(0, len(every), 40):
            await archive.send(every[first : first + 40], rng.sample(every[: first + 1], min(first + 1, 30)))
        await archive.settled()
        assert len(ids_of(archive)) == len(set(ids_of(archive))) == len(every)
        assert archive.sink.ids.reads > 0


async def test_a_restart_after_the_folder_was_cleared_begins_anew(make, form):
    async with make(form) as archive:
        await archive.send(documents(0, 10))
        shutil.rmtree(archive.dataset())
        answer = await archive.send(documents(0, 10))
        assert answer.already_there == 0
        assert len(ids_of(archive)) == 10
        archive.parts()[0].unlink()
        answer = await archive.send(documents(0, 10))
        assert answer.already_there == 0
        assert len(ids_of(archive)) == 10


async def test_sensors_and_cities_do_not_mix(make, form):
    async with make(form) as archive:
        await archive.send(
            documents(0, 3),
            documents(0, 3, sensor="PAR_000001", city="Paris"),
            documents(0, 2, sensor="../../x", city="../.."),
            documents(0, 2, city=...),
        )
        assert {path.name.partition("~")[0] for path in archive.folder.iterdir()} == {
            "London",
            "Paris",
            "unnamed",
        }
        assert len(ids_of(archive)) == 3
        assert len(ids_of(archive, sensor="PAR_000001", city="Paris")) == 3
        outside = [path for path in archive.folder.parent.iterdir() if path != archive.folder]
        assert outside == []


@pytest.mark.parametrize("most", [10, 25])
def test_known_ids_are_bounded(most):
    known = KnownIds(most)
    for part in range(10):
        known.get(("d", str(part), 0), lambda part=part: frozenset(f"{part} {n}" for n in range(10)))
    assert known.reads == 10
    assert sum(map(len, known._kept.values())) <= most
    assert known.peek(("d", "9", 0)) is not None
    assert known.peek(("d", "0", 0)) is None
    known.put(("d", "9", 0), frozenset("ab"))
    assert known._count == sum(map(len, known._kept.values()))
    known.put(("d", "all", 0), frozenset(map(str, range(100))))
    assert known._count == 0

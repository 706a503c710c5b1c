"""Logs of units: lines, times, tails, following, rotation, and whatever a unit may write."""

import asyncio
import itertools
import math
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from sensor_tui.fleet import process_logfile, process_logs
from sensor_tui.fleet.process_lines import LONGEST, LineReader
from sensor_tui.fleet.process_logfile import UnitLog
from sensor_tui.fleet.process_times import MOST, TimeIndex, time_in
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.unit import LogLine

from .conftest import Ground, read

ID = "here/process/sensor-1"
WAIT = "\nsay(os.getpid())\nsignal.pause()\n"
SMALL = 64 * 1024


class SetClock(SystemClock):
    """The clock of the machine with a wall time that is set."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


@pytest.fixture(params=["collapse", "truncate"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to rotate; the first one only where the file system can."""
    if request.param == "truncate":
        monkeypatch.setattr(process_logfile, "_fallocate", None)
    return str(request.param)


def lines_of(log: UnitLog, **options: float) -> list[LogLine]:
    reader = LineReader(log, "u", **options)  # type: ignore[arg-type]
    found = list(itertools.chain.from_iterable(iter(reader.take, [])))
    return [*found, *reader.rest()]


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines if line.stream != "note"]


def notes(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines if line.stream == "note"]


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("1970-01-01T00:01:00Z INFO sync: x", 60.0),
        ("1970-01-01T00:01:00.250Z", 60.25),
        ("1970-01-01 01:01:00,5+01:00 x", 60.5),
        ("1970-01-01T00:01:00.123456789Z x", 60.123456789),
        ("[1970-01-01T01:01:00+0100] x", 60.0),
        ("1970-01-01 00:01:00Z: x", 60.0),
        ("1970-13-01T00:01:00Z", None),
        ("1970-01-01T00:01:00Zulu", None),
        ("1970-01-01", None),
        ("12 lines", None),
        ("", None),
        ("x 1970-01-01T00:01:00Z", None),
        ("0001-01-01 00:00:00 x" + "y" * 100, "some"),
    ],
)
def test_times_that_lines_begin_with(line: str, at: float | str | None) -> None:
    found = time_in(line)
    assert found is None or isinstance(found, float) if at == "some" else found == at


def test_a_time_without_offset_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Manila")
    time.tzset()
    try:
        assert time_in("1970-01-01 08:01:00,000 INFO x") == 60.0
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_output_and_errors_of_every_run_are_in_one_log(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec("\nprint('out', flush=True)\nprint('err', file=sys.stderr)" + WAIT))
    for _ in range(2):
        await runtime.start(ID)
        await ground.pipe.line()
        await runtime.stop(ID, grace=30)
    found = await read(runtime)
    assert texts(found) == ["out", "err"] * 2
    assert {line.unit for line in found} == {ID}
    assert texts(await read(runtime, tail=1)) == ["err"]
    assert await read(runtime, tail=0) == []
    assert (ground.folder / "state/units/sensor-1.log").stat().st_mode & 0o777 == 0o600


async def test_a_follower_gets_lines_as_they_come_and_whole(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec("signal.pause()"))
    path = ground.folder / "state/units/sensor-1.log"
    stream = runtime.logs(ID, follow=True)
    async with asyncio.timeout(30):
        assert list(await anext(stream)) == []
        with path.open("ab", buffering=0) as file:
            file.write(b"one\ntwo, ")
            assert texts(list(await anext(stream))) == ["one"]
            file.write(b"to its end\nthree")
            while not (batch := list(await anext(stream))):
                pass
            assert texts(batch) == ["two, to its end"]
            assert list(await anext(stream)) == []
            assert texts(list(await anext(stream))) == ["three"]  # after a quiet second
            file.write(b"\nfour\n")
            while not (batch := list(await anext(stream))):
                pass
            assert texts(batch) == ["four"]
            assert batch[0].at is not None
        await runtime.remove(ID, grace=1)
        assert [list(batch) async for batch in stream] in ([], [[]])


async def test_a_quiet_log_is_said_to_be_quiet(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_logs, "ALIVE_SECONDS", 0.1)
    runtime = await ground.open()
    await runtime.add(ground.spec("pass"))
    stream = runtime.logs(ID, follow=True)
    async with asyncio.timeout(30):
        assert [list(await anext(stream)) for _ in range(3)] == [[], [], []]
        await runtime.close()
        assert [batch async for batch in stream] == []


async def test_a_burst_comes_in_bounded_batches(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec("pass"))
    path = ground.folder / "state/units/sensor-1.log"
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    found = await read(runtime)  # checks the size of every batch
    assert texts(found) == [f"line {number}" for number in range(100_000)]
    assert texts(await read(runtime, tail=70_000)) == [f"line {number}" for number in range(30_000, 100_000)]


def test_hostile_bytes(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    path.write_bytes(
        b"\xff\xfe\x00 nul\r\n\x1b[2J\xc3\n\n\xe2\x80\xae rtl\n" + bytes(range(1, 10)) + b"\n\xf0\x9f"
    )
    found = texts(lines_of(UnitLog(path)))
    assert found == [
        "\ufffd\ufffd\x00 nul",
        "\x1b[2J\ufffd",
        "",
        "\u202e rtl",
        bytes(range(1, 10)).decode(),
        "\ufffd",
    ]
    path.write_bytes(random.Random(1).randbytes(300_000))
    assert sum(len(text) for text in texts(lines_of(UnitLog(path)))) > 100_000


def test_a_line_of_ten_megabytes_is_cut_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    size = 10 * 1024 * 1024
    path.write_bytes(b"before\n" + b"x" * size + b"\nafter\n")
    found = lines_of(UnitLog(path, largest=20 * 1024 * 1024))
    assert [len(text) for text in texts(found)] == [6, LONGEST, 5]
    assert notes(found) == [f"the line before was cut: {size - LONGEST:,} more bytes"]
    assert texts(lines_of(UnitLog(path), tail=1)) == ["after"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_tails_of_every_length(tmp_path: Path, end: str) -> None:
    path = tmp_path / "u.log"
    rows = [f"{number} {'x' * (number % 3000)}" for number in range(200)]
    path.write_text("\n".join(rows) + end)
    log = UnitLog(path)
    for tail in (1, 2, 50, 199, 200, 201, 10_000):
        assert texts(lines_of(log, tail=tail)) == rows[-tail:]


def test_times_come_from_looking_at_the_log(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    path.write_text("old\nlast\n")
    os.utime(path, (50, 50))
    log = UnitLog(path)
    log.look(100.0)
    for at in (101.0, 101.2, 103.0):
        with path.open("a") as file:
            file.write(f"at {at}\n")
        log.look(at)
    log.look(104.0)
    found = [(line.text, line.at) for line in lines_of(log)]
    assert found == [
        ("old", None),
        ("last", 50),
        ("at 101.0", 101.0),
        ("at 101.2", 103.0),
        ("at 103.0", 103.0),
    ]
    assert texts(lines_of(log, since=102.0)) == ["at 101.2", "at 103.0"]
    assert texts(lines_of(log, since=103.5)) == []
    assert texts(lines_of(log, since=102.0, tail=1)) == ["at 103.0"]
    log.save()
    again = UnitLog(path)
    assert [line.at for line in lines_of(again)] == [None, None, 101.0, 103.0, 103.0]


def test_lines_without_a_time_go_with_those_before(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    path.write_text("1970-01-01T00:00:10Z a\n trace\n1970-01-01T00:00:20Z b\n trace\nTypeError\n")
    os.utime(path, (1000, 1000))
    assert texts(lines_of(UnitLog(path), since=15)) == ["1970-01-01T00:00:20Z b", " trace", "TypeError"]


def test_the_index_of_times_stays_small(tmp_path: Path) -> None:
    index = TimeIndex(tmp_path / "times")
    for number in range(10 * MOST):
        index.add(number * 10 + 10, float(number), [0])
    assert len(index._offsets) <= MOST
    assert index.at(10 * 10 * MOST) == 10 * MOST - 1
    assert (index.at(10 * 10 * MOST + 1), index.before(-1.0)) == (None, 0)
    index.save([0])
    again = TimeIndex(tmp_path / "times")
    assert again.load() == [0]
    assert again._offsets == index._offsets
    for content in (
        "",
        "[0]\n1 x\n",
        "[0]\n5 1.0\n4 2.0\n",
        "{}\n",
        '["a"]\n',
        "[0]\n99999999999999999999 1\n",
    ):
        (tmp_path / "times").write_text(content)
        broken = TimeIndex(tmp_path / "times")
        assert not broken.load()
        assert broken.last == -math.inf


def fill(path: Path, numbers: Iterator[int], size: int) -> list[str]:
    written = []
    with path.open("a") as file:
        while file.tell() < size:
            written.append(f"line {next(numbers)} {'x' * 50}")
            file.write(written[-1] + "\n")
    return written


@pytest.mark.usefixtures("way")
def test_rotation_keeps_the_last_files_and_what_was_in_them(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    log = UnitLog(path, largest=SMALL, kept=3)
    log.look(0.0)
    follower = LineReader(log, "u")
    numbers, everything, followed = itertools.count(), [], []
    for turn in range(8):
        everything += fill(path, numbers, SMALL + 5000)
        log.look(float(turn))
        assert path.stat().st_size < SMALL
        followed += list(itertools.chain.from_iterable(iter(follower.take, [])))
    assert texts(followed) == everything
    assert notes(followed) == ["log rotated"] * 8
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["u.log", "u.log.1", "u.log.2", "u.log.3", "u.log.times"]
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 5 * SMALL
    kept = texts(lines_of(log))
    assert kept[1:] == everything[-len(kept) + 1 :]
    assert len(kept) > 3 * SMALL // 70
    assert texts(lines_of(log, tail=2000)) == everything[-2000:]
    log.save()
    again = UnitLog(path, largest=SMALL, kept=3)
    assert lines_of(again) == lines_of(log)
    again.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("way")
def test_more_than_is_kept_between_two_looks(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    log = UnitLog(path, largest=SMALL, kept=2)
    log.look(0.0)
    follower = LineReader(log, "u")
    path.write_text("first\n")
    assert texts(follower.take()) == ["first"]
    everything = fill(path, itertools.count(), 20 * SMALL)
    log.look(1.0)
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 4 * SMALL
    followed = list(itertools.chain.from_iterable(iter(follower.take, [])))
    found = texts(followed)
    assert found == everything[-len(found) :]
    assert len(found) > SMALL // 70
    gone = [note for note in notes(followed) if "bytes are gone" in note]
    assert len(gone) == 1


@pytest.mark.parametrize("taken_out", [False, True])
def test_a_rotation_that_was_broken_off(tmp_path: Path, *, taken_out: bool) -> None:
    path = tmp_path / "u.log"
    log = UnitLog(path, largest=SMALL)
    numbers = itertools.count()
    everything = fill(path, numbers, SMALL + 5000)
    log.look(1.0)
    everything += fill(path, numbers, SMALL - 5000)
    shutil.copy(path, tmp_path / "u.log.new")
    if taken_out:
        os.truncate(path, 0)
        everything += fill(path, numbers, 2000)
    again = UnitLog(path, largest=SMALL)
    assert texts(lines_of(again)) == everything
    assert not (tmp_path / "u.log.new").exists()


def test_a_log_that_somebody_emptied(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    log = UnitLog(path)
    path.write_text("one\ntwo\n")
    log.look(1.0)
    follower = LineReader(log, "u")
    assert texts(follower.take()) == ["one", "two"]
    path.write_text("new\n")
    log.look(2.0)
    assert texts(follower.take()) == ["new"]
    assert texts(lines_of(log)) == ["new"]
    path.unlink()
    log.look(3.0)
    assert lines_of(log) == []


@pytest.mark.parametrize("speed", ["quick", "steady"])
async def test_a_follower_loses_and_doubles_nothing_while_the_log_rotates_under_the_writer(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, speed: str
) -> None:
    probe = ground.folder / "probe"
    probe.write_bytes(b"x" * 65536)
    with probe.open("r+b") as file:
        if not process_logfile._take_out(file.fileno(), os.fstatvfs(file.fileno()).f_bsize):
            pytest.skip("this file system cannot take out the beginning of a file")
    monkeypatch.setattr(process_logs, "FOLLOW_SECONDS", 0.01)
    runtime = await ground.open()
    runtime._logs._largest = 256 * 1024
    count = 60_000 if speed == "quick" else 20_000
    pause = "pass" if speed == "quick" else "number % 20 or time.sleep(0.001)"
    body = f"""
for number in range({count}):
    os.write(1, b"%d %s\\n" % (number, b"x" * (number % 97)))
    {pause}
"""
    await runtime.add(ground.spec(body + WAIT))
    stream = asyncio.ensure_future(
        read(runtime, lambda lines: any(line.text.startswith(f"{count - 1} ") for line in lines[-3:]))
    )
    await asyncio.sleep(0)
    await runtime.start(ID)
    found = await stream
    rotated = [line for line in found if line.text == "log rotated"]
    lost = [line.text for line in found if "bytes are gone" in line.text]
    # the line a loss begins in is shown as far as it was read: its number may be cut short
    whole = [
        line for line, after in itertools.pairwise([*found, found[-1]]) if "bytes are gone" not in after.text
    ]
    numbers = [int(line.text.split()[0]) for line in whole if line.stream != "note"]
    if not lost:
        assert numbers == list(range(count))
    assert numbers == sorted(set(numbers))
    assert rotated
    assert speed == "quick" or not lost
    folder = ground.folder / "state/units"
    assert sum(path.stat().st_size for path in folder.glob("*.log*")) < 9 * 256 * 1024


async def test_times_are_those_of_the_runtimes_clock(ground: Ground) -> None:
    clock = SetClock(5000.0)
    runtime = await ground.open(clock)
    await runtime.add(ground.spec("print('now')"))
    await runtime.start(ID)
    found = await read(runtime, bool)
    assert [(line.text, line.at) for line in found] == [("now", 5000.0)]


class Scripted:
    """A log that is read in these pieces, whatever is asked for."""

    turns = 0

    def __init__(self, *pieces: tuple[int, bytes]) -> None:
        self.pieces = list(pieces)

    def read(self, place: int, most: int) -> tuple[int, bytes]:
        return self.pieces.pop(0) if self.pieces else (place, b"")

    def place_of_last(self, lines: int) -> int:
        return 0

    def time_of(self, end: int) -> float:
        return 1.0


def test_the_rest_of_a_line_whose_beginning_is_lost_is_not_taken_for_a_line() -> None:
    log = Scripted((0, b"10 a\n11 "), (100, b"1"), (101, b"22"), (103, b"03 x\n12204 y\n"))
    found = LineReader(cast("UnitLog", log), "u").take()
    assert [line.text for line in found if line.stream != "note"] == ["10 a", "11 ", "12204 y"]
    assert sum("bytes are gone" in line.text for line in found) == 1


def test_long_lines_make_a_batch_of_few(tmp_path: Path) -> None:
    path = tmp_path / "u.log"
    path.write_bytes((b"x" * 16000 + b"\n") * 300)
    reader = LineReader(UnitLog(path), "u")
    batches = []
    while batch := reader.take():
        batches.append(len(batch))
    assert sum(batches) == 300
    assert max(batches) < 40

import asyncio
from contextlib import aclosing

import pytest

from sensor_tui.config import Settings
from sensor_tui.errors import FleetError
from sensor_tui.fleet.process_lines import LineReader
from sensor_tui.fleet.process_spec import save_spec
from sensor_tui.model.unit import LogLine, UnitSpec
from sensor_tui.service.fleet_logs import ALIVE_SECONDS, BATCH, PATIENCE_SECONDS, merged
from sensor_tui.service.fleet_logs_direct import DirectLogs
from sensor_tui.service.fleet_logs_growing import GrowingLog
from sensor_tui.service.request import SyncRequest
from tests.support.clock import JumpingClock


@pytest.fixture
def clock():
    return JumpingClock()


def lines(unit, *times):
    return [LogLine(unit, at, f"{unit}{number}") for number, at in enumerate(times)]


async def finite(*batches):
    for batch in batches:
        yield batch


class Live:
    """A log that is fed as the test goes, and counts the batches that were read of it."""

    def __init__(self, unit, *batches):
        self.unit = unit
        self.waiting = asyncio.Queue()
        self.read = 0
        self.closed = False
        for batch in batches:
            self.feed(batch)

    def feed(self, batch):
        self.waiting.put_nowait(batch)

    def at(self, *times):
        self.feed([LogLine(self.unit, at, f"{self.unit}@{at}") for at in times])
        self.feed([])

    async def lines(self):
        try:
            while True:
                batch = await self.waiting.get()
                if batch is None:
                    return
                self.read += 1
                yield batch
        finally:
            self.closed = True


async def texts(stream):
    return [line.text async for batch in stream for line in batch]


async def test_lines_are_in_the_order_of_their_times(clock):
    logs = {
        "a": finite(lines("a", 1, 4), lines("a2", 6)),
        "b": finite(lines("b", 2, 3, 5, 7)),
        "c": finite(),
    }

    assert await texts(merged(logs, clock)) == ["a0", "b0", "b1", "a1", "b2", "a20", "b3"]


async def test_a_line_without_a_time_stays_behind_the_one_before_it(clock):
    logs = {"a": finite(lines("a", None, 5, None, None, 9)), "b": finite(lines("b", 4, 6))}

    assert await texts(merged(logs, clock)) == ["a0", "b0", "a1", "a2", "a3", "b1", "a4"]


async def test_a_units_own_order_is_kept_whatever_its_times_say(clock):
    logs = {"a": finite(lines("a", 5, 1, 9)), "b": finite(lines("b", 4, 7))}

    assert await texts(merged(logs, clock)) == ["b0", "a0", "a1", "b1", "a2"]


async def test_batches_are_no_larger_than_they_may_be(clock):
    logs = {"a": finite(lines("a", *range(1300)), lines("b", *range(1300, 1400)))}

    assert [len(batch) async for batch in merged(logs, clock)] == [BATCH, BATCH, 300, 100]


async def test_history_waits_for_every_log_and_news_wait_a_moment(clock):
    first, second = Live("a"), Live("b")
    async with aclosing(merged({"a": first.lines(), "b": second.lines()}, clock)) as stream:
        first.at(1, 5)
        begin = asyncio.ensure_future(anext(stream))
        await clock.sleep(1)
        assert not begin.done()
        second.at(2, 3)
        history = await begin
        while len(history) < 4:
            history += await anext(stream)
        assert [line.at for line in history] == [1, 2, 3, 5]

        first.at(20)
        await clock.sleep(0.1)
        second.at(19)
        news = await anext(stream)
        news += await anext(stream)
        assert [line.at for line in news] == [19, 20]
        assert clock.elapsed < 2


async def test_a_log_that_does_not_begin_holds_up_the_others_only_for_a_while(clock):
    first, second = Live("a"), Live("b")
    first.at(1)
    async with aclosing(merged({"a": first.lines(), "b": second.lines()}, clock)) as stream:
        assert [line.at for line in await anext(stream)] == [1]
        assert clock.elapsed == pytest.approx(PATIENCE_SECONDS, abs=0.1)


async def test_silence_is_told_now_and_then(clock):
    quiet = Live("a")
    async with aclosing(merged({"a": quiet.lines()}, clock)) as stream:
        assert await anext(stream) == []
        assert clock.elapsed == ALIVE_SECONDS
        assert await anext(stream) == []
        assert clock.elapsed == 2 * ALIVE_SECONDS


async def test_who_reads_slowly_holds_up_the_reading_and_gets_every_line_in_order(clock):
    first, second = Live("a"), Live("b")
    for number in range(0, 10_000, 100):
        first.feed(lines("a", *range(number, number + 100)))
        second.feed(lines("b", *(at + 0.5 for at in range(number, number + 100))))
    first.feed(None)
    second.feed(None)
    seen = []
    async with aclosing(merged({"a": first.lines(), "b": second.lines()}, clock)) as stream:
        seen += await anext(stream)
        for _ in range(100):
            await asyncio.sleep(0)
        assert (first.read, second.read) <= (5, 5)
        async for batch in stream:
            seen += batch
            await clock.sleep(0.2)

    assert [line.at for line in seen] == [at / 2 for at in range(20_000)]


async def test_a_log_that_cannot_be_read_says_so_and_the_others_go_on(clock, caplog):
    async def broken(error):
        yield lines("a", 1)
        raise error

    logs = {
        "a": broken(FleetError("the daemon is away")),
        "b": broken(ValueError("a bug")),
        "c": finite(lines("c", 2)),
    }
    found = [line for batch in [batch async for batch in merged(logs, clock)] for line in batch]

    notes = {line.unit: line.text for line in found if line.stream == "note"}
    assert notes == {
        "a": "the log cannot be read: the daemon is away",
        "b": "the log cannot be read: a bug",
    }
    assert "c0" in {line.text for line in found}
    assert "the log of b cannot be read" in caplog.text
    assert "the log of a cannot be read" not in caplog.text


async def test_who_leaves_lets_go_of_every_log(clock):
    logs = [Live("a"), Live("b")]
    logs[0].at(1)
    stream = merged({each.unit: each.lines() for each in logs}, clock)
    await anext(stream)

    await stream.aclose()

    assert all(each.closed for each in logs)


async def test_no_logs_are_no_lines(clock):
    assert await texts(merged({}, clock)) == []


async def test_without_following_a_log_is_waited_for_however_long_it_takes(clock):
    slow = Live("a")
    reading = asyncio.ensure_future(
        texts(merged({"a": slow.lines(), "b": finite(lines("b", 2))}, clock, follow=False))
    )
    await clock.sleep(10 * PATIENCE_SECONDS)
    assert not reading.done()
    slow.feed([LogLine("a", 1, "first")])
    slow.feed(None)
    assert await reading == ["first", "b0"]


async def test_a_growing_log_is_read_on_also_where_it_begins_again(tmp_path, clock):
    path = tmp_path / "one.log"
    path.write_text("a\nb\n")
    log = GrowingLog(path, clock)
    reader = LineReader(log, "one")

    def more():
        return [line.text for line in reader.take()]

    assert more() == ["a", "b"]
    left = sorted(each.name for each in tmp_path.iterdir())
    with path.open("a") as file:
        file.write("c\n")
    assert [(line.text, line.at) for line in reader.take()] == [("c", clock.now())]
    path.write_text("d\n")
    assert more() == ["d"]
    path.unlink()
    assert more() == []
    path.write_text("e\n")
    assert more() == ["e"]
    assert sorted(each.name for each in tmp_path.iterdir()) == left


async def test_a_process_is_followed_without_a_service(tmp_path, clock):
    folder = tmp_path / ".sensor-tui" / "units"
    folder.mkdir(parents=True)
    save_spec(folder / "one.json", UnitSpec("one", ("true",)))
    (folder / "one.log").write_text("2026-01-31T12:00:01Z a\n2026-01-31T12:00:02Z b\nhalf")
    settings = Settings.model_validate({"fleet": {"hosts": ["unix:///run/no-docker-for-this-test.sock"]}})
    async with DirectLogs(settings, SyncRequest(tmp_path), clock) as direct:
        [unit] = await direct.units()
        assert await texts(direct.logs([unit.id], tail=1)) == ["half"]
        async with aclosing(direct.logs([unit.id], follow=True)) as stream:
            found = []
            while len(found) < 3:
                found += [line.text for line in await anext(stream)]
            assert [text[-4:] for text in found] == ["1Z a", "2Z b", "half"]
            with (folder / "one.log").open("a") as file:
                file.write(" line\nc\n")
            while len(found) < 5:
                found += [line.text for line in await anext(stream)]
            assert found[3:] == [" line", "c"]

import asyncio
import json
from dataclasses import replace

import pytest

from sensor_tui.model.progress import EngineState
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.board import HEARTBEAT_SECONDS, Board, View
from sensor_tui.service.mirror import Gap, Mirror
from sensor_tui.service.wire import Delta, EngineReport, Snapshot
from tests.support.clock import JumpingClock

ENGINE = EngineReport(state=EngineState.IDLE, version="1", attached=True)


class World:
    """What a board looks at."""

    def __init__(self, sensors=3):
        self.clock = JumpingClock()
        self.feeds = [
            FeedStatus(f"s{number}.db", f"LON_{number}", "London", 0, None, 1_753_999_990.0 + number)
            for number in range(sensors)
        ]
        self.engine = ENGINE
        self.dead = 0
        self.board = Board(lambda: View(self.engine, self.feeds, self.dead), clock=self.clock)

    def change(self, number, **fields):
        self.feeds[number] = replace(self.feeds[number], **fields)


@pytest.fixture
def world():
    return World()


async def take(stream, count):
    return [json.loads(await anext(stream)) for _ in range(count)]


async def test_the_first_event_is_a_snapshot(world):
    stream = world.board.events()

    (first,) = await take(stream, 1)

    assert first["kind"] == "snapshot"
    assert [each["sensor_id"] for each in first["status"]["sensors"]] == ["LON_0", "LON_1", "LON_2"]
    assert first["status"]["instance"] == world.board.instance
    await stream.aclose()


async def test_an_event_carries_only_what_changed(world):
    stream = world.board.events()
    await take(stream, 1)

    world.change(1, backlog=9, oldest_open=world.clock.now() - 4)
    world.board.refresh()
    (delta,) = await take(stream, 1)

    assert (delta["kind"], delta["backlog"], delta["lag_seconds"], delta["engine"]) == ("delta", 9, 4.0, None)
    assert [each["sensor_id"] for each in delta["sensors"]] == ["LON_1"]
    await stream.aclose()


async def test_sequence_numbers_have_no_gaps(world):
    stream = world.board.events()
    events = await take(stream, 1)
    for backlog in range(1, 5):
        world.change(0, backlog=backlog)
        world.board.refresh()
    events += await take(stream, 4)

    first = events[0]["sequence"]
    assert [each["sequence"] for each in events] == list(range(first, first + 5))
    await stream.aclose()


async def test_nothing_changed_is_no_event_but_a_heartbeat(world):
    stream = world.board.events()
    (snapshot,) = await take(stream, 1)
    world.board.refresh()

    (beat,) = await take(stream, 1)

    assert (beat["kind"], beat["sequence"]) == ("heartbeat", snapshot["sequence"])
    assert world.clock.elapsed == HEARTBEAT_SECONDS
    await stream.aclose()


async def test_a_resync_gets_what_it_missed(world):
    world.board.refresh()
    since = world.board.sequence
    for backlog in (1, 2):
        world.change(2, backlog=backlog)
        world.board.refresh()

    stream = world.board.events(since=since, instance=world.board.instance)

    assert [(each["kind"], each["backlog"]) for each in await take(stream, 2)] == [("delta", 1), ("delta", 2)]
    await stream.aclose()


async def test_a_resync_too_late_gets_a_snapshot(world):
    world.board.refresh()
    since = world.board.sequence
    for backlog in range(1, 300):
        world.change(2, backlog=backlog)
        world.board.refresh()

    stream = world.board.events(since=since, instance=world.board.instance)

    (event,) = await take(stream, 1)
    assert (event["kind"], event["status"]["backlog"]) == ("snapshot", 299)
    await stream.aclose()


@pytest.mark.parametrize("since", [0, 10**9])
async def test_a_number_that_never_was_gets_a_snapshot(world, since):
    stream = world.board.events(since=since, instance=world.board.instance)

    assert (await take(stream, 1))[0]["kind"] == "snapshot"
    await stream.aclose()


async def test_a_number_of_another_life_gets_a_snapshot(world):
    world.board.refresh()

    stream = world.board.events(since=world.board.sequence, instance="another")

    assert (await take(stream, 1))[0]["kind"] == "snapshot"
    await stream.aclose()


async def test_a_slow_reader_gets_a_snapshot_instead_of_a_queue(world):
    stream = world.board.events()
    await take(stream, 1)
    for backlog in range(1, 1000):
        world.change(0, backlog=backlog)
        world.board.refresh()

    (event,) = await take(stream, 1)

    assert (event["kind"], event["status"]["backlog"]) == ("snapshot", 999)
    await stream.aclose()


async def test_a_sensor_that_is_gone_is_said_to_be(world):
    stream = world.board.events()
    (snapshot,) = await take(stream, 1)
    key = Snapshot.model_validate(snapshot).status.sensors[1].key
    del world.feeds[1]
    world.board.refresh()

    (delta,) = await take(stream, 1)

    assert delta["gone"] == [key]
    assert len(world.board.status().sensors) == 2
    await stream.aclose()


async def test_a_file_that_turns_out_to_be_of_another_sensor_moves(world):
    world.board.refresh()
    world.change(0, sensor_id="LON_1")

    sensors = {each.sensor_id: each.files for each in world.board.status().sensors}

    assert sensors == {"LON_1": 2, "LON_2": 1}


async def test_closing_says_goodbye(world):
    stream = world.board.events()
    await take(stream, 1)
    world.board.close()

    assert [each["kind"] for each in await take(stream, 1)] == ["goodbye"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_look_is_taken_each_second_only_while_somebody_listens(world):
    looks = []
    world.board.refresh = lambda: looks.append(world.clock.elapsed)
    watching = asyncio.ensure_future(world.board.watch())
    await world.clock.sleep(3.5)
    assert looks == []
    world.board._listeners.add(asyncio.Event())

    await world.clock.sleep(2)

    assert looks == [4.0, 5.0]
    watching.cancel()


async def test_the_encoded_status_is_the_status(world):
    world.change(1, backlog=9, oldest_open=world.clock.now() - 4, problem='a "quoted"\nproblem')
    model = world.board.status()

    assert json.loads(world.board.status_json()) == json.loads(model.model_dump_json())
    assert json.loads(world.board.status_json()) == json.loads(model.model_dump_json())


async def test_a_mirror_of_the_events_is_the_status(world):
    mirror, stream = Mirror(), world.board.events()
    mirror.take(Snapshot.model_validate(*await take(stream, 1)))
    world.change(1, backlog=9, oldest_open=world.clock.now() - 4)
    await world.clock.sleep(7)
    world.engine = ENGINE.model_copy(update={"docs_per_second": 5.0})
    world.dead = 3
    world.board.refresh()

    seen = mirror.take(Delta.model_validate(*await take(stream, 1)))

    assert ageless(seen) == ageless(world.board.status())
    assert seen.sensors[1].lag_seconds == 11.0
    await stream.aclose()


def ageless(report):
    """A report without the ages of single sensors, which a mirror has as of their last change."""
    ages = {"lag_seconds": None, "freshness_seconds": None}
    sensors = tuple(sensor.model_copy(update=ages) for sensor in report.sensors)
    return report.model_copy(update={"sensors": sensors})


def test_a_mirror_refuses_a_gap(world):
    mirror, status = Mirror(), world.board.status()
    mirror.take(Snapshot(sequence=status.sequence, status=status))
    late = Delta(sequence=status.sequence + 2, at=status.at, backlog=0, lag_seconds=None, dead_letters=0)

    with pytest.raises(Gap):
        mirror.take(late)

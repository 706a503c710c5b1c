import asyncio
import threading
import time

import pytest

from sensor_tui.errors import FleetError


async def test_lines_have_their_times_and_streams(box, watch):
    before = time.time()
    name = box.make(script="echo one; echo two >&2; echo three; exit 0")
    watched = await watch(box.project)
    await watched.unit_is(name, lambda unit: not unit.state.up)
    lines = await watched.lines(name)
    assert sorted((line.text, line.stream) for line in lines) == [
        ("one", "out"),
        ("three", "out"),
        ("two", "err"),
    ]
    assert {line.unit for line in lines} == {watched.id(name)}
    assert all(before - 5 < line.at <= time.time() for line in lines)

    last = await watched.lines(name, tail=1)
    assert len(last) == 1
    out = [line for line in lines if line.stream == "out"]
    assert "three" in [line.text for line in await watched.lines(name, since=out[1].at)]
    assert "one" not in [line.text for line in await watched.lines(name, since=out[1].at)]
    assert await watched.lines(name, since=time.time() + 60) == []


async def test_a_terminal_has_one_stream_and_no_returns(box, watch):
    name = box.make(script="echo one; echo two >&2; printf %20000d 7; echo; printf end", tty=True)
    watched = await watch(box.project)
    await watched.unit_is(name, lambda unit: not unit.state.up)
    one, two, long, note, end = await watched.lines(name)
    assert (one.text, two.text, end.text) == ("one", "two", "end")
    assert long.text == " " * 16384
    assert note.text == "the line before was cut: 3,616 more bytes"
    assert one.at <= two.at <= end.at


async def test_garbage_and_endless_lines_are_bounded_and_lines_after_them_whole(box, watch):
    script = (
        "printf '\\377\\376\\000\\033[2J\\r garbage\\n'; printf %1048576d 5; echo; "
        "cat /bin/busybox | cat; echo; echo last"
    )
    name = box.make(script=script)
    watched = await watch(box.project)
    await watched.unit_is(name, lambda unit: not unit.state.up)
    lines = await watched.lines(name)
    assert lines[0].text == "\ufffd\ufffd\x00\x1b[2J\r garbage"
    assert lines[1].text == " " * 16384
    assert lines[2].text == "the line before was cut: 1,032,192 more bytes"
    assert lines[-1].text == "last"
    assert max(len(line.text) for line in lines) <= 16384


async def test_a_burst_is_followed_without_loss_and_in_order(box, watch):
    count = 20_000
    name = box.make(script=f"seq {count}; exec sleep 60", start=False)
    watched = await watch(box.project)
    following = asyncio.ensure_future(watched.lines(name, lambda lines: len(lines) >= count))
    await watched.runtime.start(watched.id(name))
    assert [line.text for line in await following] == [str(number + 1) for number in range(count)]


async def test_a_log_is_followed_through_a_restart_and_a_new_container(box, watch):
    name = box.make(script="echo hello; trap 'exit 0' TERM; while :; do sleep 0.05; done")
    watched = await watch(box.project)
    unit = watched.id(name)
    stream = watched.runtime.logs(unit, follow=True)
    lines, quiet = [], 0

    async def until(count):
        nonlocal quiet
        async with asyncio.timeout(20):
            while len(lines) < count:
                batch = await anext(stream)
                quiet += not batch
                lines.extend(batch)

    await until(1)
    assert (await anext(stream)) == []
    await watched.runtime.restart(unit, grace=2)
    await until(2)
    await watched.runtime.stop(unit, grace=2)
    await watched.runtime.regenerate(unit)
    await watched.runtime.start(unit)
    await until(3)
    assert [line.text for line in lines] == ["hello"] * 3
    assert quiet
    await watched.runtime.remove(unit, grace=1)
    async with asyncio.timeout(20):
        assert [batch async for batch in stream if batch] == []


async def test_following_only_what_is_new_ends_at_once_when_the_runtime_closes(box, watch):
    name = box.make(script="echo old; while :; do sleep 0.05; done")
    watched = await watch(box.project)
    stream = watched.runtime.logs(watched.id(name), tail=0, follow=True)
    assert (await anext(stream)) == []
    waiting = asyncio.ensure_future(anext(stream, "end"))
    await asyncio.sleep(0)
    began = time.monotonic()
    await watched.runtime.close()
    assert await waiting in ("end", ())
    assert [batch async for batch in stream if batch] == []
    assert time.monotonic() - began < 1
    deadline = time.monotonic() + 5
    while any(
        each.name.startswith(("log ", "docker "))
        and watched.runtime.host_name in each.name
        and name in each.name
        for each in threading.enumerate()
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_stream_that_is_left_ends_its_thread(box, watch):
    name = box.make()
    watched = await watch(box.project)
    stream = watched.runtime.logs(watched.id(name), follow=True)
    assert (await anext(stream)) == []
    (thread,) = [each for each in threading.enumerate() if each.name == f"log {watched.id(name)}"]
    await stream.aclose()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_a_log_that_nobody_keeps_is_said_to_be_that(box, watch):
    name = box.make(log_config={"type": "none"})
    watched = await watch(box.project)
    with pytest.raises(FleetError, match="does not support reading"):
        await watched.lines(name)
    with pytest.raises(FleetError, match="there is no unit"):
        watched.runtime.logs(watched.id("nobody"))

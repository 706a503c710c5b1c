import asyncio
import json

import pytest
from aiohttp import web

from sensor_tui.errors import OwnedElsewhere, ServiceError, UsageError
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.server import Server
from sensor_tui.service.sockets import claim
from sensor_tui.service.wire import PROTOCOL_HEADER, VERSION_HEADER
from sensor_tui.service.wire_asks import LetterFilter
from tests.support.clock import JumpingClock


@pytest.fixture
async def strange(short_path):
    """Something else that answers on a socket: give it an answer, get a client."""
    runners = []

    async def serve(headers, body=b"{}"):
        async def answer(_):
            return web.Response(body=body, headers=headers)

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        path = short_path / "strange.sock"
        await web.UnixSite(runner, str(path)).start()
        runners.append(runner)
        return ServiceClient(path)

    yield serve
    for runner in runners:
        await runner.cleanup()


async def test_a_status_comes_over_the_socket(client, actions):
    report = await client.status()

    assert report.instance == actions.board.instance
    assert report.sensors[0].sensor_id == 'LON_"1\n'


async def test_commands_reach_the_service(client, actions):
    await client.sync()
    await client.drain(stop=True, now=True)
    await client.letters(LetterFilter(sensor_id="LON_1"), offset=5, limit=7)
    await client.retry([1])
    await client.drop(None)
    await client.throughput("2026-01-01T00:00:00Z")

    assert [words[0] for words in actions.asked] == [
        "sync",
        "drain",
        "letters",
        "retry",
        "drop",
        "throughput",
    ]
    assert actions.asked[1:3] == [("drain", True, True), ("letters", LetterFilter(sensor_id="LON_1"), 5, 7)]


async def test_health_is_answered_also_when_it_is_bad(client, actions):
    actions.engine = actions.engine.model_copy(update={"state": "refused"})

    assert not (await client.health()).ok


async def test_an_error_of_the_service_is_raised_as_what_it_was(client, actions):
    actions.fails = OwnedElsewhere("theirs", fix="Ask them")

    with pytest.raises(OwnedElsewhere, match=r"theirs\. Ask them"):
        await client.retry(None)
    with pytest.raises(OwnedElsewhere):
        await client.pause()
    actions.fails = None
    with pytest.raises(UsageError, match="dead letter 7"):
        await client.letter(7)


async def test_nobody_there_is_one_clear_line(short_path):
    async with ServiceClient(short_path / "none.sock") as client:
        with pytest.raises(ServiceError, match=r"none\.sock does not answer"):
            await client.status()


async def test_another_protocol_is_refused_naming_both(strange):
    async with await strange({PROTOCOL_HEADER: "99", VERSION_HEADER: "9.9.9"}) as client:
        with pytest.raises(ServiceError, match=r"9\.9\.9 with protocol 99.* with protocol 1"):
            await client.status()
        with pytest.raises(ServiceError, match="protocol 99"):
            await anext(client.events())


async def test_something_else_is_not_taken_for_a_service(strange):
    async with await strange({}) as client:
        with pytest.raises(ServiceError, match="is not sensor-tui"):
            await client.status()


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"sequence": "x"}'])
async def test_an_answer_that_cannot_be_understood_is_an_error(strange, body):
    async with await strange({PROTOCOL_HEADER: "1"}, body) as client:
        with pytest.raises(ServiceError, match="cannot be understood"):
            await client.status()


async def test_an_event_that_cannot_be_understood_is_an_error(strange):
    async with await strange({PROTOCOL_HEADER: "1"}, b'{"kind": "surprise"}\n') as client:
        with pytest.raises(ServiceError, match="cannot be understood"):
            await anext(client.events())


async def test_events_keep_a_whole_report(client, actions):
    events = client.events()
    first = await anext(events)
    actions.engine = actions.engine.model_copy(update={"in_flight": 8})
    actions.board.refresh()

    second = await anext(events)

    assert (first.kind, second.kind) == ("snapshot", "delta")
    assert second.report.engine.in_flight == 8
    assert len(second.report.sensors) == 2
    assert second.changed == ()
    await events.aclose()


async def test_events_go_on_with_the_next_service(actions, short_path):
    clock, state = JumpingClock(), short_path / "state"
    claimed, server = claim(state), Server(actions)
    await server.serve_socket(claimed.listener)
    async with ServiceClient(claimed.path, clock=clock) as client:
        events = client.events()
        assert (await anext(events)).kind == "snapshot"
        await server.close()
        claimed.release()
        assert (await anext(events)).kind == "goodbye"
        lost = await anext(events)
        assert (lost.kind, lost.report.backlog) == ("lost", 2)
        while lost.kind == "lost" and "does not answer" not in lost.problem:
            lost = await anext(events)

        actions.board._closed = False
        claimed, server = claim(state), Server(actions)
        await server.serve_socket(claimed.listener)
        actions.feeds = actions.feeds[:1]
        actions.board.refresh()
        update = lost
        while update.kind == "lost":
            update = await anext(events)

        assert len(update.report.sensors) == 1
        await events.aclose()
    await server.close()
    claimed.release()


async def test_a_gap_asks_for_a_snapshot(short_path):
    def snapshot(sequence):
        engine = {"state": "idle", "version": "1", "attached": True}
        status = {"instance": "i", "sequence": sequence, "at": "2026-01-01T00:00:00Z", "backlog": 0,
                  "lag_seconds": None, "dead_letters": 0, "engine": engine, "sensors": []}  # fmt: skip
        return {"kind": "snapshot", "sequence": sequence, "status": status}

    late = {"kind": "delta", "sequence": 9, "at": "2026-01-01T00:00:00Z", "backlog": 1, "lag_seconds": None,
            "dead_letters": 0}  # fmt: skip
    answers, queries = [[snapshot(1), late], [snapshot(9)]], []

    async def answer(request):
        queries.append(dict(request.rel_url.query))
        response = web.StreamResponse(headers={PROTOCOL_HEADER: "1"})
        await response.prepare(request)
        for event in answers.pop(0):
            await response.write(json.dumps(event).encode() + b"\n")
        await asyncio.sleep(0)
        return response

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.UnixSite(runner, str(short_path / "s")).start()
    async with ServiceClient(short_path / "s") as client:
        events = client.events()
        seen = [await anext(events), await anext(events)]
        await events.aclose()
    await runner.cleanup()

    assert [update.report.sequence for update in seen] == [1, 9]
    assert queries == [{}, {}]

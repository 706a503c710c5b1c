"""Peers that are halted, barred, broken, or ahead of their own count: what is made of them here."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sensor_tui.errors import StorageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import EngineState, Progress, Totals
from sensor_tui.model.source import FeedStatus
from sensor_tui.service import peers, peers_letters
from sensor_tui.service.board import Board, View
from sensor_tui.service.operations import Operations
from sensor_tui.service.peers import Peers
from sensor_tui.service.peers_find import Found
from sensor_tui.service.peers_link import Peer, feeds_of
from sensor_tui.service.wire import EngineReport
from sensor_tui.service.wire_asks import LetterFilter, LetterPage, LettersChanged
from tests.support.clock import JumpingClock

FEED = FeedStatus("a/sensor_data.db", "LON_1", "London", 0, None, 102.0)


@pytest.fixture
def found(tmp_path):
    folder = tmp_path / "London"
    (folder / ".sensor-tui").mkdir(parents=True)
    return Found("London", folder, folder / ".sensor-tui", (1, 1), folder / "s")


@pytest.fixture
def known(tmp_path, found):
    """Peers with one that is live, and it."""
    every = Peers(tmp_path, tmp_path / ".sensor-tui", SystemClock())
    peer = every._peers["London"] = Peer(found, SystemClock(), lambda: None)
    peer.link, peer.spoke, peer.since = PeerLink.LIVE, True, None
    return every, peer


@pytest.fixture
async def halted(found, monkeypatch):
    """What it is asked is accepted and never answered."""
    over = asyncio.Event()

    async def hold(_, writer):
        await over.wait()
        writer.close()

    monkeypatch.setattr(peers, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(peers_letters, "CHANGE_SECONDS", 0.05)
    async with await asyncio.start_unix_server(hold, found.socket), asyncio.timeout(10):
        yield
        over.set()


@pytest.mark.usefixtures("halted")
async def test_a_halted_one_is_not_waited_for(known):
    every, _ = known
    for what in (lambda client: client.pause(), lambda client: client.drain()):
        assert await every.ask(what, patience=0.05) == ([], ["London: does not answer"])


@pytest.mark.usefixtures("halted")
async def test_letters_of_a_halted_one_are_not_waited_for(known):
    every, _ = known
    theirs = peers_letters.number_of("London") * peers_letters.STRIDE + 7

    async def change(ids):
        none = LettersChanged(changed=0)
        return await peers_letters.change(none, every, ids, lambda client, wanted: client.retry(wanted))

    assert (await change(None)).notices == ("London: does not answer",)
    assert (await change([theirs])).failed == {theirs: "the uploader of London does not answer"}


async def test_a_broken_ledger_of_a_peer_leaves_the_list_of_the_others(known, monkeypatch):
    every, peer = known

    async def own(*_):
        return LetterPage(letters=(), total=3, next_offset=None)

    async def broken(*_, **__):
        raise StorageError("the ledger is damaged")

    @asynccontextmanager
    async def client():
        yield SimpleNamespace(letters=broken)

    monkeypatch.setattr(peer, "client", client)
    assert (await peers_letters.page(own, every, LetterFilter(), offset=0, limit=10)).total == 3
    with pytest.raises(StorageError):
        await peers_letters.page(broken, every, LetterFilter(), offset=0, limit=10)


async def test_a_barred_one_is_kept_for_as_long_as_it_is_found(tmp_path, found, monkeypatch):
    there = [replace(found, socket=None, barred=True)]
    monkeypatch.setattr(peers, "find_peers", lambda *_: there)
    every = Peers(tmp_path, tmp_path / ".sensor-tui", JumpingClock())
    told = []
    every.changed = lambda: told.append(1)
    file = FeedStatus("London/a.db", None, "London", 0, None, None, owner="process 5")
    every.merged([file])

    await every.look()
    first = every.of("London")
    assert [report.link for report in every.reports()] == [PeerLink.REFUSED]
    every.merged([])
    await every.look()
    assert every.of("London") is first
    assert told == [1]

    there.clear()
    await every.look()
    assert every.of("London") is None


def test_nothing_is_said_to_be_uploaded_that_was_not_counted():
    """The latest rows are seen at once, the backlog is counted now and then."""
    polled = asyncio.Event()
    polled.set()
    host = SimpleNamespace(
        feeds=lambda: [FEED],
        peers=Peers(None, None, SystemClock()),
        pipeline=SimpleNamespace(source=SimpleNamespace(polled=polled)),
        progress=lambda: Progress(EngineState.IDLE, "", Totals(), 0, 0.0, 0.0, 0.0, 0.0),
        config_problem=None,
    )
    operations = Operations(host, SystemClock())
    operations.sampler.overlay = lambda feed: replace(feed, newest=105.0)

    (sensor,) = operations.board.status().sensors
    (file,) = feeds_of("London", sensor)
    assert (sensor.newest, file.backlog, file.newest) == ("1970-01-01T00:01:45.000Z", 0, 102.0)
    (file,) = feeds_of("London", sensor.model_copy(update={"newest_counted": None}))
    assert file.newest is None


def test_what_was_counted_since_is_news():
    counted = {FEED.source: 102.0}
    engine = EngineReport(
        state=EngineState.IDLE, reason="", version="1", pid=1, started=None, docs_per_second=0.0,
        request_units_per_second=0.0, throttled_per_second=0.0, in_flight=0, lanes=(), totals=None,
        attached=True,
    )  # fmt: skip
    board = Board(
        lambda: View(engine, [replace(FEED, newest=105.0)], 0, counted=dict(counted)), clock=SystemClock()
    )
    board.refresh()
    before = board.sequence
    board.refresh()
    assert board.sequence == before
    counted[FEED.source] = 105.0
    board.refresh()
    assert board.sequence == before + 1
    (sensor,) = board.status().sensors
    assert sensor.newest_counted == sensor.newest

import pytest

from sensor_tui.errors import OwnedElsewhere, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.deadletters import drop_letters, list_letters, retry_letters, show_letter
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.status import status
from sensor_tui.service.wire_asks import LetterFilter
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.store import SqliteStore

CLOCK = SystemClock()


@pytest.fixture
async def poisoned(fleet, settings, request_for):
    """Two sensors with three and two rows that no sink takes."""
    first, second = fleet.sensor("a", rows=10), fleet.sensor("b", rows=10, city="Paris")
    fleet.query(first, "UPDATE sensor_readings SET temperature = 9e999 WHERE id <= 3")
    fleet.query(second, "UPDATE sensor_readings SET temperature = 9e999 WHERE id <= 2")
    report = await sync_once(settings, request_for())
    assert report.rejected == 5
    return first, second


async def test_letters_are_listed_in_pages(poisoned, request_for):
    first = await list_letters(request_for(), CLOCK, limit=3)
    rest = await list_letters(request_for(), CLOCK, offset=first.next_offset, limit=3)

    assert (len(first.letters), first.total, first.next_offset) == (3, 5, 3)
    assert (len(rest.letters), rest.next_offset) == (2, None)
    assert {letter.id for letter in first.letters}.isdisjoint(letter.id for letter in rest.letters)
    assert all(letter.document is None and "infinity" in letter.reason for letter in first.letters)


async def test_a_filter_narrows_the_list(poisoned, request_for):
    which = LetterFilter(source="Paris/b/sensor_data.db")

    page = await list_letters(request_for(), CLOCK, which)

    assert [letter.row_id for letter in page.letters] == [1, 2]
    assert page.total == 5


async def test_listing_where_nothing_was_ever_sent_makes_nothing(fleet, request_for):
    fleet.sensor("a", rows=1)

    page = await list_letters(request_for(), CLOCK)

    assert (page.letters, page.total) == ((), 0)
    assert not (fleet.root / ".sensor-tui").exists()


async def test_one_is_shown_with_its_document(poisoned, request_for):
    page = await list_letters(request_for(), CLOCK, limit=1)

    letter = await show_letter(request_for(), CLOCK, page.letters[0].id)

    assert "temperature=inf" in letter.document
    with pytest.raises(UsageError, match="no dead letter 12345"):
        await show_letter(request_for(), CLOCK, 12345)


async def test_a_retry_is_read_by_the_next_run(poisoned, fleet, settings, request_for):
    first, second = poisoned
    fleet.query(first, "UPDATE sensor_readings SET temperature = 20 WHERE id = 2")
    page = await list_letters(request_for(), CLOCK)
    (wanted,) = [each.id for each in page.letters if each.source.startswith("London") and each.row_id == 2]

    outcome = await retry_letters(request_for(), CLOCK, [wanted, 777])

    assert (outcome.changed, outcome.missing, outcome.failed) == (1, (777,), {})
    assert (await status(settings, request_for(), CLOCK)).backlog == 1
    report = await sync_once(settings, request_for())
    assert (report.read, report.accepted, report.rejected) == (1, 1, 0)
    assert fleet.synced(first) == {1: 8, -1: 2}
    assert fleet.synced(second) == {1: 8, -1: 2}


async def test_a_retry_of_all_that_is_not_mended_is_dead_again(poisoned, settings, request_for):
    outcome = await retry_letters(request_for(), CLOCK, None)

    assert outcome.changed == 5
    assert (await list_letters(request_for(), CLOCK)).total == 0
    report = await sync_once(settings, request_for())
    assert (report.read, report.rejected) == (5, 5)
    assert (await list_letters(request_for(), CLOCK)).total == 5


async def test_a_dropped_letter_is_forgotten_and_its_row_stays_closed(poisoned, fleet, settings, request_for):
    page = await list_letters(request_for(), CLOCK)

    outcome = await drop_letters(request_for(), CLOCK, [page.letters[0].id, 999])

    assert (outcome.changed, outcome.missing) == (1, (999,))
    assert (await list_letters(request_for(), CLOCK)).total == 4
    assert (await sync_once(settings, request_for())).read == 0
    assert (await drop_letters(request_for(), CLOCK, None)).changed == 4


async def test_what_was_done_is_in_the_action_log(poisoned, fleet, request_for):
    await retry_letters(request_for(), CLOCK, [1])
    await drop_letters(request_for(), CLOCK, None)

    async with Ledger(fleet.root / ".sensor-tui", clock=CLOCK, read_only=True) as ledger:
        entries = await ledger.actions()
    assert [(entry.action, entry.target, entry.result) for entry in entries] == [
        ("drop dead letters", "all", "4 done, 0 failed"),
        ("retry dead letters", "1", "1 done, 0 failed"),
    ]


async def test_a_file_of_another_engine_is_not_reopened(poisoned, fleet, request_for):
    store = SqliteStore(fleet.root / "London", clock=CLOCK)
    await store.open()
    await store.scan()
    try:
        with pytest.raises(OwnedElsewhere, match=r"London/a.*process"):
            await retry_letters(request_for(), CLOCK, None)
    finally:
        await store.close()
    assert (await list_letters(request_for(), CLOCK)).total == 5


async def test_a_letter_whose_file_is_gone_is_kept_and_said(poisoned, request_for):
    poisoned[0].unlink()

    outcome = await retry_letters(request_for(), CLOCK, None)

    assert outcome.changed == 2
    assert len(outcome.failed) == 3
    assert all("London/a" in reason for reason in outcome.failed.values())
    assert (await list_letters(request_for(), CLOCK)).total == 3

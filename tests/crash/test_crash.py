"""The service killed at random instants and inside every window of DESIGN 11, while two simulators write.

A longer one: `python -m benchmarks.crash --kills 50`.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.crash.campaign import Campaign
from tests.crash.verdict import WINDOWS, Verdict

KILLS, EACH = 6, 1

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdict]:
    """What was there after all the kills and one run to the end."""
    campaign = Campaign(tmp_path_factory.mktemp("crash"), seed=2025)
    with campaign.running():
        for _ in range(KILLS):
            campaign.kill_at_random()
        for window in [*WINDOWS] * EACH:
            campaign.strike(window)
        yield campaign.finish()


def test_the_service_was_killed_while_it_worked(verdict: Verdict) -> None:
    assert verdict.kills.total() == KILLS
    assert verdict.kills["starting"] < KILLS, verdict.kills


@pytest.mark.parametrize("window", WINDOWS)
def test_a_kill_landed_in_window(verdict: Verdict, window: str) -> None:
    assert verdict.hits[window] >= EACH, verdict.hits


def test_no_reading_was_lost_on_its_way_into_the_files(verdict: Verdict) -> None:
    """The sensors wrote through every kill, and half-made marks were taken back without their rows."""
    assert verdict.found == verdict.written > 0


def test_every_reading_is_in_the_container(verdict: Verdict) -> None:
    assert verdict.documents == verdict.found - len(verdict.poisoned)
    assert not verdict.missing


def test_no_reading_is_in_the_container_twice(verdict: Verdict) -> None:
    assert not verdict.doubled
    assert not verdict.unexpected


def test_documents_equal_their_readings(verdict: Verdict) -> None:
    assert not verdict.different


def test_every_poisoned_reading_is_one_dead_letter(verdict: Verdict) -> None:
    assert verdict.poisoned
    assert verdict.letters == Counter(verdict.poisoned)


def test_every_row_is_marked_as_what_became_of_it(verdict: Verdict) -> None:
    assert not verdict.unmarked, (len(verdict.unmarked), verdict.unmarked[:5])


def test_sensor_files_and_ledger_are_sound(verdict: Verdict) -> None:
    assert set(verdict.integrity.values()) == {"ok"}, verdict.integrity


def test_a_second_run_sends_nothing(verdict: Verdict) -> None:
    assert verdict.second is not None
    report = verdict.second.report
    assert (verdict.second.code, report["read"], report["accepted"], report["backlog"]) == (0, 0, 0, 0)


def test_nothing_at_all_is_wrong(verdict: Verdict) -> None:
    """The same judgement as the longer command's."""
    assert verdict.problems() == []

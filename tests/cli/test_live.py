"""How a running upload is drawn."""

import logging
from dataclasses import replace

import pytest

from sensor_tui.cli import live, logs
from sensor_tui.cli.live import Bar, Moment, Narration, StatusLine
from sensor_tui.model.progress import EngineState, Progress, Totals

MOMENT = Moment(EngineState.RUNNING, "", 300, 0, 6000, 100.0, 533.0, 0.0)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_moment_in_one_line() -> None:
    assert MOMENT.line == "running  300 sent  backlog 6,000  100 docs/s  533 RU/s  1 min left"
    busy = replace(MOMENT, rejected=2, throttled_per_second=7.4, reason="why")
    assert busy.line == (
        "running  300 sent  backlog 6,000  2 rejected  100 docs/s  533 RU/s  7 throttled/s  1 min left  why"
    )
    assert replace(MOMENT, docs_per_second=0.0, backlog=0).line == "running  300 sent  backlog 0"


def test_a_moment_of_a_run_cleans_what_others_wrote() -> None:
    progress = Progress(
        EngineState.REFUSED, "no\x1b[2J", Totals(accepted=3, rejected=1), 0, 1.0, 5.33, 0.0, 3.0, 3
    )
    moment = Moment.of_run(progress, 4)
    assert (moment.accepted, moment.rejected, moment.backlog) == (3, 1, 4)
    assert moment.reason == "no\ufffd[2J"


def test_aggregated_documents_are_counted_as_the_readings_they_are_made_of() -> None:
    progress = Progress(EngineState.RUNNING, "", Totals(read=900, accepted=30), 0, 10.0, 53.3, 0.0, 3.0, 900)
    moment = Moment.of_run(progress, 6000)
    assert (moment.accepted, moment.documents) == (900, 30)
    # 10 documents a second are 300 readings a second
    assert moment.line == "running  900 sent as 30 documents  backlog 6,000  10 docs/s  53 RU/s  20 s left"


def test_a_status_line_is_drawn_once_a_second_and_only_when_it_changed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    line = StatusLine(clock)
    line.draw("one")
    line.draw("two")
    assert capsys.readouterr().err == "\r\x1b[?7lone\x1b[K\x1b[?7h"
    clock.time = 5
    line.draw("one")
    assert capsys.readouterr().err == ""
    line.draw("three")
    assert "three" in capsys.readouterr().err


def test_log_lines_are_written_above_the_status_line(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logs.setup("INFO", debug=False)
    line = StatusLine(clock)
    with logs.above(handler, line.write):
        line.draw("status")
        capsys.readouterr()
        logging.getLogger("sensor_tui.x").info("news")
        line.close()
    drawn = capsys.readouterr().err
    assert drawn.startswith("\r\x1b[K")
    assert drawn.index("news\n") < drawn.index("status")
    assert drawn.endswith("\n")


def test_without_a_terminal_there_is_a_line_now_and_then(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    narration = Narration(clock)
    narration.show(MOMENT)
    assert capsys.readouterr().err == ""
    clock.time = live.NARRATE_SECONDS
    narration.show(MOMENT)
    assert capsys.readouterr().err == f"{MOMENT.line}\n"
    clock.time = 3 * live.NARRATE_SECONDS
    narration.show(MOMENT)
    assert capsys.readouterr().err == ""


def test_trouble_is_told_at_once_and_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    narration = Narration(clock)
    trouble = replace(MOMENT, state=EngineState.UNREACHABLE, reason="no answer")
    narration.show(trouble)
    narration.show(trouble)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("unreachable")
    assert "no answer" in told


def test_a_bar_counts_towards_its_end_and_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    bar = Bar(plain=True)
    bar.show(replace(MOMENT, accepted=0, backlog=6300))
    bar.show(MOMENT)
    bar.show(replace(MOMENT, state=EngineState.UNREACHABLE, reason="[bold]no[/bold]"))
    bar.close()
    drawn = capsys.readouterr().err
    assert "300/6300" in drawn
    assert "unreachable: [bold]no[/bold]" in drawn

"""Log lines: one each, cleaned, without secrets."""

import logging

import pytest

from sensor_tui.cli import logs

SECRET = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJ=="


@pytest.fixture(autouse=True)
def no_secrets_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SECRETS", logs.Secrets())


def test_a_record_is_one_line_with_time_level_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", debug=False)
    logging.getLogger("sensor_tui.sync.engine").info("two\nlines \x1b[31mred")
    line = capsys.readouterr().err
    assert line.endswith("Z INFO sync.engine: two lines \ufffd[31mred\n")
    assert line.count("\n") == 1


def test_a_secret_is_masked_as_it_is_and_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", debug=False)
    logs.SECRETS.hide(SECRET, None, "abc")
    logging.getLogger("sensor_tui.x").info(
        "key %s, sig=%s, abc", SECRET, "C2y6yDjf5%2FR%2Bob0N8A7Cgv30VRDJ%3D%3D"
    )
    assert capsys.readouterr().err.endswith("key ********, sig=********, abc\n")


def test_a_traceback_shows_only_when_debugging_and_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.SECRETS.hide(SECRET)
    for debug in (False, True):
        logs.setup("INFO", debug=debug)
        try:
            raise ValueError(f"bad key {SECRET}")
        except ValueError:
            logging.getLogger("sensor_tui.x").exception("It failed")
        shown = capsys.readouterr().err
        assert "It failed: ValueError: bad key ********" in shown
        assert ("Traceback" in shown) is debug
        assert SECRET not in shown


def test_the_level_holds_and_debug_stands_over_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("WARNING", debug=False)
    logging.getLogger("sensor_tui.x").info("quiet")
    logs.set_level("INFO", debug=False)
    logging.getLogger("sensor_tui.x").info("heard")
    logging.getLogger("sensor_tui.x").debug("quiet")
    logs.setup("WARNING", debug=True)
    logging.getLogger("sensor_tui.x").debug("heard")
    assert [line.rpartition(" ")[2] for line in capsys.readouterr().err.splitlines()] == ["heard", "heard"]


@pytest.mark.parametrize(
    "name", ["azure.core.pipeline.policies.http_logging_policy", "httpx", "aiohttp.access"]
)
def test_libraries_are_quiet_even_when_debugging(capsys: pytest.CaptureFixture[str], name: str) -> None:
    logs.setup("INFO", debug=True)
    logging.getLogger(name).info("a request")
    logging.getLogger(name).warning("trouble")
    assert capsys.readouterr().err.count("\n") == 1


def test_setting_up_twice_says_everything_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", debug=False)
    logs.setup("INFO", debug=False)
    logging.getLogger("sensor_tui.x").info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_lines_go_to_whoever_draws_for_as_long_as_it_draws(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logs.setup("INFO", debug=False)
    taken: list[str] = []
    with logs.above(handler, taken.append):
        logging.getLogger("sensor_tui.x").info("above")
    logging.getLogger("sensor_tui.x").info("plain")
    assert [line.rpartition(" ")[2] for line in taken] == ["above"]
    assert capsys.readouterr().err.endswith("x: plain\n")

"""What is written of untrusted values, ages and JSON."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from sensor_tui.cli import output
from sensor_tui.errors import StorageError, UsageError

HOSTILE = "a\x1b[31mb\x1b]0;title\x07c\rd\x00e\x9bf\u202eg\u2066h\u2028i\x7fj\ud800k\tl\nm"


def test_nothing_a_terminal_acts_upon_survives() -> None:
    cleaned = output.clean(HOSTILE)
    assert cleaned == "a\ufffd[31mb\ufffd]0;title\ufffdc d\ufffde\ufffdf\ufffdg\ufffdh i\ufffdj\ufffdk l m"
    assert cleaned.encode()


@pytest.mark.parametrize("text", ["São Paulo", "Zürich 21 °C", "東京", "[bold]not markup[/bold]", "👩‍🔬"])
def test_ordinary_text_of_any_script_is_left_as_it_is(text: str) -> None:
    assert output.clean(text) == text


def test_lines_keep_their_ends_and_nothing_else() -> None:
    assert output.clean_lines("a\r\nb\x1b\nc") == "a \nb\ufffd\nc"


def test_json_is_harmless_and_exact() -> None:
    written = output.to_json({"name": HOSTILE + "\U000e0041", "city": "São Paulo"})
    assert json.loads(written) == {"name": HOSTILE + "\U000e0041", "city": "São Paulo"}
    assert "São Paulo" in written
    assert all(character == "\n" or character.isprintable() for character in written)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "-"),
        (-3, "0 s"),
        (0.4, "0 s"),
        (3.2, "3 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (119, "1 min"),
        (130, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172799, "47 h"),
        (200000, "2 d"),
    ],
)
def test_ages_come_in_coarse_steps(seconds: float | None, told: str) -> None:
    assert output.age(seconds) == told


def test_counts_agree_with_their_noun() -> None:
    assert output.count(1, "reading") == "1 reading"
    assert output.count(12345, "reading") == "12,345 readings"


def test_a_table_cleans_its_cells_and_cuts_nothing_off_a_terminal() -> None:
    long = "x" * 300
    text = output.table(["NAME", "N"], [["a\x1b[2Jb", 1], [long, 22]], plain=False, numeric=["N"])
    lines = text.splitlines()
    assert lines[0].split() == ["NAME", "N"]
    assert "a\ufffd[2Jb" in lines[1]
    assert lines[1].endswith(" 1")
    assert lines[2] == f"{long}  22"
    assert "\x1b" not in text


def test_without_a_terminal_a_question_is_an_error_that_names_its_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="--yes"):
        output.confirm("Drop them?", yes=False)
    assert output.confirm("Drop them?", yes=True)


@pytest.mark.parametrize("name", ["NO_COLOR", "NO_COLORS"])
def test_either_variable_turns_colours_off(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert not output.no_color(asked=False)
    monkeypatch.setenv(name, "1")
    assert output.no_color(asked=False)


def test_an_empty_variable_leaves_colours_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert not output.no_color(asked=False)
    assert output.no_color(asked=True)


def test_a_full_disk_under_standard_output_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(StorageError, match="No space left"):
            output.emit("x")
        # What could not be written must not be written again when the file is closed.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, full.fileno())
        os.close(nothing)

"""The tables of keys and columns in the manual of the dashboard."""

import pytest

from sensor_tui.app.keymap import APP_KEYS, PLACES
from tests.support.key_manual import PAGE, columns, keys, renewed


def test_the_manual_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "make it anew: .venv/bin/python -m tests.support.key_manual"


def test_every_command_is_in_it():
    found = keys()
    for command in APP_KEYS:
        assert f"`{command.id}` |" in found
    for place in PLACES:
        for command in type(place.load()).KEYS:
            assert f"`{command.id}` |" in found


def test_every_column_says_what_it_is():
    assert [line for line in columns().splitlines() if line.endswith("|  |")] == []


def test_a_part_that_is_missing_is_an_error():
    with pytest.raises(ValueError, match="keys"):
        renewed("nothing here")

"""Names made from names: readable, safe, and different for different cities."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor_tui.model.names import sensor_unit_name, slug


@pytest.mark.parametrize(
    ("city", "expected"), [("Amsterdam", "amsterdam"), ("New York", "new-york"), ("São Paulo", "sao-paulo")]
)
def test_a_slug_is_readable(city: str, expected: str) -> None:
    assert slug(city) == expected


def test_what_has_no_letters_gets_a_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{6}", slug("東京"))
    assert slug("東京") != slug("大阪")


@given(st.text(min_size=1))
def test_a_unit_name_is_always_legal(city: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", sensor_unit_name(city, 12))

"""Times as an operator gives them."""

from datetime import datetime

import pytest

from sensor_tui.cli.moments import moment, span
from sensor_tui.errors import UsageError
from sensor_tui.model.clock import SystemClock


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("15min", 900), ("2h30m", 9000), ("1.5h", 5400), ("7d", 604_800),
     ("1w", 604_800), (" 2 H ", 7200)],
)  # fmt: skip
def test_so_long_ago(text: str, seconds: float) -> None:
    before = SystemClock().now()
    found = moment("--since", text)
    assert found is not None
    assert before - seconds <= found <= SystemClock().now() - seconds


def test_moments() -> None:
    assert moment("--since", None) is None
    assert moment("--since", "2025-08-01T12:00:00Z") == 1_754_049_600.0
    assert moment("--since", "2025-08-01T14:00:00+02:00") == 1_754_049_600.0
    assert moment("--since", "2025-08-01") == datetime(2025, 8, 1).timestamp()  # noqa: DTZ001 - local it is


@pytest.mark.parametrize("text", ["", "soon", "5", "-5m", "5 weeks", "2025-13-01", "1h x", "٣h", "\x1b[2J"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--until .*is not a time"):
        moment("--until", text)


def test_a_stretch_has_its_beginning_first() -> None:
    assert span(None, None) == (None, None)
    assert span("2025-08-01T00:00:00Z", "2025-08-01T00:00:00Z") == (1_754_006_400.0, 1_754_006_400.0)
    assert span("2025-08-01T00:00:00Z", None) == (1_754_006_400.0, None)
    with pytest.raises(UsageError, match="--since 2h is later than --until 7d"):
        span("2h", "7d")
    with pytest.raises(UsageError, match="--until soon is not a time"):
        span("2h", "soon")

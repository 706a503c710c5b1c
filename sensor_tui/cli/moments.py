"""Times as an operator gives them: ISO 8601, or so long ago."""

import re
from datetime import datetime
from typing import Final

from sensor_tui.errors import UsageError

_LENGTHS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(min|[smhdw])\s*", re.ASCII | re.IGNORECASE)
_AGO: Final = re.compile(f"(?:{_PART.pattern})+", re.ASCII | re.IGNORECASE)

METAVAR: Final = "TIME"
FORMS: Final = "so long ago (90s, 15m, 2h30m, 7d), or ISO 8601, local without an offset"
"""What such an option takes, for its help."""


def moment(option: str, text: str | None) -> float | None:
    """A time in seconds since the epoch; None where the option was not given.

    Raises:
        UsageError: it is no time, and the option is named.
    """
    if text is None:
        return None
    given = text.strip()
    if _AGO.fullmatch(given):
        from sensor_tui.model.clock import SystemClock

        ago = sum(float(amount) * _LENGTHS[unit.lower()] for amount, unit in _PART.findall(given))
        return SystemClock().now() - ago
    try:
        return datetime.fromisoformat(given).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} {text} is not a time", fix="Give it as 2025-08-01T12:00:00Z, or as 90s, 15m, 2h, 7d"
        ) from None


def span(since: str | None, until: str | None) -> tuple[float | None, float | None]:
    """First and last time of `--since` and `--until`, in seconds since the epoch; None where not given.

    Raises:
        UsageError: one is no time, or the first is later than the last.
    """
    first, last = moment("--since", since), moment("--until", until)
    if first is not None and last is not None and first > last:
        raise UsageError(
            f"--since {since} is later than --until {until}",
            fix="Exchange them; 2h is two hours ago, and later than 7d",
        )
    return first, last

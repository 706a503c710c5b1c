"""The moment an operator means by `14:05`, `14:05:30`, `-10m` or `2026-01-31 14:05`."""

import re
from datetime import datetime, timedelta
from typing import Final

WAYS: Final = "14:05, 14:05:30, -10m, -1h30m, or 2026-01-31 14:05"

_UNITS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_BACK: Final = re.compile(r"-((?:\d+(?:\.\d+)?[dhms])+)")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
_CLOCK: Final = re.compile(r"(?:(\d{4})-(\d{1,2})-(\d{1,2})[ T])?(\d{1,2}):(\d{2})(?::(\d{2}))?")


def moment(text: str, now: float) -> float | None:
    """Seconds since the epoch, None where it says no time; a time of day is the last such time before now."""
    text = text.strip().lower()
    if back := _BACK.fullmatch(text):
        return now - sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(back[1]))
    found = _CLOCK.fullmatch(text.upper())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in found.groups())
    local = datetime.fromtimestamp(now).astimezone()
    try:
        there = local.replace(hour=hour or 0, minute=minute or 0, second=second or 0, microsecond=0)
        if year is not None and month is not None and day is not None:
            return there.replace(year=year, month=month, day=day, tzinfo=None).astimezone().timestamp()
        there = there.replace(tzinfo=None)
        if there.astimezone().timestamp() > now:
            there -= timedelta(days=1)
        return there.astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None

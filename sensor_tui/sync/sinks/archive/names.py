"""Names in the archive: folders that no city or sensor id can climb out of, and the files in a dataset."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from sensor_tui.sync.sinks.archive.options import SUFFIXES

TEMPORARY: Final = ".part.tmp"
"""A part that is being written, hidden from every reader. A dataset has one writer, so one is enough."""

GONE: Final = ".gone-"
"""In the name of a dataset's folder that was replaced, until nobody lists it any longer."""

_AGGREGATED: Final = ".aggregated"
_READINGS: Final = ".readings"
_MOST_BYTES: Final = 120
_KEPT: Final = 40
_SPECIAL: Final = frozenset('/\\:*?"<>|[]{}%=~')
"""Separators, wildcards of the readers' globs, `=` of partitioned datasets, and `~`, which is ours."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIME: Final = r"(\d{8}T\d{6}\.\d{6}Z)"
_PART: Final = re.compile(rf"(\d{{1,18}})-(\d{{1,4}})-(\d{{1,12}})-{_TIME}-{_TIME}")


def safe_name(text: str) -> str:
    """The text itself where it is a harmless name of a file; otherwise what is harmless of it, and a hash.

    Two texts never have the same name.
    """
    if _is_harmless(text):
        return text
    kept = "".join(c if c.isalnum() and c.isascii() else "_" for c in text[:_KEPT]).strip("_") or "unnamed"
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
    return f"{kept}~{digest}"


def _is_harmless(text: str) -> bool:
    return (
        text[:1].isalnum()
        and text.isprintable()
        and text[-1] not in " ."
        and not _SPECIAL & set(text)
        and not text.lower().endswith((*SUFFIXES.values(), _AGGREGATED, _READINGS))
        and len(text.encode()) <= _MOST_BYTES
        and unicodedata.is_normalized("NFC", text)
    )


def apart_name(stem: str, *, aggregated: bool) -> str:
    """Where documents go that cannot stand in the dataset of that stem; no sensor has such a safe name."""
    return stem + (_AGGREGATED if aggregated else _READINGS)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a dataset. Its name says all that is needed to append beside it without reading it."""

    sequence: int
    """Order in the dataset; that of its oldest ingredient where it was made of several."""
    level: int
    """How often what is in it was put together with others."""
    rows: int
    low: int
    high: int
    """Earliest and latest time in it, in microseconds since 1970."""
    name: str
    size: int
    """Bytes."""


def part_name(sequence: int, level: int, rows: int, low: int, high: int, suffix: str) -> str:
    """Name of a part: sequence, level, rows, earliest and latest time."""
    return f"{sequence:010d}-{level}-{rows}-{_time_text(low)}-{_time_text(high)}{suffix}"


def parse_part(name: str, suffix: str, size: int) -> Part | None:
    """The part of that name; None where it is not one of ours."""
    if not name.endswith(suffix) or (found := _PART.fullmatch(name.removesuffix(suffix))) is None:
        return None
    try:
        low, high = _micros(found[4]), _micros(found[5])
    except ValueError:
        return None
    return Part(int(found[1]), int(found[2]), int(found[3]), low, high, name, size)


def _time_text(micros: int) -> str:
    text = (_EPOCH + timedelta(microseconds=micros)).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text.replace("-", "").replace(":", "") + "Z"


def _micros(text: str) -> int:
    return (datetime.strptime(text, "%Y%m%dT%H%M%S.%f%z") - _EPOCH) // _MICROSECOND

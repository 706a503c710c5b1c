"""Diagnostics: one check, its verdict, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class CheckVerdict(StrEnum):
    """What a check found, the best first."""

    OK = "ok"
    SKIPPED = "skipped"
    """It makes no sense here; the evidence says why."""
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """One check there is."""

    name: str
    """Short, lower case with `-`; what `--only` takes."""
    title: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check that was made."""

    name: str
    title: str
    verdict: CheckVerdict
    evidence: str
    """What was seen, in one line or a few."""
    remedy: str = ""
    """What to do, empty where all is well."""
    seconds: float = 0.0
    """How long it took."""

"""What is there after a campaign of kills, and what of it is not as it must be."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.real.processes import Outcome

WINDOWS = {
    "a": "sent and unanswered",
    "b": "answered and unmarked",
    "c": "marked and uncommitted",
    "d": "between ledger and file",
}


@dataclass(slots=True)
class Verdict:
    """What was found once everything had been sent."""

    kills: Counter[str] = field(default_factory=Counter)
    """Random kills by what was going on."""
    hits: Counter[str] = field(default_factory=Counter)
    """Deliberate kills by the window they were found to have hit."""
    ways: Counter[str] = field(default_factory=Counter)
    """How window c was hit."""
    written: int = 0
    """Readings the sensors wrote."""
    found: int = 0
    """Rows of their files."""
    documents: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    poisoned: set[tuple[str, int]] = field(default_factory=set)
    letters: Counter[tuple[str, int]] = field(default_factory=Counter)
    unmarked: list[tuple[str, int, int | None]] = field(default_factory=list)
    integrity: dict[str, str] = field(default_factory=dict)
    last: Outcome | None = None
    second: Outcome | None = None
    seconds: float = 0.0

    def problems(self) -> list[str]:
        """Everything that is not as it must be, in words."""
        assert self.last is not None
        assert self.second is not None
        report = self.second.report
        again = (self.second.code, report["read"], report["accepted"])
        found = {
            "not one hit in a window": [window for window in WINDOWS if not self.hits[window]],
            "readings that the sensors wrote and their files lack": self.written - self.found,
            "readings without a document": self.missing[:5],
            "documents without a reading": self.unexpected[:5],
            "readings with two documents": self.doubled[:5],
            "documents that differ from their reading": self.different[:2],
            "poisoned readings without a dead letter": sorted(self.poisoned - self.letters.keys())[:5],
            "dead letters of sound readings": sorted(self.letters.keys() - self.poisoned)[:5],
            "two dead letters of one reading": [each for each, count in self.letters.items() if count > 1],
            "rows not marked as they are": self.unmarked[:5],
            "damaged files": {name: said for name, said in self.integrity.items() if said != "ok"},
            "the last run": None if self.last.code in {0, 1} else self.last,
            "a second run that sends something": None if again == (0, 0, 0) else self.second,
        }
        return [f"{what}: {which}" for what, which in found.items() if which]

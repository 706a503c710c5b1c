"""Checks as rows, as a detail, as one verdict, and as a text to send to somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from textual.content import Content

from sensor_tui.app.format import age, block, plain, stamp
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.widgets.grid import Cell, Column, Row, Tone
from sensor_tui.model.check import Check, CheckInfo, CheckVerdict

COLUMNS: Final = (
    Column("verdict", "Verdict", 11, help="What the check found; the worst sorts first."),
    Column("title", "Check", 31, help="What is checked."),
    Column("evidence", "Evidence", 20, grow=True, help="What was seen; the whole is in the detail."),
    Column("time", "Took", 7, right=True, shown=False, help="Seconds the check took."),
)
OLD_SECONDS: Final = 600.0
"""Age from which on a result is shown as old."""

OK_RANK: Final = 3
"""Rank from which on there is nothing to mend."""


class CheckState(StrEnum):
    """How far a check is."""

    NOT_MADE = "not made"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    BROKEN = "no result"
    """It could not be made; `problem` says why."""


@dataclass(frozen=True, slots=True)
class Made:
    """A check and how far it is. `at` is when it was made, in seconds since the epoch."""

    info: CheckInfo
    state: CheckState = CheckState.NOT_MADE
    check: Check | None = None
    problem: str = ""
    """Plain."""
    at: float | None = None

    @property
    def rank(self) -> int:
        """For sorting, the worst first."""
        if self.state is CheckState.BROKEN:
            return 1
        if self.check is None:
            return len(CheckVerdict) + 1
        return len(CheckVerdict) - list(CheckVerdict).index(self.check.verdict)


_VERDICTS: Final = {
    CheckVerdict.OK: ("good", "ok", Tone.GOOD),
    CheckVerdict.SKIPPED: ("dash", "skipped", Tone.DIM),
    CheckVerdict.WARNING: ("warning", "warning", Tone.WARN),
    CheckVerdict.FAILED: ("bad", "failed", Tone.BAD),
}
_STATES: Final = {
    CheckState.NOT_MADE: ("stopped", Tone.DIM),
    CheckState.WAITING: ("ellipsis", Tone.DIM),
    CheckState.RUNNING: ("starting", Tone.ACCENT),
    CheckState.CANCELLED: ("stopped", Tone.WARN),
    CheckState.BROKEN: ("unknown", Tone.BAD),
}


def verdict(made: Made, signs: Glyphs) -> tuple[str, Tone]:
    """Sign and word, and the tone of both."""
    if made.state is CheckState.DONE and made.check is not None:
        sign, word, tone = _VERDICTS[made.check.verdict]
    else:
        (sign, tone), word = _STATES[made.state], made.state.value
    return f"{getattr(signs, sign)} {word}", tone


def row(made: Made, now: float, signs: Glyphs) -> Row:
    """One line of the table."""
    said, tone = verdict(made, signs)
    check = made.check
    evidence = made.problem or ("" if check is None else plain(check.evidence))
    took = seconds(check.seconds) if check is not None and made.state is CheckState.DONE else ""
    cells = {
        "verdict": Cell(said, tone, made.rank),
        "title": Cell(plain(made.info.title), sort=made.info.title.lower()),
        "evidence": Cell(evidence, sort=evidence.lower()),
        "time": Cell(took, Tone.DIM, None if check is None else check.seconds),
    }
    fields = {
        "verdict": said[2:],
        "check": f"{plain(made.info.title)} {plain(made.info.name)}",
        "evidence": evidence,
        "remedy": "" if check is None else plain(check.remedy),
    }
    old = made.at is not None and made.state is CheckState.DONE and now - made.at >= OLD_SECONDS
    return Row(made.info.name, cells, fields, stale=old)


def seconds(took: float) -> str:
    """`0.40 s`, `12 s`; nothing where it took no time."""
    if took < 0.005:  # noqa: PLR2004
        return ""
    return f"{took:.2f} s" if took < 1 else f"{took:.1f} s" if took < 10 else f"{took:.0f} s"  # noqa: PLR2004


def overall(checks: Sequence[Made], now: float, signs: Glyphs) -> tuple[str, str]:
    """One verdict on all of them and when it was made; the second is a style."""
    going = sum(each.state in {CheckState.RUNNING, CheckState.WAITING} for each in checks)
    if going:
        running = next((each.info.title for each in checks if each.state is CheckState.RUNNING), "")
        done = len(checks) - going
        return f"{signs.starting} Checking, {done} of {len(checks)} done: {plain(running)}", "$text-accent"
    made = [each for each in checks if each.state is CheckState.DONE and each.check is not None]
    counts = {
        kind: sum(each.check is not None and each.check.verdict is kind for each in made)
        for kind in CheckVerdict
    }
    missing = len(checks) - len(made)
    words = [
        (counts[CheckVerdict.FAILED], "failed"),
        (counts[CheckVerdict.WARNING], "warning" if counts[CheckVerdict.WARNING] == 1 else "warnings"),
        (missing, "without result"),
        (counts[CheckVerdict.OK], "ok"),
        (counts[CheckVerdict.SKIPPED], "skipped"),
    ]
    said = ", ".join(f"{number} {word}" for number, word in words if number)
    if counts[CheckVerdict.FAILED]:
        sign, style = signs.bad, "bold $text-error"
    elif counts[CheckVerdict.WARNING]:
        sign, style = signs.warning, "bold $text-warning"
    elif missing:
        sign, style = signs.unknown, "bold $text-warning"
    else:
        sign, style = signs.good, "bold $text-success"
    times = [each.at for each in made if each.at is not None]
    when = f", made {stamp(max(times))[11:16]} ({age(now - max(times))} ago)" if times else ""
    return f"{sign} {said}{when}", style


def detail(made: Made, signs: Glyphs) -> Content:
    """Everything about one check, with what to do."""
    said, _ = verdict(made, signs)
    parts: list[tuple[str, str]] = [(f"{plain(made.info.title)}\n", "bold"), (said, _styles(made))]
    check = made.check
    if made.at is not None:
        took = "" if check is None or not seconds(check.seconds) else f", took {seconds(check.seconds)}"
        parts.append((f"  {stamp(made.at)}{took}", "$text-muted"))
    if made.problem:
        parts += [
            ("\n\nIt could not be made: ", ""),
            (made.problem, ""),
            ("\n\nR tries again.", "$text-muted"),
        ]
    elif check is not None:
        parts.append((f"\n\n{block(check.evidence)}", ""))
        if check.remedy:
            parts += [("\n\nWhat to do\n", "bold $text-accent"), (block(check.remedy), "")]
    elif made.state in {CheckState.NOT_MADE, CheckState.CANCELLED}:
        parts.append(("\n\nenter makes this check, r all of them.", "$text-muted"))
    return Content.assemble(*parts)


def _styles(made: Made) -> str:
    if made.state is not CheckState.DONE or made.check is None:
        return "$text-accent"
    return {
        CheckVerdict.OK: "$text-success",
        CheckVerdict.SKIPPED: "$text-muted",
        CheckVerdict.WARNING: "bold $text-warning",
        CheckVerdict.FAILED: "bold $text-error",
    }[made.check.verdict]


def report(checks: Sequence[Made], now: float, signs: Glyphs) -> str:
    """All of it as plain text."""
    lines = [overall(checks, now, signs)[0], ""]
    for made in checks:
        lines.append(f"{verdict(made, signs)[0]}: {plain(made.info.title)}")
        if made.problem:
            lines.append(f"    {made.problem}")
        if made.check is not None:
            lines += [f"    {line}" for line in block(made.check.evidence).splitlines()]
            if made.check.remedy:
                lines += [f"    -> {line}" for line in block(made.check.remedy).splitlines()]
    return "\n".join(lines)

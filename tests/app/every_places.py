"""Hostile text in every field that others write, and a look at every cell that is drawn."""

import re
import unicodedata
from dataclasses import replace
from itertools import cycle
from typing import Any

from sensor_tui.model.action import ActionRun, LoggedAction, Proof, Step, UnitOutcome
from sensor_tui.model.check import Check, CheckVerdict
from sensor_tui.model.letter import LetterRow
from sensor_tui.model.overview import EngineView, Overview
from sensor_tui.model.progress import LaneProgress
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.table import Table
from sensor_tui.model.unit import Health, HostState, LogLine, Role, Unit, UnitState
from tests.app.fake import NOW, sample_overview, sample_run
from tests.app.hostile import harm, texts

MARKUP = re.compile(r"markup|bracket|emoji-code|percent|backslash|css")
LONGEST = 4000
"""Characters of a text; that longer ones are cut is looked at elsewhere."""
_ALL = [(name, text[:LONGEST]) for name, text in sorted(texts().items())]
LOOKS = [item for item in _ALL if MARKUP.match(item[0])]
"""What looks like markup is together, so that other first letters in its place are noticed."""
REST = [item for item in _ALL if not MARKUP.match(item[0])]
SIZE = 36
BATCHES = [LOOKS, *(REST[first : first + SIZE] for first in range(0, len(REST), SIZE))]
ALL = [*LOOKS, *REST]

_TOKEN = re.compile(r"Q([a-z]+)Q(.?)")
_NEVER = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_OWN_META = frozenset({"offset", "option"})
_CUT = frozenset(" …~│┃▌█▐▏▎▍▋▊▉╮╯▔▁▂▃▄▅▆▇>*·◐→,.:;)\"'/=")


def at(place: str, text: str) -> str:
    """The text for a place, with the place's name before it, so that it is found again on the screen."""
    return f"Q{place}Q{text}"


def firsts(batch: list[tuple[str, str]]) -> frozenset[str] | None:
    """What may stand behind the name of a place: what the texts begin with; None where that says nothing."""
    if not all(MARKUP.match(name) for name, _ in batch):
        return None
    return frozenset(text[:1] for _, text in batch) | _CUT


def scan(app: Any, seen: set[str], allowed: frozenset[str] | None = None) -> str:
    """Every cell of the screen: nothing commands, hides, links, or was taken for markup."""
    lines = []
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            assert segment.control is None
            text, style = segment.text, segment.style
            found = harm(text) or sorted(
                {letter for letter in text if unicodedata.category(letter) in _NEVER}
            )
            assert not found, f"{found!r} in {text[:80]!r}"
            if style is not None:
                assert style.link is None, f"a link in {text[:80]!r}"
                meta = {name for name in ((style._meta and style.meta) or ()) if name not in _OWN_META}
                assert not {name for name in meta if not name.startswith("@mouse")}, (
                    f"{style.meta} in {text[:80]!r}"
                )
        lines.append(strip.text)
    for line in lines:
        for place, behind in _TOKEN.findall(line):
            seen.add(place)
            if allowed is not None:
                assert not behind or behind in allowed, f"{behind!r} behind {place} in {line.strip()[:120]!r}"
    return "\n".join(lines)


def overview_of(batch: list[tuple[str, str]], **changes: Any) -> Overview:
    """A fleet in which every unit and sensor has one of the texts in every field."""
    units, sensors, hosts = {}, {}, []
    for number in range(len(batch)):
        several = cycle(text for _, text in (*batch[number:], *batch[:number]))
        host = at("host", next(several))
        unit = Unit(
            id=at("id", f"{next(several)}{number}"),
            host=host,
            runtime="docker",
            name=at("name", next(several)),
            role=list(Role)[number % 4],
            state=list(UnitState)[number % 9],
            health=list(Health)[number % 4],
            reason=at("why", next(several)),
            exit_code=number,
            pid=number,
            started_at=NOW - 100,
            city=at("city", next(several)),
            project=at("project", next(several)),
            sensor_id=at("sensor", next(several)),
            data=at("data", next(several)),
            image=at("image", next(several).replace("/", "|")),
            command=(at("command", next(several)), next(several)),
            environment={
                at("envkey", next(several)): at("envvalue", next(several)),
                "TZ": at("envvalue", next(several)),
            },
            mounts=(at("mount", next(several)),),
            ports=(at("port", next(several)),),
            labels={at("label", next(several)): at("labelvalue", next(several))},
        )
        units[unit.id] = unit
        values = {at("measure", next(several)): 1.5, "temperature": 20.0 + number}
        sensor = Sensor(
            key=f"{unit.sensor_id}\x00{unit.city}",
            sensor_id=unit.sensor_id,
            city=unit.city,
            source=at("source", f"{next(several)}{number}"),
            backlog=number,
            oldest_open=NOW - 50,
            newest=NOW - 1,
            problem=at("problem", next(several)) if number % 3 == 0 else None,
            owner=at("owner", next(several)) if number % 3 == 1 else None,
            anomaly=at("anomaly", next(several)) if number % 3 == 2 else None,
            values=values,
            rate=1.0,
            cadence=1.0,
        )
        sensors[sensor.key] = sensor
        if number < 2:
            why, version = at("hostwhy", next(several)), at("version", next(several))
            hosts.append(HostState(host, "docker", reachable=bool(number), reason=why, version=version))
    text = batch[0][1]
    lanes = [
        LaneProgress(at("sink", each), at("lane", each), 1, 1, 1, 1, 1, 1, 1.0, 1.0, 0.0) for _, each in batch
    ]
    engine = EngineView(
        reason=at("engine", text), config_problem=at("config", text), version=text, lanes=lanes
    )
    return replace(
        sample_overview(),
        **{"units": units, "sensors": sensors, "hosts": tuple(hosts), "engine": engine, "stats": {},
           "actions": (run_of(batch, list(units)),), "problem": at("link", text), **changes},
    )  # fmt: skip


def run_of(batch: list[tuple[str, str]], units: list[str]) -> ActionRun:
    """An action with a text in every place."""
    steps = (Step.FAILED, Step.DONE, Step.SKIPPED)
    outcomes = tuple(
        UnitOutcome(
            unit,
            at("outcome", text),
            steps[number % 3],
            message=at("message", text),
            proof=Proof.NOT_PROVEN if number % 3 == 1 else Proof.NONE,
            missing=at("missing", text),
        )
        for number, (unit, (_, text)) in enumerate(zip(units, batch, strict=True))
    )
    return replace(sample_run(), id="q1", who=at("who", batch[0][1]), outcomes=outcomes)


def logged(batch: list[tuple[str, str]]) -> list[LoggedAction]:
    """An action log of the texts."""
    return [
        LoggedAction(NOW - 9, at("who", text), at("action", text), at("target", text), at("result", text))
        for _, text in batch
    ]


def letters(batch: list[tuple[str, str]]) -> list[LetterRow]:
    """Dead letters of the texts."""
    return [
        LetterRow(
            id=number,
            source=at("source", text),
            row_id=number,
            sink=at("sink", text),
            sensor_id=at("sensor", text),
            event_time=at("event", text),
            code=400,
            reason=at("reason", text),
            at=NOW - 9,
            document=at("document", text),
        )
        for number, (_, text) in enumerate(batch)
    ]  # fmt: skip


def lines(batch: list[tuple[str, str]], units: list[str]) -> list[LogLine]:
    """Log lines of the texts."""
    return [
        LogLine(unit, NOW + 1000 + number / 10, at("line", text), "out" if number % 2 else "err")
        for number, (unit, (_, text)) in enumerate(zip(units, batch, strict=True))
    ]


def checks(batch: list[tuple[str, str]]) -> list[Check]:
    """Checks of the texts."""
    return [
        Check(
            f"c{number}",
            at("title", text),
            list(CheckVerdict)[number % 4],
            at("evidence", text),
            at("remedy", text),
        )
        for number, (_, text) in enumerate(batch)
    ]


def table(batch: list[tuple[str, str]]) -> Table:
    """A result of the texts: as columns, as cells."""
    columns = ("id", *(at("column", text) for _, text in batch[:3]))
    return Table(columns, [(number, *[at("cell", text)] * 3) for number, (_, text) in enumerate(batch)])

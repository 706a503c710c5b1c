"""What the detail pane says about a sensor, as lines of safe text."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from textual.content import Content

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.sensors_near import Near, Neighbour
from sensor_tui.app.screens.sensors_words import (
    VERDICT_TONES,
    age_of,
    cadence_text,
    city_of,
    name_of,
    spelled,
    verdict_mark,
)
from sensor_tui.app.widgets.grid_values import Tone
from sensor_tui.model.sensor import Sensor, Verdict

STYLES: Final = {
    Tone.NORMAL: "",
    Tone.DIM: "$text-muted",
    Tone.GOOD: "$text-success",
    Tone.WARN: "$text-warning",
    Tone.BAD: "$text-error",
    Tone.ACCENT: "$text-accent",
    Tone.BOLD: "bold",
}
_NAME: Final = 11
_MOST_VALUES: Final = 30


def styled(text: str, tone: Tone) -> Content:
    """Safe text in a tone; nothing in it is markup."""
    return Content.styled(text, STYLES[tone])


def head(sensor: Sensor, now: float, glyphs: Glyphs) -> Content:
    """Who it is and what is to be thought of it."""
    verdict = sensor.verdict(now)
    parts = [
        Content.styled(name_of(sensor), "bold"),
        Content(f" {glyphs.bullet} {city_of(sensor)} "),
        styled(f"{verdict_mark(verdict, glyphs)} {verdict}", VERDICT_TONES[verdict]),
    ]
    return Content("").join(parts)


def facts(sensor: Sensor, near: Near, now: float, glyphs: Glyphs) -> Iterator[Content]:
    """Line by line, the most important first; `near` compares it with its city."""
    if sensor.problem:
        yield styled(fmt.plain(sensor.problem, limit=400), Tone.BAD)
    if sensor.engine:
        owner = f" ({fmt.plain(sensor.owner, limit=200)})" if sensor.owner else ""
        yield styled(f"Uploaded by {fmt.plain(sensor.engine, limit=60)}'s uploader{owner}", Tone.DIM)
    elif sensor.owner:
        yield styled(f"Uploaded by {fmt.plain(sensor.owner, limit=200)}", Tone.WARN)
    if sensor.anomaly is not None:
        yield styled(
            f"Newest reading is an anomaly: {fmt.plain(sensor.anomaly) or 'no type said'}", Tone.WARN
        )
    if sensor.newest is None:
        yield styled("No reading was seen yet.", Tone.DIM)
    else:
        age = fmt.age(age_of(sensor.newest, now))
        yield Content(f"Newest {fmt.stamp(sensor.newest)}")
        yield Content(spelled(f"{age} ago; one every {cadence_text(sensor.cadence)}", glyphs))
    for name, value in islice(sensor.values.items(), _MOST_VALUES):
        chosen = name == near.measure
        mark = glyphs.right if chosen else " "
        text = f"{mark} {fmt.fit(fmt.plain(name, limit=60), _NAME)} {value:.10g}"
        yield styled(text, Tone.BOLD if chosen else Tone.NORMAL)
    yield Content("")
    yield from neighbours(sensor, near, now, glyphs)
    yield Content("")
    yield from (Content(spelled(text, glyphs)) for text in _uploads(sensor, now))
    yield styled(_files(sensor), Tone.DIM)


def _uploads(sensor: Sensor, now: float) -> Iterator[str]:
    backlog = f"Backlog {fmt.count(sensor.backlog)}"
    if sensor.backlog and sensor.oldest_open is not None:
        backlog += f", oldest {fmt.age(age_of(sensor.oldest_open, now))}"
    yield backlog
    share = fmt.percent(None if sensor.anomalies is None else sensor.anomalies * 100)
    yield f"Dead letters {fmt.count(sensor.dead_letters)}, anomalies {share}"


def _files(sensor: Sensor) -> str:
    more = f" and {sensor.files - 1} more" if sensor.files > 1 else ""
    return f"{fmt.plain(sensor.source, limit=300)}{more}"


def neighbours(sensor: Sensor, near: Near, now: float, glyphs: Glyphs) -> Iterator[Content]:
    """The city's sensors by the measure shown, those far from the rest flagged."""
    city = city_of(sensor)
    if near.total <= 1:
        yield styled(f"No other sensor in {city} to compare with.", Tone.DIM)
        return
    middle = "nobody sends now" if near.median is None else f"median {fmt.number(near.median)}"
    yield Content.styled(f"{city}, {middle}", "bold")
    for each in near.others:
        yield _neighbour(each, now, glyphs, chosen=each.sensor.key == sensor.key)
    if near.total > len(near.others):
        yield styled(f"and {fmt.count(near.total - len(near.others))} nearer ones", Tone.DIM)


def _neighbour(each: Neighbour, now: float, glyphs: Glyphs, *, chosen: bool) -> Content:
    mark = glyphs.right if chosen else " "
    name = fmt.fit_middle(name_of(each.sensor), _NAME, glyphs.ellipsis)
    text = f"{mark} {name} {fmt.fit(fmt.number(each.value), 8, right=True)}"
    if each.difference is None:
        verdict = Verdict(each.verdict)
        return styled(f"{text} {verdict}, {fmt.age(age_of(each.sensor.newest, now))} old", Tone.DIM)
    sign = "+" if each.difference >= 0 else ""
    text += f" {fmt.fit(sign + fmt.number(each.difference), 7, right=True)}"
    return styled(f"{text} {glyphs.warning} far", Tone.WARN) if each.far else Content(text)

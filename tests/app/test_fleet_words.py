"""What Fleet says about units: masks, folds, images, actions."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from sensor_tui.app.screens.fleet_words import (
    MASK,
    Running,
    Sensors,
    action_words,
    folded,
    image_of,
    masked,
    masked_command,
    masked_text,
    natural,
    unreachable_words,
)
from sensor_tui.app.widgets.grid_values import Tone
from sensor_tui.model.action import ActionKind, ActionRun, Proof, Step, UnitOutcome
from sensor_tui.model.unit import HostState
from tests.app.fake import NOW, sample_overview, sample_sensors, sample_units

UNIT = next(iter(sample_units().values()))


@pytest.mark.parametrize(
    "name",
    [
        "COSMOS_KEY", "apiKey", "DB_PASSWORD", "PASSWD", "token", "CLIENT_SECRET", "AZURE_CREDENTIALS",
        "Authorization", "CONNECTION_STRING", "SENTRY_DSN", "PRIVATE_PEM", "COSMOS_SAS", "SESSION_COOKIE",
    ],
)  # fmt: skip
def test_values_are_masked_by_name(name):
    assert masked(name, "hunter2") == MASK
    assert masked(name, "") == ""


@pytest.mark.parametrize("name", ["CITY", "MONKEY", "KEYBOARD", "SENSOR_TUI_KEYMAP", "TZ", "PATH"])
def test_other_values_are_shown(name):
    assert masked(name, "hunter2") == "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:hunter2@db/x", f"postgres://me:{MASK}@db/x"),
        (
            "AccountEndpoint=https://x/;AccountKey=hunter2==;",
            f"AccountEndpoint=https://x/;AccountKey={MASK};",
        ),
        ("https://x/?sv=1&sig=hunter2&se=2", f"https://x/?sv=1&sig={MASK}&se=2"),
        ("https://x:8080/a@b", "https://x:8080/a@b"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_secrets_inside_a_text_are_masked(text, shown):
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("a", "--token", "x", "b"), f"a --token {MASK} b"),
        (("a", "--api-key=x", "b"), f"a --api-key={MASK} b"),
        (("a", "--token", "--verbose"), "a --token --verbose"),
        (("a", "-p", "80", "redis://:x@h"), f"a -p 80 redis://:{MASK}@h"),
        ((), ""),
    ],
)
def test_secrets_in_a_command_are_masked(command, shown):
    assert masked_command(command) == shown


def test_text_is_folded_between_words_and_nothing_is_lost():
    text = "the quick brown fox jumps over the lazy dog and a-very-long-word-that-fits-nowhere-at-all"
    for width in range(8, 60):
        lines = list(folded(text, width, 100))
        assert all(0 < cell_len(line) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("text", ["", "温度计" * 30, "x" * 5000, "a " * 200, "  "])
@pytest.mark.parametrize("width", [-3, 0, 1, 2, 7, 40])
def test_any_text_is_folded_to_any_width(text, width):
    lines = list(folded(text, width, 3))
    assert 1 <= len(lines) <= 3
    if width > 1:
        assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("image", "short", "loose"),
    [
        ("ghcr.io/org/sensor:v1", "sensor:v1", False),
        ("localhost:5000/sensor", "sensor (no tag)", True),
        ("sensor:latest", "sensor:latest", True),
        ("sensor@sha256:0123456789abcdef0123", "sensor@0123456789ab", False),
        ("sensor:v1@sha256:0123456789abcdef0123", "sensor:v1@0123456789ab", False),
    ],
)
def test_an_image_says_a_version_or_is_flagged(image, short, loose):
    found = image_of(replace(UNIT, image=image))
    assert found is not None
    assert (found.short, found.loose) == (short, loose)
    assert image_of(replace(UNIT, image=None)) is None


@pytest.mark.parametrize(
    ("outcome", "ended", "text", "tone"),
    [
        ({"step": Step.WAITING}, None, "waiting", Tone.ACCENT),
        ({"step": Step.DRAINING, "unsent": 1200}, None, "draining, 1,200 unsent", Tone.ACCENT),
        ({"step": Step.DONE}, NOW, "done", Tone.NORMAL),
        ({"step": Step.DONE, "proof": Proof.PROVEN}, NOW, "done, proven", Tone.GOOD),
        ({"step": Step.DONE, "proof": Proof.NOT_PROVEN, "missing": "no ack"}, NOW, "done, not proven: no ack",
         Tone.WARN),
        ({"step": Step.FAILED, "message": "gone"}, NOW, "failed, gone", Tone.BAD),
        ({"step": Step.SKIPPED, "message": "it is stopped"}, NOW, "skipped, it is stopped", Tone.DIM),
    ],
)  # fmt: skip
def test_an_action_says_how_far_it_is(outcome, ended, text, tone):
    what = UnitOutcome(UNIT.id, UNIT.name, **outcome)
    run = ActionRun("a", ActionKind.STOP, "alice", NOW - 60, (what,), ended=ended)
    assert action_words(Running(run, what), NOW) == (f"stop by alice, 1 min ago: {text}", tone)
    assert Running(run, what).at_work is (what.step is Step.DRAINING)


def test_a_host_says_since_when_and_why():
    host = HostState("h", "docker", reachable=False, reason="refused", seen=NOW)
    assert unreachable_words(host) == "unreachable since 15:09: refused"
    assert unreachable_words(host, why=False) == "unreachable since 15:09"
    assert unreachable_words(replace(host, seen=None, reason="")) == "unreachable, never answered"


def test_sensors_are_found_as_the_overview_finds_them():
    sensors = sample_sensors()
    units = sample_units()
    moved = {key: replace(unit, city="Elsewhere") for key, unit in units.items()}
    for each in (units, moved):
        overview = sample_overview(units=each, sensors=sensors)
        found = Sensors(overview)
        for unit in each.values():
            assert found.of(unit) is overview.sensor_of(unit)


def test_names_are_sorted_by_their_numbers():
    assert sorted(["s-10", "S-9", "s-1", "a"], key=natural) == ["a", "s-1", "S-9", "s-10"]

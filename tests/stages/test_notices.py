"""What is said about settings that wait for their processor, and that the hash key is never said."""

import pytest

from sensor_tui.cli import logs
from sensor_tui.cli.setup import conceal, say_what_waits
from sensor_tui.config import load


@pytest.fixture
def notices(monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(logs, "notice", told.append)
    return told


def settings(tmp_path, text):
    (tmp_path / "sensor-tui.yaml").write_text(f"processing: {{{text}}}", encoding="utf-8")
    return load(None, env={"HOME": str(tmp_path)}, cwd=tmp_path).settings


def test_settings_that_wait_for_their_processor_are_named(tmp_path, notices):
    given = (
        "schematization: {types: {depth: number}}, sanitization: {drop: [model]},"
        "anomaly: {rules: {depth: ..5}, action: route}"
    )
    say_what_waits(settings(tmp_path, given))
    assert notices == [
        "processing.schematization.types has no effect: Schematize is not among processing.processors",
        "processing.sanitization.drop has no effect: Sanitize is not among processing.processors",
        "processing.anomaly.rules has no effect: Anomaly is not among processing.processors",
        "processing.anomaly.action: route has no effect: Anomaly is not among processing.processors",
    ]
    notices.clear()
    say_what_waits(settings(tmp_path, f"processors: [Schema, Sanitize, Anomaly], {given}"))
    say_what_waits(settings(tmp_path, "processors: [Schema]"))
    assert notices == []


def test_names_of_fields_that_may_be_mistyped_are_said(tmp_path, notices):
    say_what_waits(settings(tmp_path, "processors: [Sanitize], sanitization: {drop: [manufactuer, model]}"))
    assert len(notices) == 1
    assert "manufactuer is no field that is known; is manufacturer meant?" in notices[0]


def test_the_hash_key_is_masked_in_whatever_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "SECRETS", logs.Secrets())
    conceal(settings(tmp_path, "sanitization: {hash: [model], hash_key: nobody-sees-this}"))
    assert logs.SECRETS.masked("key nobody-sees-this!") == "key ********!"

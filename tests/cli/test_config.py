"""`sensor-tui config`."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
KEY = "c2VjcmV0LWtleS1vZi10aGUtYWNjb3VudA=="


@pytest.fixture
def file() -> Path:
    path = Path("cosmos-config.yaml")
    path.write_text(f"cosmos:\n  endpoint: https://a.documents.azure.com\n  key: {KEY}\n  database: Mine\n")
    return path


def test_show_masks_secrets_and_says_where_values_come_from(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSMOS_CONTAINER", "Theirs")
    done = run("config", "show", "--config", file)
    assert done.code == 0
    assert KEY not in done.out + done.err
    assert "key: '********'  # file cosmos-config.yaml:3" in done.out
    assert "database: Mine  # file cosmos-config.yaml:4" in done.out
    assert "container: Theirs  # environment COSMOS_CONTAINER" in done.out
    assert "partition_key: /city  # default" in done.out


def test_show_as_json(run: Run, file: Path) -> None:
    done = run("config", "show", "--config", file, "--json")
    assert done.json.keys() == {"file", "settings", "sources", "notices"}
    assert done.json["settings"]["cosmos"]["key"] == "********"
    assert done.json["sources"]["cosmos.database"] == "file cosmos-config.yaml:4"
    assert KEY not in done.out


def test_what_a_file_holds_cannot_act_on_the_terminal(run: Run) -> None:
    Path("sensor-tui.yaml").write_text('region: "x\\e[2Jy\\u202Ez"\n')
    for option in ([], ["--json"]):
        done = run("config", "show", *option)
        assert done.code == 0
        assert "\x1b" not in done.out
        assert "\u202e" not in done.out


def test_notices_are_narration(run: Run) -> None:
    Path("sensor-tui.yaml").write_text("cosmos:\n  connection:\n    mode: direct\n")
    done = run("config", "validate")
    assert (done.code, done.out) == (0, f"{Path('sensor-tui.yaml').absolute()}: valid\n")
    assert "Direct mode" in done.err


def test_a_typo_is_named_with_file_key_and_line(run: Run) -> None:
    Path("sensor-tui.yaml").write_text("cosmos:\n  enpoint: https://a\nperformence: {}\n")
    done = run("config", "validate")
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("sensor-tui: Configuration: sensor-tui.yaml:") for line in lines)
    assert "enpoint" in lines[0]
    assert "endpoint" in lines[0]
    done = run("config", "validate", "--json")
    assert done.code == 2
    assert done.json["valid"] is False
    assert len(done.json["errors"]) == 2


def test_a_valid_file_as_json(run: Run, file: Path) -> None:
    assert run("config", "validate", "--config", file, "--json").json == {
        "valid": True,
        "file": str(file.absolute()),
        "errors": [],
        "notices": [],
    }


def test_the_schema_is_json(run: Run) -> None:
    assert "cosmos" in json.loads(run("config", "schema").out)["properties"]


def test_init_writes_a_file_that_holds_and_that_others_cannot_read(run: Run) -> None:
    done = run("config", "init")
    assert (done.code, done.out) == (0, "")
    assert stat.S_IMODE(Path("sensor-tui.yaml").stat().st_mode) == 0o600
    assert run("config", "validate").code == 0


def test_init_overwrites_only_when_told_to(run: Run) -> None:
    path = Path("own.yaml")
    path.write_text("region: here\n")
    done = run("config", "init", "--output", path)
    assert done.code == 2
    assert "--force" in done.err
    assert path.read_text() == "region: here\n"
    assert run("config", "init", "--output", path, "--force").code == 0
    assert "cosmos:" in path.read_text()


def test_init_asks_on_a_terminal(terminal: Callable[..., Any]) -> None:
    path = Path("own.yaml")
    path.write_text("region: here\n")
    asked = terminal("config", "init", "--output", path)
    asked.until("Overwrite it?")
    asked.type("n\n")
    code, drawn = asked.end()
    assert code == 1
    assert "Nothing was written." in drawn
    assert path.read_text() == "region: here\n"


def test_init_to_standard_output(run: Run) -> None:
    done = run("config", "init", "--output", "-")
    assert "cosmos:" in done.out
    assert not Path("-").exists()


def test_init_where_nothing_can_be_written(run: Run) -> None:
    done = run("config", "init", "--output", "missing/own.yaml")
    assert done.code == 1
    assert "missing/own.yaml" in done.err
    assert done.err.count("\n") == 1


def test_validate_says_which_fields_nobody_knows(run: Run) -> None:
    Path("sensor-tui.yaml").write_text(
        "processing:\n  processors: [Sanitize]\n  sanitization: {drop: [manufactuer]}\n"
    )
    done = run("config", "validate")
    assert (done.code, "is manufacturer meant?" in done.err) == (0, True)
    done = run("config", "validate", "--json")
    assert ["is manufacturer meant?" in each for each in done.json["notices"]] == [True]


def test_validate_refuses_what_sync_would_refuse(run: Run, readings: Any) -> None:
    readings(3)
    Path("sensor-tui.yaml").write_text(
        "cosmos: {container: X}\n"
        "processing: {processors: [Anomaly], anomaly: {action: route, container: X}}\n"
    )
    for command in (["config", "validate"], ["sync", "--dry-run", "--data-dir", "data"]):
        done = run(*command)
        assert (done.code, "container of all others, X" in done.err) == (2, True)

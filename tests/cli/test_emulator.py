"""`sensor-tui emulator`."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
KEY = "bXkgb3duIGtleSwgbm90IHRoZSBwdWJsaWMgb25l"


def document(process: Any) -> Any:
    text = ""
    while not text.endswith("}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    return json.loads(text)


def test_it_says_where_it_is_takes_documents_and_stops(
    spawn: Any, run: Run, readings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = spawn("emulator", "--port", "0", "--data", "cosmos.db", "--json")
    about = document(process)
    monkeypatch.setenv("COSMOS_ENDPOINT", about["endpoint"])
    monkeypatch.setenv("COSMOS_KEY", about["key"])
    readings(40)
    assert run("sync", "--json").json["accepted"] == 40
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert Path("cosmos.db").stat().st_size > 0


def test_a_person_is_told_how_to_send_to_it(spawn: Any) -> None:
    process = spawn("emulator", "--port", "0", "--ru-per-second", "400", "--partitions", "2")
    lines = [process.stdout.readline() for _ in range(6)]
    assert "2 ranges, 400 RU/s, in memory" in lines[0]
    assert lines[2].startswith("  export COSMOS_ENDPOINT=http://127.0.0.1:")
    assert "sensor-tui sync" in lines[4]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


@pytest.mark.parametrize("where", ["--key", "--key-file"])
def test_a_key_of_ones_own_is_not_repeated(spawn: Any, where: str) -> None:
    Path("key").write_text(f"{KEY}\n")
    process = spawn("emulator", "--port", "0", "--json", where, KEY if where == "--key" else "key")
    assert document(process)["key"] is None
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert KEY not in out + err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "a", "--key-file", "key"],
        ["--key", "not base64"],
        ["--key-file", "empty"],
        ["--partitions", "0"],
        ["--ru-per-second", "-1"],
        ["--port", "70000"],
        ["--host", "192.0.2.1", "--port", "0"],
    ],
)
def test_what_cannot_be_served_is_one_line_and_2(run: Run, arguments: list[str]) -> None:
    Path("key").write_text(KEY)
    Path("empty").write_text("\n")
    done = run("emulator", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)

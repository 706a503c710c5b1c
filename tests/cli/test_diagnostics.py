"""`sensor-tui diagnostics`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def verdicts(done: Any) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in done.json["checks"]}


def test_all_is_well(run: Run, readings: Any, endpoint: Any) -> None:
    readings(5)
    assert run("sync").code == 0
    done = run("diagnostics", "--write", "--json")
    found = verdicts(done)
    assert done.code == 0, done.out
    assert "failed" not in found.values()
    assert (found["service"], found["units"], found["write"]) == ("warning", "skipped", "ok")
    assert done.json["verdict"] == "warning"
    assert endpoint.count() == 5
    assert endpoint.emulator.key not in done.out


def test_text_names_evidence_and_remedy(run: Run, readings: Any) -> None:
    readings(5)
    done = run("diagnostics")
    assert done.code == 1
    lines = done.out.splitlines()
    failed = next(line for line in lines if line.startswith("XX endpoint"))
    assert "No Cosmos DB endpoint is configured" in failed
    assert "-> Set cosmos.endpoint" in lines[lines.index(failed) + 1]
    assert any(line.startswith("-- container") and "'endpoint' failed" in line for line in lines)
    assert lines[-1].endswith("1 failed")


def test_only_some(run: Run, readings: Any) -> None:
    readings(5)
    done = run("diagnostics", "--only", "disk", "--only", "files", "--json")
    assert (done.code, list(verdicts(done))) == (0, ["files", "disk"])
    done = run("diagnostics", "--only", "container", "--json")
    assert (done.code, list(verdicts(done))) == (1, ["endpoint", "container"])
    done = run("diagnostics", "--only", "disks")
    assert (done.code, "Did you mean 'disk'" in done.err) == (2, True)


def test_the_list_needs_nothing(run: Run) -> None:
    done = run("diagnostics", "--list")
    assert (done.code, done.out.splitlines()[0].split()[0]) == (0, "python")
    names = [info["name"] for info in run("diagnostics", "--list", "--json").json]
    assert names.index("dns") < names.index("connect") < names.index("key") < names.index("container")


def test_without_files_the_rest_is_checked(run: Run, endpoint: Any) -> None:
    done = run("diagnostics", "--json")
    found = verdicts(done)
    assert (done.code, found["data"], found["files"], found["key"]) == (1, "failed", "skipped", "ok")


def test_a_wrong_key_is_not_shown(
    run: Run, readings: Any, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(1)
    key = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="
    monkeypatch.setenv("COSMOS_KEY", key)
    done = run("diagnostics")
    assert done.code == 1
    assert "XX key" in done.out
    assert key not in done.out + done.err


def test_hostile_names_stay_plain(run: Run) -> None:
    folder = Path("data/\x1b[31mLondon\r")
    folder.mkdir(parents=True)
    (folder / "x\x9b.db").write_bytes(b"junk" * 100)
    done = run("diagnostics", "--only", "files")
    assert done.code == 1
    assert not {"\x1b", "\r", "\x9b"} & set(done.out)


def test_colours_only_on_a_terminal(terminal: Any, readings: Any) -> None:
    readings(1)
    code, drawn = terminal("diagnostics", "--only", "python").end()
    assert (code, "\x1b[32m" in drawn) == (0, True)
    code, drawn = terminal("diagnostics", "--only", "python", env=os.environ | {"NO_COLOR": "1"}).end()
    assert (code, "\x1b[3" in drawn) == (0, False)

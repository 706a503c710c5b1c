"""`sensor-tui diagnostics`."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli.diagnostics import CHECKS

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _own_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of its own: what others do on the machine's engine is not seen here."""
    monkeypatch.setenv("SENSOR_TUI__FLEET__PROJECT", f"none-{uuid.uuid4().hex[:10]}")


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


def test_names_to_complete_with_are_those_of_the_checks() -> None:
    from sensor_tui.service.diagnostics import list_checks

    assert [info.name for info in list_checks()] == list(CHECKS)


def test_only_some(run: Run, readings: Any) -> None:
    readings(5)
    done = run("diagnostics", "--only", "disk", "--only", "files", "--json")
    assert (done.code, list(verdicts(done))) == (0, ["files", "disk"])
    done = run("diagnostics", "--only", "container", "--json")
    assert (done.code, list(verdicts(done))) == (1, ["endpoint", "container"])
    done = run("diagnostics", "--only", "disks")
    assert (done.code, "Did you mean 'disk'" in done.err) == (2, True)


def test_several_names_at_once_and_what_a_warning_counts(run: Run, readings: Any) -> None:
    readings(5)
    done = run("diagnostics", "--only", "disk, files,", "--only", "service", "--json")
    assert (done.code, list(verdicts(done))) == (0, ["service", "files", "disk"])
    assert done.json["verdict"] == "warning"
    assert run("diagnostics", "--only", "service", "--strict").code == 1
    assert run("diagnostics", "--only", "disk", "--strict").code == 0


def test_beside_a_service_its_files_are_nobody_elses(
    run: Run, readings: Any, endpoint: Any, spawn: Any
) -> None:
    readings(5)
    process = spawn("sync", "--continuous", "--interval", "0.1")
    endpoint.wait_for_documents(5)
    done = run("diagnostics", "--only", "service,files,growth,integrity,backlog", "--json")
    found = {check["name"]: check for check in done.json["checks"]}
    assert f"process {process.pid}" in found["service"]["evidence"]
    assert {check["verdict"] for check in found.values()} == {"ok"}, done.out
    assert "1 file in 1 city" in found["files"]["evidence"]
    assert "another engine" not in done.out
    assert "1 of 1 file written" in found["growth"]["evidence"]
    assert "1 file sound" in found["integrity"]["evidence"]


def test_files_of_a_stranger_are_said_to_be_that(run: Run, readings: Any, endpoint: Any, spawn: Any) -> None:
    readings(5)
    spawn("sync", "--continuous", "--interval", "0.1", "--data-dir", "data/London")
    endpoint.wait_for_documents(5)
    done = run("diagnostics", "--only", "files", "--json")
    assert "1 left to another engine" in done.out


def test_docker_is_not_needed_where_nothing_says_so(
    run: Run, readings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(1)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{Path.cwd()}/none.sock")
    done = run("diagnostics", "--only", "docker,compose,images,container-dns,units", "--json")
    found = verdicts(done)
    assert (done.code, found["docker"], found["images"], found["container-dns"], found["units"]) == (
        0,
        "skipped",
        "skipped",
        "skipped",
        "skipped",
    )
    assert "no fleet here needs Docker" in done.out


def test_the_list_needs_nothing(run: Run) -> None:
    done = run("diagnostics", "--list")
    assert (done.code, done.out.splitlines()[0].split()[0]) == (0, "python")
    names = [info["name"] for info in run("diagnostics", "--list", "--json").json]
    order = ["python", "docker", "compose", "images", "units", "files", "backlog", "disk", "dns"]
    order += ["container-dns", "connect", "key", "container", "write", "archive", "logs"]
    assert [name for name in names if name in order] == order
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

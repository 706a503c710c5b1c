"""`sensor-tui logs`: real processes under a real service, and real containers with and without one."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sensor_tui.cli import unit_logs_show
from sensor_tui.cli.unit_logs import _called, _meant
from sensor_tui.cli.unit_logs_show import Last, Printer, Shown, filter_of
from sensor_tui.errors import ServiceError, UsageError
from sensor_tui.fleet import labels
from sensor_tui.fleet.process_spec import save_spec
from sensor_tui.model.unit import LogLine, Role, Unit, UnitSpec, UnitState
from sensor_tui.service.broken import lost
from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client

Run = Callable[..., Any]
SECONDS = 30.0
EPOCH = 1_769_860_800.0
AT = "2026-01-31T12:00:"


def until(look: Callable[[], Any]) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def line(unit: str, text: str, at: float | None = EPOCH, **options: Any) -> LogLine:
    return LogLine(unit, at, text, **options)


@pytest.fixture
def configured() -> Callable[..., str]:
    """Write a configuration whose containers are those of a project of the test's own."""

    def write(**fleet: Any) -> str:
        project = f"h5l{uuid4().hex[:10]}"
        Path("sensor-tui.yaml").write_text(json.dumps({"fleet": {"project": project} | fleet}))
        return project

    return write


@pytest.fixture
def service(spawn: Any, endpoint: Any, readings: Any, configured: Any) -> Iterator[int]:
    """A service of processes alone."""
    configured(hosts=["unix:///run/no-docker-for-this-test.sock"])
    readings(1)
    process = spawn("service", "start", "--interval", "0.1", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    pid = json.loads(out)["pid"]
    yield pid
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@pytest.fixture
def written(run: Run, service: int) -> Callable[..., None]:
    """A process unit that writes these lines and ends."""

    def write(name: str, *lines: str) -> None:
        script = "\n".join(f"echo '{each}'" for each in lines)
        assert run("units", "add", name, "--no-restart", "--", "sh", "-c", script).code == 0
        assert run("start", name, "--no-prove", "--no-prompt").code == 0
        until(lambda: any(each["name"] == name and each["state"] == "stopped" for each in known()))

    def known() -> list[Any]:
        return list(run("units", "--json").json["units"])

    return write


def test_processes_are_merged_strictly_by_time(run: Run, written: Any) -> None:
    written("late", f"{AT}02Z two", f"{AT}04Z four", "what tells no time has that of its arrival")
    written("early", f"{AT}01Z one", f"{AT}03Z three", f"{AT}05Z five")
    done = run("logs", "--no-follow")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"early | {AT}01Z one",
        f"late  | {AT}02Z two",
        f"early | {AT}03Z three",
        f"late  | {AT}04Z four",
        f"early | {AT}05Z five",
        "late  | what tells no time has that of its arrival",
    ]

    def words(*options: str) -> list[str]:
        return [text.split()[-1] for text in run("logs", "--no-follow", *options).out.splitlines()]

    assert words("--since", f"{AT}03Z") == ["three", "four", "five", "arrival"]
    assert words("--until", f"{AT}03Z") == ["one", "two", "three"]
    assert words("--until", f"{AT}03Z", "--tail", "1") == ["two", "three"]
    assert words("early", "--since", f"{AT}02Z", "--until", f"{AT}04Z") == ["three"]
    assert words("--tail", "1") == ["five", "arrival"]
    assert words("--grep", "Z (one|two)$", "--invert") == ["three", "four", "five", "arrival"]
    found = [json.loads(each) for each in run("logs", "early", "--no-follow", "--json").out.splitlines()]
    assert [each["at"] for each in found] == [f"{AT}0{n}.000Z" for n in (1, 3, 5)]
    done = run("logs", "--no-follow", "erly")
    assert (done.code, "Did you mean 'early'?" in done.err) == (2, True)


def test_units_that_appear_end_and_run_again_are_followed(run: Run, spawn: Any, written: Any) -> None:
    written("first", "first is there")
    process = spawn("logs")

    def read(*wanted: str) -> None:
        left = set(wanted)
        while left:
            text = process.stdout.readline()
            assert text
            left -= {each for each in left if text.startswith(each)}

    read("first | first is there\n")
    script = "echo up; while [ ! -e stop ]; do sleep 0.05; done; exit 7"
    assert run("units", "add", "second", "--no-restart", "--", "sh", "-c", script).code == 0
    read("second | -- is there from now on\n")
    assert run("start", "second", "--no-prove", "--no-prompt").code == 0
    read("second | up\n", "second | -- running")
    Path("data/stop").touch()
    read("second | -- failed: ")
    assert run("remove", "--all", "--no-prompt", "--no-drain").code == 0
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_without_the_service_what_processes_wrote_is_still_there(run: Run, written: Any) -> None:
    written("alone", f"{AT}01Z one", f"{AT}02Z two")
    assert run("service", "stop").code == 0
    done = run("logs", "--tail", "1", "--no-follow")
    assert (done.code, done.out) == (0, f"{AT}02Z two\n")
    assert "no service runs for" in done.err
    done = run("logs", "lone", "--no-follow")
    assert (done.code, "Did you mean 'alone'?" in done.err) == (2, True)


def test_what_processes_write_is_followed_without_a_service(spawn: Any, configured: Any) -> None:
    configured(hosts=["unix:///run/no-docker-for-this-test.sock"])
    folder = Path("data/.sensor-tui/units")
    folder.mkdir(parents=True)
    save_spec(folder / "alone.json", UnitSpec("alone", ("true",)))
    log = folder / "alone.log"
    log.write_text("one\n")
    process = spawn("logs", "alone")
    assert process.stdout.readline() == "one\n"
    with log.open("a") as file:
        file.write("two\nthr")
    assert process.stdout.readline() == "two\n"
    assert process.stdout.readline() == "thr\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_units_are_waited_for_where_there_are_none(run: Run, spawn: Any, service: int) -> None:
    done = run("logs", "noisy1", "--no-follow")
    assert (done.code, "there is no unit 'noisy1'" in done.err) == (2, True)
    assert run("logs", "noisy1").code == 2
    done = run("logs", "--no-follow")
    assert (done.code, done.out) == (0, "")
    assert "There are no units" in done.err
    process = spawn("logs")
    assert "those that appear are shown" in process.stderr.readline()
    script = "echo up; while [ ! -e stop ]; do sleep 0.05; done"
    assert run("units", "add", "later", "--no-restart", "--", "sh", "-c", script).code == 0
    assert process.stdout.readline() == "later | -- is there from now on\n"
    assert run("start", "later", "--no-prove", "--no-prompt").code == 0
    while (text := process.stdout.readline()) != "later | up\n":
        assert text
    Path("data/stop").touch()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_service_that_is_killed_is_told_in_plain_words(run: Run, spawn: Any, service: int) -> None:
    script = "echo up; while [ ! -e stop ]; do sleep 0.05; done"
    assert run("units", "add", "one", "--no-restart", "--", "sh", "-c", script).code == 0
    assert run("start", "one", "--no-prove", "--no-prompt").code == 0
    process = spawn("logs", "one")
    while (text := process.stdout.readline()) != "up\n":
        assert text
    os.kill(service, signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    Path("data/stop").touch()
    assert process.returncode == 3
    assert re.search("does not answer any more: (the connection was cut|nothing listens there)", err)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "nothing listens there"),
        (httpx.ReadTimeout("x"), "it took too long"),
        (httpx.RemoteProtocolError("incomplete chunked read"), "the connection was cut"),
    ],
)
def test_words_of_the_http_library_stay_with_it(error: httpx.HTTPError, words: str) -> None:
    found = lost("/run/socket", error)
    assert found is not None
    assert found.message == f"The service at /run/socket does not answer any more: {words}"
    raised = ServiceError("The service does not answer: [Errno 111]", fix="")
    assert lost("/run/socket", raised) is None
    raised.__cause__ = error
    assert str(lost("/run/socket", raised)) == str(found)


def test_times_in_the_wrong_order_are_refused(run: Run) -> None:
    done = run("logs", "--since", "5m", "--until", "10m")
    assert (done.code, "--since 5m is later than --until 10m" in done.err) == (2, True)


@pytest.fixture
def container() -> Iterator[Callable[..., str]]:
    """Makes containers of a project as Compose would; nothing of them stays."""
    require_component("docker")
    client = engine_client()
    made: list[Any] = []

    def make(project: str, service: str, script: str) -> str:
        tags = {labels.PROJECT: project, labels.COMPOSE_PROJECT: project, labels.COMPOSE_SERVICE: service}
        container = client.containers.create(
            busybox_image(client), ["sh", "-c", script], name=f"{project}-{service}-1", network_mode="none",
            labels=tags,
        )  # fmt: skip
        made.append(container)
        container.start()
        return str(container.name)

    yield make
    for each in made:
        each.remove(force=True, v=True)
    client.close()


LOOP = "while :; do sleep 0.05; done"


def test_containers_without_a_service(run: Run, spawn: Any, container: Any, configured: Any) -> None:
    project = configured()
    Path("data").mkdir()
    container(project, "sensor-amsterdam-1", f"echo one; sleep 0.02; echo three; {LOOP}")
    container(project, "uploader-amsterdam", f"sleep 0.01; echo ERROR two >&2; {LOOP}")
    done = until(lambda: (found := run("logs", "--no-follow")).out.count("\n") == 3 and found)
    assert "no service runs for" in done.err
    stamped = [json.loads(each) for each in run("logs", "--no-follow", "--json").out.splitlines()]
    assert [each["at"] for each in stamped] == sorted(each["at"] for each in stamped)
    assert {each["text"]: each["stream"] for each in stamped} == {
        "one": "out", "three": "out", "ERROR two": "err"
    }  # fmt: skip
    for name in ("uploader-amsterdam", f"{project}-uploader-amsterdam", f"{project}_uploader-amsterdam_1"):
        assert run("logs", name, "--no-follow").out == "ERROR two\n"
    both = run("logs", "sensor-amsterdam-1", "uploader-amsterdam", "--no-follow", "--grep", "o(ne)?$")
    assert sorted(both.out.splitlines()) == ["sensor-amsterdam-1 | one", "uploader-amsterdam | ERROR two"]
    process = spawn("logs", "--grep", "ERROR")
    assert process.stdout.readline() == "uploader-amsterdam | ERROR two\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_service_of_another_user_is_gone_around(
    run: Run, container: Any, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> bool:
        raise PermissionError

    project = configured()
    Path("data/.sensor-tui").mkdir(parents=True)
    monkeypatch.setattr("sensor_tui.service.attach.find_socket", lambda _: Path("/run/theirs.socket"))
    monkeypatch.setattr("sensor_tui.service.attach.is_live", refused)
    done = run("logs")
    assert (done.code, "is not for this user" in done.err) == (3, True)
    container(project, "one", f"echo hello; {LOOP}")
    done = until(lambda: (found := run("logs", "--no-follow")).out and found)
    assert (done.code, done.out) == (0, "hello\n")
    assert "is not for this user: containers are read from their engine" in done.err


def test_colours_are_for_terminals_alone(terminal: Any, run: Run, container: Any, configured: Any) -> None:
    project = configured()
    Path("data").mkdir()
    for name in ("one", "two"):
        container(project, name, f"echo of {name}; {LOOP}")
    until(lambda: run("logs", "--no-follow").out.count("\n") == 2)
    code, drawn = terminal("logs", "--no-follow").end()
    assert (code, "\x1b[36m" in drawn, "\x1b[33m" in drawn) == (0, True, True)
    code, drawn = terminal("logs", "--no-follow", env={"NO_COLOR": "1"}).end()
    assert (code, "\x1b[3" in drawn, "one | of one" in drawn) == (0, False, True)


def test_a_pathological_expression_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_logs_show, "SEARCH_SECONDS", 0.05)
    wanted = filter_of("(a|aa)+$", invert=False)
    assert wanted("b" + "a" * 20)
    with pytest.raises(UsageError, match="takes more than"):
        wanted("a" * 5000 + "!")


def test_lines_without_a_time_share_the_fate_of_the_one_before() -> None:
    shown = Shown(filter_of("o", invert=False), EPOCH + 1)
    lines = [line("a", "one"), line("a", "two", None), line("a", "o", EPOCH + 2), line("a", "oo", None),
             line("b", "no", None), line("b", "x"), line("b", "note", stream="note")]  # fmt: skip
    assert [each.text for each in shown.choose(lines)] == ["one", "two", "no", "note"]


def test_the_last_lines_of_each_unit_are_kept_in_order() -> None:
    last = Last(2)
    for n in range(100):
        last.add([line("a", f"a{n}"), *([line("b", f"b{n}")] if n < 3 else [])])
    assert [each.text for each in last.lines()] == ["b1", "b2", "a98", "a99"]
    none = Last(0)
    none.add([line("a", "x")])
    assert none.lines() == []


def test_a_unit_is_known_by_what_compose_calls_it() -> None:
    tags = {"com.docker.compose.service": "web", "com.docker.compose.project": "p"}
    one = Unit("h/docker/web", "h", "docker", "web", Role.OTHER, UnitState.RUNNING, labels=tags,
               container="p_web_1", project="p")  # fmt: skip
    two = Unit("h/docker/db", "h", "docker", "db", Role.OTHER, UnitState.RUNNING, project="p")
    for name in ("p_web_1", "p-web-1", "p-web", "web-1"):
        assert _meant([one, two], name) == one.id
    assert _meant([one, two], "db") == "db"
    assert _meant([one, two], "zzz") == "zzz"
    assert "p-db-1" in _called(two)


def test_a_name_that_appears_later_makes_room(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer({"a": "a"}, several=True, timestamps=True, as_json=False, plain=True)
    printer.put([line("a", "x")])
    printer.names["b"] = "longer"
    printer.put([line("b", "y", None), line("a", "z")])
    assert capsys.readouterr().out.splitlines() == [
        "2026-01-31T12:00:00.000Z a | x",
        "-                        longer | y",
        "2026-01-31T12:00:00.000Z a      | z",
    ]

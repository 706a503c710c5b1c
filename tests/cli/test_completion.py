"""Completion, asked for by the shells themselves."""

import asyncio
import json
import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from sensor_tui.cli import completion_names
from sensor_tui.cli.completion import SHELLS
from sensor_tui.cli.completion_words import SHELLS as WORDS
from sensor_tui.cli.completion_words import script
from sensor_tui.cli.diagnostics import CHECKS
from sensor_tui.cli.lazy import COMPLETE
from sensor_tui.cli.main import COMMANDS, PROGRAM, root

Run = Callable[..., Any]

HOSTILE = (
    "a b",
    "$(touch pwned)",
    "it's",
    "*",
    "tab\there",
    "\x1b[2J",
    "line\nbreak",
    "São Paulo",
    "-rf",
    "a,b",
)


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def complete() -> Callable[..., list[str]]:
    """What bash would offer for these words, the last of which is being written."""

    def ask(*words: str) -> list[str]:
        program = "\n".join(
            [
                script("bash", root, PROGRAM),
                f"COMP_WORDS=({' '.join(map(shlex.quote, (PROGRAM, *words)))})",
                f"COMP_CWORD={len(words)}",
                "compopt() { printf 'compopt %s\\n' \"$*\"; }",
                f"_sensor_tui_completion {PROGRAM}",
                'for each in "${COMPREPLY[@]}"; do printf \'%s\\n\' "$each"; done',
            ]
        )
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-c", program], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return ask


@pytest.fixture
def items(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is offered for these words, with all the time that it takes."""
    monkeypatch.setattr(completion_names, "SECONDS", 60.0)

    def ask(*words: str) -> list[str]:
        found = WORDS["bash"](root, {}, PROGRAM, COMPLETE).get_completions([*words[:-1]], words[-1])
        return [item.value for item in found]

    return ask


def folders(*names: str) -> None:
    for name in names:
        Path("data", name).mkdir(parents=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"{COMPLETE}={shell}_complete" in done.out
    assert run("completion", "--help").out.count(f"completion {shell}") >= 2


def test_another_shell_is_refused(run: Run) -> None:
    assert run("completion", "tcsh").code == 2
    assert run("completion").code == 2


def test_commands_and_options(complete: Callable[..., list[str]]) -> None:
    assert complete("") == list(COMMANDS)
    assert complete("st") == ["status", "start", "stop"]
    assert complete("--debug", "mon") == ["monitor"]
    assert {"--version", "--debug", "--read-only", "--theme"} <= set(complete("--"))
    assert complete("units", "") == ["add", "list"]
    assert {"--city", "--state"} <= set(complete("units", "--"))
    assert complete("deadletters", "re") == ["retry"]
    assert complete("monitor", "--inter") == ["--interval"]
    assert complete("logs", "--no-f") == ["--no-follow"]
    assert complete("fly", "") == []
    assert complete("monitor", "--nothing") == []


def test_choices_and_paths(complete: Callable[..., list[str]]) -> None:
    assert complete("completion", "") == ["bash", "zsh", "fish"]
    assert complete("monitor", "--by", "s") == ["sensor"]
    assert complete("monitor", "--by", "=", "") == ["city", "sensor"]
    assert complete("monitor", "--by", "=", "c") == ["city"]
    assert complete("monitor", "--by=c") == ["--by=city"]
    assert complete("sync", "--config", "sen") == ["compopt -o default"]
    assert complete("sync", "--data-dir", "") == ["compopt -o dirnames"]


def test_names_from_the_data_folder(
    complete: Callable[..., list[str]], items: Callable[..., list[str]]
) -> None:
    folders(
        "London/LON_000001", "London/LON_000002", "Manila/MAN_000001", "Manila/backup", ".sensor-tui/units"
    )
    assert complete("monitor", "--city", "") == items("monitor", "--city", "") == ["London", "Manila"]
    assert items("query", "--city", "lon") == ["London"]
    assert items("query", "--sensor-id", "L") == ["LON_000001", "LON_000002"]
    assert items("deadletters", "list", "--sensor", "M") == ["MAN_000001"]
    assert items("start", "") == []


@pytest.mark.parametrize("where", ["option", "environment", "file"])
def test_the_data_folder_is_the_one_the_command_would_take(
    complete: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folders("Wrong")
    Path("elsewhere/Right").mkdir(parents=True)
    given: tuple[str, ...] = ()
    if where == "option":
        given = ("--data-dir", "elsewhere")
    elif where == "environment":
        monkeypatch.setenv("SENSOR_TUI__DATA_DIR", "elsewhere")
    else:
        Path("sensor-tui.yaml").write_text("cosmos:\n  database: x\ndata_dir: elsewhere  # of another disk\n")
    assert complete("monitor", *given, "--city", "") == ["Right"]


def test_hostile_names_are_left_out_or_escaped(complete: Callable[..., list[str]]) -> None:
    folders(*HOSTILE)
    found = complete("monitor", "--city", "")
    assert sorted(found) == sorted(
        ["-rf", r"\$\(touch\ pwned\)", r"\*", r"a\ b", "a,b", r"it\'s", r"São\ Paulo"]
    )
    assert [shlex.split(each) for each in found] == [[name] for name in sorted(shlex.split(" ".join(found)))]


class Service:
    """Answers one request after the other over the socket of a data folder, as it is told to."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def running(self) -> Iterator[None]:
        ready = threading.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            if self._answer is None:
                await reader.read()  # until whoever asked has had enough
            else:
                writer.write(self._answer)
            writer.close()

        async def serve() -> None:
            server = await asyncio.start_unix_server(handle, "data/.sensor-tui/service.sock")
            ready.set()
            async with server:
                await self._stop.wait()

        self._stop = asyncio.Event()
        thread = threading.Thread(target=lambda: self._loop.run_until_complete(serve()))
        thread.start()
        ready.wait()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()
            self._loop.close()


def loaded(code: str) -> set[str]:
    """Packages that a piece of code loads."""
    script = f"import sys\n{code}\nprint('\\nLOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.rpartition("LOADED")[2].split()}


HEAVY = {"textual", "azure", "docker", "pyarrow", "aiohttp", "pydantic", "yaml", "rich", "httpx", "orjson"}
STATUS = {
    "units": [
        {"name": "sensor-london-1", "city": "London", "sensor_id": "LON_000001"},
        {"name": "uploader-paris", "city": "Paris", "sensor_id": None},
    ],
    "sensors": [{"city": "Rome", "sensor_id": "whatever it is"}, {"city": None, "sensor_id": None}],
}


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_names_from_a_service(items: Callable[..., list[str]]) -> None:
    folders(".sensor-tui", "OfAnotherTime")
    with Service(http(json.dumps(STATUS).encode())).running():
        for command in ("start", "stop", "restart", "reset", "logs", "remove"):
            assert items(command, "") == ["sensor-london-1", "uploader-paris"]
        assert items("stop", "sensor-london-1", "") == ["uploader-paris"]
        assert items("monitor", "--city", "") == ["London", "Paris", "Rome"]
        assert items("monitor", "--sensor", "wh") == ["whatever it is"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        http(b"{"),
        http(b"[1]"),
        http(b'{"units": 3, "sensors": 4}'),
        http(b"{}", "426 Upgrade Required"),
    ],
)
def test_a_service_that_does_not_make_sense_is_no_trouble(
    complete: Callable[..., list[str]], answer: bytes | None
) -> None:
    folders(".sensor-tui")
    with Service(answer).running():
        assert complete("start", "") == []


def test_looking_for_names_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is silent, and folders that are slow, cost what was allowed and no more."""
    now = [0.0]
    monkeypatch.setattr(completion_names.time, "monotonic", lambda: now[0])
    folders(*(f"C{city}/AAA_{sensor:06}" for city in range(3) for sensor in range(3)))

    def slow(path: Path) -> Any:
        now[0] += 0.2
        return real(path)

    real = completion_names._folders
    monkeypatch.setattr(completion_names, "_folders", slow)
    assert len(completion_names.names("sensor", {})) == 1
    with pytest.raises(TimeoutError):
        completion_names._left(now[0])


def test_what_goes_wrong_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sensor-tui.yaml").write_bytes(b"data_dir: \xff\x00\n")
    Path("data").write_text("a file")
    for words, number in (("sensor-tui monitor --city", "3"), ("sensor-tui 'open", "x"), ("", "")):
        monkeypatch.setenv(COMPLETE, "bash_complete")
        done = subprocess.run(
            [PROGRAM],
            env=os.environ | {"COMP_WORDS": words, "COMP_CWORD": number},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
    for asked in ("bash_source", "tcsh_complete", "nonsense"):
        monkeypatch.setenv(COMPLETE, asked)
        done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("words", ["sensor-tui\nmoni", "sensor-tui\n--", "sensor-tui\nstatus\n--wa"])
def test_completing_loads_nothing_that_takes_time(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPLETE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count("\n")))
    code = """
from sensor_tui.cli.main import main
try:
    main([])
except SystemExit as end:
    assert end.code == 0
"""
    assert loaded(code) & {*HEAVY, "sqlite3"} == set()


def test_completing_names_loads_no_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    folders("London")
    monkeypatch.setenv(COMPLETE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "sensor-tui\nstatus\n--city\n")
    monkeypatch.setenv("COMP_CWORD", "3")
    code = "from sensor_tui.cli.completion_names import names\nassert names('city', {}) == ['London']"
    assert loaded(code) & HEAVY == set()


def test_values_that_are_texts_are_texts_all_the_same() -> None:
    command = root.get_command(click.Context(root), "monitor")
    assert command is not None
    (city,) = (param for param in command.params if param.name == "cities")
    context = click.Context(command)
    assert city.type_cast_value(context, ["London", "*"]) == ("London", "*")
    assert city.make_metavar(context) == "NAME"


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, *command: str) -> None:
        self._screen, side = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=side, stdout=side, stderr=side, env=os.environ | {"TERM": "dumb", "PS1": "> "},
            start_new_session=True,
        )  # fmt: skip
        os.close(side)
        self.drawn = ""

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.drawn:
            assert select.select([self._screen], [], [], deadline - time.monotonic())[0], self.drawn
            self.drawn += os.read(self._screen, 65536).decode(errors="replace")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)


def shell_or_skip(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (apt-get install {name})")
    return path


@pytest.fixture
def shells() -> Iterator[Callable[..., Shell]]:
    started: list[Shell] = []

    def begin(*command: str) -> Shell:
        started.append(Shell(*command))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def test_bash_with_the_tab_key(shells: Callable[..., Shell]) -> None:
    folders("London", "New York")
    Path("completion.bash").write_text(script("bash", root, PROGRAM))
    bash = shells("bash", "--norc", "--noprofile", "-i")
    bash.type("source completion.bash; bind 'set enable-bracketed-paste off'; echo re''ady\n")
    bash.until("ready\r\n")
    bash.type("sensor-tui moni\t")
    bash.until("sensor-tui monitor ")
    bash.type("--cit\t")
    bash.until("monitor --city ")
    bash.type("N\t")
    bash.until("--city New\\ York ")
    bash.type("--city=L\t")
    bash.until("--city=London ")


def test_zsh_with_the_tab_key(shells: Callable[..., Shell]) -> None:
    path = shell_or_skip("zsh")
    folders("London", "New York")
    Path("completion.zsh").write_text(script("zsh", root, PROGRAM))
    zsh = shells(path, "-f", "-i")
    zsh.type("autoload -U compinit; compinit -u -D; source completion.zsh; bindkey '^I' complete-word\n")
    zsh.type("echo re''ady\n")
    zsh.until("ready\r\n")
    zsh.type("sensor-tui moni\t")
    zsh.until("sensor-tui monitor ")
    zsh.type("--city N\t")
    zsh.until("New\\ York")
    zsh.type(" --city=L\t")
    zsh.until("--city=London")


def test_fish_as_it_completes() -> None:
    path = shell_or_skip("fish")
    folders("London", "New York")
    Path("completion.fish").write_text(script("fish", root, PROGRAM))

    def ask(line: str) -> list[str]:
        code = f"source completion.fish; complete -C {shlex.quote(line)}"
        done = subprocess.run([path, "--no-config", "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert ask("sensor-tui moni") == ["monitor\tWatch the fleet in lines, without the full screen."]
    assert ask("sensor-tui monitor --city N") == ["New York"]
    assert ask("sensor-tui monitor --city=L") == ["--city=London"]


def test_checks_are_completed_also_after_a_comma(items: Callable[..., list[str]]) -> None:
    assert items("diagnostics", "--only", "d") == ["docker", "data", "deadletters", "disk", "dns", "database"]
    assert items("diagnostics", "--only", "docker,im") == ["docker,images"]
    assert items("diagnostics", "--only=dns,dat") == ["--only=dns,data", "--only=dns,database"]
    assert items("diagnostics", "--only", "disk,dns,di") == []
    assert items("diagnostics", "--only", "") == list(CHECKS)


def test_completing_leaves_the_options_for_help_as_they_are(
    items: Callable[..., list[str]], run: Run
) -> None:
    assert items("deadletters", "--h") == ["--help"]
    assert run("deadletters", "-h").code == 0

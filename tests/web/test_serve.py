"""`sensor-tui serve`, as a command."""

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from sensor_tui.cli import logs, serve
from sensor_tui.cli.main import main
from sensor_tui.web.server import WebSettings

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-more-than-sixteen-characters"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[WebSettings, bool]]:
    """What a server would have been started with."""
    asked: list[tuple[WebSettings, bool]] = []

    async def start(settings: WebSettings, *, given: bool) -> None:
        asked.append((settings, given))

    monkeypatch.setattr(serve, "_serve", start)
    monkeypatch.setattr(logs, "setup", lambda *_, **__: None)
    return asked


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Call the command inside this process: its exit code, and what it said."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as exit_:
            main(["serve", *map(str, arguments)])
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, capfd.readouterr().err

    return run


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sensor_tui", "serve", *arguments]
        started.append(
            subprocess.Popen(
                command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | env
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_it_listens_on_the_loopback_with_a_token_of_its_own(settings: Any, call: Any) -> None:
    assert call() == (0, "")
    assert call() == (0, "")
    (first, given), (second, _) = settings
    assert (first.host, first.port, first.hosts, first.sessions, given) == ("127.0.0.1", 8000, (), 4, False)
    assert len(first.token) >= 43
    assert first.token != second.token
    assert first.token not in repr(first)


def test_the_dashboard_gets_the_options_and_never_the_token(
    settings: Any, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSOR_TUI_WEB_TOKEN", TOKEN)
    code, _ = call(
        "--data-dir", tmp_path, "--read-only", "--theme", "mono; rm -rf /", "--low-bandwidth", "--no-color"
    )
    assert code == 0
    ((found, given),) = settings
    assert (found.token, given) == (TOKEN, True)
    assert "SENSOR_TUI_WEB_TOKEN" not in os.environ
    assert found.command[:5] == (sys.executable, "-m", "sensor_tui.web.tether", "sensor_tui", "dashboard")
    assert found.command[5:] == (
        *("--data-dir", str(tmp_path), "--theme", "mono; rm -rf /"),
        *("--read-only", "--low-bandwidth", "--no-color"),
    )


def test_the_token_may_come_from_a_file_that_is_private(settings: Any, call: Any, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o644)
    code, said = call("--token-file", path)
    assert (code, f"chmod 600 {path}" in said) == (2, True)
    path.chmod(0o600)
    assert call("--token-file", path)[0] == 0
    assert settings[0][0].token == TOKEN
    for wrong in ("short", "x" * 600, "a token with\na line in it that is long", "täuschend-echtes-tökchen"):
        path.write_text(wrong)
        code, said = call("--token-file", path)
        assert code == 2
        assert "openssl rand -hex 32" in said
        assert wrong.splitlines()[0] not in said


@pytest.mark.parametrize("listen", ["0.0.0.0:8000", "[::]:8000", "192.0.2.7:80", "gateway:8000"])
def test_beyond_this_machine_a_name_has_to_be_given(settings: Any, call: Any, listen: str) -> None:
    code, said = call("--listen", listen)
    assert code == 2
    assert "--allow-host" in said
    assert "ssh -L" in said
    assert "TLS" in said
    assert settings == []
    assert call("--listen", listen, "--allow-host", "Sensors.example.org")[0] == 0
    assert settings[0][0].hosts == ("sensors.example.org",)


@pytest.mark.parametrize(
    "listen", ["127.0.0.1", "8000", ":8000", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:٣"]
)
def test_an_address_that_is_none_is_refused(settings: Any, call: Any, listen: str) -> None:
    code, said = call("--listen", listen)
    assert code == 2
    assert "127.0.0.1:8000" in said
    assert settings == []


@pytest.mark.parametrize(
    ("listen", "host"), [("localhost:1", "localhost"), ("[::1]:1", "::1"), ("127.8.0.1:1", "127.8.0.1")]
)
def test_the_loopback_has_several_addresses(settings: Any, call: Any, listen: str, host: str) -> None:
    assert call("--listen", listen)[0] == 0
    assert settings[0][0].host == host


def test_without_the_extra_one_line_says_how_to_get_it(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "textual_serve" else find(name, *rest),
    )
    code, said = call()
    assert code == 2
    assert said.count("\n") == 1
    assert "pip install 'sensor-tui[web]'" in said


def test_it_prints_its_address_serves_and_ends_on_a_signal(spawn: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process = spawn("--listen", "127.0.0.1:0")
        found = re.fullmatch(
            r"The dashboard is at (http://127\.0\.0\.1:\d+/)(\?token=\S+)\n", process.stderr.readline()
        )
        assert found
        address, token = found.groups()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(address + token, timeout=20) as answer:
            assert (answer.status, answer.url) == (200, address)
            assert b"terminal" in answer.read()
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_dashboard_outlives_the_server(
    spawn: Any, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    process = spawn("--listen", "127.0.0.1:0", "--data-dir", "data", "--read-only")
    address, _, token = process.stderr.readline().split()[-1].partition("?")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        assert (await client.get(f"{address}?{token}")).status == 200
        window = await client.ws_connect(f"{address}ws", headers={"Origin": address.rstrip("/")})
        async with asyncio.timeout(30):
            while "READ-ONLY" not in (await window.receive()).data.decode():
                pass
        (dashboard,) = psutil.Process(process.pid).children()
        process.send_signal(number)
        await asyncio.to_thread(process.wait, 30)
        await asyncio.to_thread(psutil.wait_procs, [dashboard], 30)
        assert not dashboard.is_running()


def test_a_token_that_was_given_is_not_repeated(spawn: Any) -> None:
    process = spawn("--listen", "127.0.0.1:0", SENSOR_TUI_WEB_TOKEN=TOKEN)
    line = process.stderr.readline()
    assert "/?token=… with the token you gave" in line
    address = re.search(r"http://[^/]+/", line)
    assert address
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address[0], timeout=20)
    process.send_signal(signal.SIGTERM)
    assert TOKEN not in line + process.communicate(timeout=30)[1]


def test_it_says_which_name_to_use_from_elsewhere(spawn: Any) -> None:
    process = spawn("--listen", "0.0.0.0:0", "--allow-host", "sensors.example.org")
    assert re.match(
        r"The dashboard is at http://sensors\.example\.org:\d+/\?token=", process.stderr.readline()
    )
    assert "not encrypted" in process.stderr.readline()

"""The socket of an engine elsewhere, brought here by ssh.

The SDK's own ways to speak ssh cannot end a stream; a forwarded socket is as good as one of this machine.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from sensor_tui.fleet.docker_errors import EngineAway, one_line

REMOTE_SOCKET: Final = "/var/run/docker.sock"

_LOOK_SECONDS: Final = 0.05
_END_SECONDS: Final = 2.0
_ALIVE_SECONDS: Final = 5
# ssh ends when its leash, standard input, is let go of: also where this process is killed outright.
_LEASHED: Final = (
    'exec 3<&0; "$@" </dev/null & ssh=$!; '
    "trap 'kill $ssh 2>/dev/null' TERM; "
    "{ read _ <&3; kill $ssh; } >/dev/null 2>&1 & leash=$!; "
    "exec 3<&-; wait $ssh; code=$?; kill $leash 2>/dev/null; exit $code"
)


class Tunnel:
    """One ssh of our own, with a socket in a folder that nobody else may enter. Methods block."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def open(self, timeout: float) -> str:
        """Connect within so many seconds; the address of the socket here.

        Raises:
            EngineAway: ssh is missing, refuses, or does not get there in time.
            OSError: it cannot be started.
        """
        ssh = shutil.which("ssh")
        if ssh is None:
            raise EngineAway(f"{self._url} needs the command ssh", fix="Install openssh-client")
        self._folder = Path(tempfile.mkdtemp(prefix="sensor-tui-", dir=_runtime_folder()))
        local, log = self._folder / "docker.sock", self._folder / "log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - the host stands after `--`
                ["/bin/sh", "-c", _LEASHED, "sh", ssh, *_arguments(self._url, local, timeout)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while not _listens(local):
            if self._process.poll() is not None:
                raise EngineAway(
                    f"{self._url}: ssh says: {_last_line(log) or 'nothing'}",
                    fix="Try 'ssh' there by hand: keys, host name and known_hosts must do without a question",
                )
            if time.monotonic() >= deadline:
                raise EngineAway(
                    f"{self._url}: ssh does not get there within {timeout:g} s", fix="See the network"
                )
            time.sleep(_LOOK_SECONDS)
        return f"unix://{local}"

    def close(self) -> None:
        """End ssh and leave nothing behind."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
                    break
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _arguments(url: str, local: Path, timeout: float) -> list[str]:
    parts = urlsplit(url)
    remote = unquote(parts.path).rstrip("/") or REMOTE_SOCKET
    options = [
        "BatchMode=yes", "ControlMaster=no", "ControlPath=none", "ExitOnForwardFailure=yes",
        "StreamLocalBindMask=0177", "ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no",
        f"ServerAliveInterval={_ALIVE_SECONDS}", "ServerAliveCountMax=2",
        f"ConnectTimeout={max(1, int(timeout))}",
    ]  # fmt: skip
    arguments = ["-N", "-T", *(word for option in options for word in ("-o", option))]
    arguments += ["-L", f"{local}:{remote}"]
    if parts.port is not None:
        arguments += ["-p", str(parts.port)]
    if parts.username is not None:
        arguments += ["-l", unquote(parts.username)]
    return [*arguments, "--", parts.hostname or ""]


def _listens(path: Path) -> bool:
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return one_line(next((line for line in reversed(lines) if line.strip()), ""))


def _runtime_folder() -> str | None:
    """Where a socket's path is short, and goes with the session; the system's own choice where None."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    return (
        given if given and os.access(given, os.W_OK) and len(given) <= len("/run/user/4294967295") else None
    )

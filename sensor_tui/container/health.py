"""The health check of the image, run as a file of its own every few seconds in every container.

It imports next to nothing (`typing` alone would cost a third more), and never opens a database: whoever
reads one makes its sensor wait.
"""

import os
import sys
import time

PROGRAM = "/opt/sensor-tui"
DATA = "/app/data"
STATE = ".sensor-tui"
SECONDS = "SENSOR_TUI_HEALTH_SECONDS"
"""Variable with the age in seconds from which a sensor counts as silent."""

_SILENT_SECONDS = 30.0
_PERIODS = 5.0
_ANSWER_SECONDS = 4.0
_DATABASES = (".db", ".db-wal", ".sqlite", ".sqlite-wal", ".sqlite3", ".sqlite3-wal")
_LARGEST = 4096


def role_of(arguments: list[str]) -> tuple[str, list[str]]:
    """The first word, `sensor` where there is none, and what is left for it.

    Arguments that begin with an option mean an uploader: the one in the field is called like that.
    """
    if not arguments:
        return "sensor", []
    if arguments[0].startswith("-"):
        return "uploader", arguments
    return arguments[0], arguments[1:]


def running_role(command: bytes, folder: str) -> str:
    """The role of the container's first process, from its command line or else from its data folder."""
    words = os.fsdecode(command).split("\0")[:-1]
    if PROGRAM in words:
        return role_of(words[words.index(PROGRAM) + 1 :])[0]
    return "sensor" if newest_write(folder) is not None else "uploader"


def newest_write(folder: str) -> float | None:
    """When a database in the folder was last written, in seconds since the epoch; None without one."""
    try:
        with os.scandir(folder) as entries:
            return max(
                (entry.stat().st_mtime for entry in entries if entry.name.endswith(_DATABASES)), default=None
            )
    except OSError:
        return None


def silent_seconds(environment: dict[str, str]) -> float:
    """How old the newest write of a working sensor can be: five of its periods, 30 s at least."""
    given = _number(environment.get(SECONDS, ""))
    if given:
        return given
    rate = _number(environment.get("READINGS_PER_SECOND", ""))
    period = 1 / rate if rate else _number(environment.get("SENSOR_INTERVAL", ""))
    return max(_SILENT_SECONDS, _PERIODS * period)


def sensor(folder: str, environment: dict[str, str], now: float) -> tuple[bool, str]:
    """Whether a sensor writes, and the line about it."""
    newest = newest_write(folder)
    if newest is None:
        return False, f"no database in {folder} yet"
    age, bound = now - newest, silent_seconds(environment)
    return age <= bound, f"last write {max(0.0, age):.0f} s ago, at most {bound:.0f} s are well"


def uploader(folder: str) -> tuple[bool, str]:
    """Whether an uploader's service answers, and what: a sink that is away is not the container's fault."""
    import socket

    path = _socket_path(os.path.join(folder, STATE))  # noqa: PTH118 - pathlib costs more than the check
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(path)
            connection.sendall(b"GET /healthcheck HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = b""
            while len(answer) < _LARGEST and (more := connection.recv(_LARGEST)):
                answer += more
        except OSError as error:
            return False, f"no answer at {path}: {error.strerror or error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.startswith(b"HTTP/1."), body.decode(errors="replace").strip() or "an empty answer"


def _socket_path(state: str) -> str:
    try:
        with open(os.path.join(state, "service.socket-path"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            return file.read(_LARGEST).strip()
    except OSError:
        return os.path.join(state, "service.sock")  # noqa: PTH118


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 < number < float("inf") else 0.0


def main() -> int:
    """Say how it is, and return what Docker takes for healthy (0) or not (1)."""
    try:
        with open("/proc/1/cmdline", "rb") as file:  # noqa: PTH123
            command = file.read()
    except OSError:
        command = b""
    role = running_role(command, DATA)
    if role == "sensor":
        well, line = sensor(DATA, dict(os.environ), time.time())
    elif role == "uploader":
        well, line = uploader(DATA)
    else:
        well, line = True, f"nothing to check for {role}"
    sys.stdout.write(f"{line}\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

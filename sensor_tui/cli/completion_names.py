"""Names to complete with: what a service says, else what the data folder looks like. Quick, and never fails.

A shell waits for it on every press of Tab, so nothing is loaded that takes time: the configuration is
looked at for its data folder alone, and the service is asked over its socket without a client.
"""

import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sensor_tui.cli.lazy import Known
from sensor_tui.cli.options import DEFAULT_DATA_DIR
from sensor_tui.cli.output import clean

SECONDS: Final = 0.3
"""For all of it, but for loading what it takes."""
MOST: Final = 2000
"""Names; a shell would not show more."""

_LARGEST: Final = 32 * 1024 * 1024
_CONFIG_BYTES: Final = 64 * 1024
_CHUNK: Final = 1 << 20
_OK: Final = b" 200 "
_SENSOR: Final = re.compile(r"[A-Z]{3}_[0-9]{6}", re.ASCII)
_DATA_DIR: Final = re.compile(r"""^data_dir:[ \t]*["']?([^"'#\n$]+?)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)
_CONFIG_FILES: Final = (
    "sensor-tui.yaml",
    "config/sensor-tui.yaml",
    "config/config.yaml",
    "config/cosmos-config.yaml",
)
_REQUEST: Final = b"GET /v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n"


def names(known: Known, given: Mapping[str, Any]) -> list[str]:
    """Names of that kind, sorted; `given` are the options on the line so far."""
    from sensor_tui.storage.ledger_db import state_folder

    until = time.monotonic() + SECONDS
    try:
        root = _root(given)
        status = _status(state_folder(root, given.get("state_dir")), until)
        found = set(_told(known, status)) if status is not None else set(_seen(known, root, until))
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return []
    return sorted(name for name in found if name and clean(name) == name)[:MOST]


def _root(given: Mapping[str, Any]) -> Path:
    """The data folder or file that the command would take."""
    for name in ("data_dir", "sqlite"):
        if given.get(name):
            return Path(given[name]).absolute()
    configured = os.environ.get("SENSOR_TUI__DATA_DIR") or _configured(given.get("config_path"))
    return Path(configured).expanduser().absolute() if configured else DEFAULT_DATA_DIR.absolute()


def _configured(given: Path | None) -> str:
    """The data folder of the configuration file, where it stands there as plain text."""
    named = given or os.environ.get("SENSOR_TUI_CONFIG") or os.environ.get("CONFIG_FILE")
    candidates = [Path(named)] if named else [Path(name) for name in _CONFIG_FILES]
    path = next((each for each in candidates if each.is_file()), None)
    if path is None:
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        found = _DATA_DIR.search(file.read(_CONFIG_BYTES))
    return str(path.parent / Path(found[1]).expanduser()) if found else ""


def _status(state: Path, until: float) -> Any:
    """What the service of a state folder says; None where none answers in time."""
    from sensor_tui.service.sockets import find_socket

    path = find_socket(state)
    if path is None:
        return None
    content = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(_left(until))
            connection.connect(os.fspath(path))
            connection.sendall(_REQUEST)
            while len(content) < _LARGEST:
                connection.settimeout(_left(until))
                some = connection.recv(_CHUNK)
                if not some:
                    break
                content += some
        except OSError:
            return None
    head, _, body = bytes(content).partition(b"\r\n\r\n")
    return json.loads(body) if _OK in head.partition(b"\r\n")[0] else None


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _told(known: Known, status: Any) -> Iterator[str]:
    units, sensors = status["units"], status["sensors"]
    if known == "unit":
        yield from (unit["name"] for unit in units)
        return
    field = "city" if known == "city" else "sensor_id"
    yield from (each[field] for each in (*units, *sensors) if each[field])


def _seen(known: Known, root: Path, until: float) -> Iterator[str]:
    """Folders of cities, and folders within them that are called like a sensor."""
    if known == "unit" or not root.is_dir():
        return
    for city in _folders(root):
        if known == "city":
            yield city.name
            continue
        for sensor in _folders(Path(city.path)):
            if _SENSOR.fullmatch(sensor.name):
                yield sensor.name
            if time.monotonic() > until:
                return


def _folders(path: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(path) as entries:
            return [each for each in entries if not each.name.startswith(".") and each.is_dir()]
    except OSError:
        return []

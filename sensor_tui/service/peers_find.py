"""Finding the services below a data root: uploaders that see one folder of it, in containers or not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sensor_tui.errors import ServiceError
from sensor_tui.service.sockets import LONGEST_PATH, find_socket


@dataclass(frozen=True, slots=True)
class Found:
    """A folder with the state of a service in it."""

    name: str
    """The folder, relative to the data root, as keys of files have it."""
    folder: Path
    state: Path
    place: tuple[int, int]
    """Device and inode of the state folder."""
    socket: Path | None
    """None where no service answers from here."""
    barred: bool = False
    """It is not for this user."""


def find_peers(root: Path, own: Path) -> list[Found]:
    """Every folder right below the root that has a state folder but `own`, in the order of their names."""
    from sensor_tui.storage.ledger_db import STATE_FOLDER

    found: list[Found] = []
    seen = {_place(own)}
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError:
        return []  # the look for sensor files says so
    for name in names:
        state = root / name / STATE_FOLDER
        place = _place(state)
        if place is None or place in seen:
            continue
        seen.add(place)
        barred = not os.access(state, os.X_OK)
        socket = None if barred else find_socket(state)
        key = os.fsencode(name).decode("utf-8", "backslashreplace")
        found.append(Found(key, root / name, state, place, socket, barred))
    return found


@contextmanager
def reachable(socket: Path) -> Iterator[Path]:
    """A path of this socket that is short enough to connect to, for as long as it is needed.

    A container sees its folder under a short path; here the same folder may lie deeper than a socket's name
    can say (107 bytes).

    Raises:
        ServiceError: it is gone.
    """
    if len(os.fsencode(socket)) <= LONGEST_PATH:
        yield socket
        return
    try:
        descriptor = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ServiceError(f"{socket.parent}: {error.strerror}") from error
    try:
        yield Path(f"/proc/self/fd/{descriptor}") / socket.name
    finally:
        os.close(descriptor)


def _place(state: Path) -> tuple[int, int] | None:
    try:
        facts = state.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino

"""The Compose project of a data folder: which one was used last, and the folders its containers write to."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensor_tui.errors import FleetError, StorageError, UsageError
from sensor_tui.fleet.process_spec import write_whole

FILE: Final = "project.json"
"""In the state folder."""

_LARGEST: Final = 65536
_WRITE_AND_ENTER: Final = 0o3
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project: its name, its file, and the engine it was started on."""

    name: str
    file: Path | None = None
    """Absolute; None where it is not known."""
    host: str | None = None
    """The engine as `--host` or `fleet.hosts` named it; None for docker's own."""


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        UsageError: Compose would not take it.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"'{name}' cannot be the name of a project",
            fix="Lower-case letters, digits, '-' and '_' are expected, a letter or digit first",
        )
    return name


def remember(state: Path, project: Project) -> None:
    """Keep it in the state folder, which is made where it is missing.

    Raises:
        StorageError: the folder cannot be written.
    """
    facts = {
        "project": project.name,
        "file": None if project.file is None else str(project.file),
        "host": project.host,
    }
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(state / FILE, json.dumps(facts, indent=2).encode() + b"\n")
    except OSError as error:
        raise StorageError(
            f"{state / FILE} cannot be written: {error.strerror}", fix="Make the state folder writable"
        ) from error


def remembered(state: Path) -> Project | None:
    """The project used last; None where none was, or where what is written there makes no sense."""
    try:
        with (state / FILE).open("rb") as file:
            facts = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict):
        return None
    name, place, host = facts.get("project"), facts.get("file"), facts.get("host")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        return None
    path = Path(place) if isinstance(place, str) and "\x00" not in place else None
    usable = path is not None and path.is_absolute()
    return Project(name, path if usable else None, host if isinstance(host, str) else None)


def make_folders(folders: Iterable[Path], user: str) -> list[Path]:
    """Create what containers write to, owned by `user` (`uid:gid`); returns those that were made.

    Docker would make them itself, owned by root, and a container that is not root could not write there.
    A folder that is there already is left as it is, but for one that the user cannot write.

    Raises:
        FleetError: one cannot be made or given to the user, or something else is in its place.
    """
    uid, gid = (int(part) for part in user.split(":"))
    made: list[Path] = []
    for folder in folders:
        try:
            for place in _missing(folder):
                place.mkdir(mode=0o755)
                if os.geteuid() == 0:
                    os.chown(place, uid, gid)
                made.append(place)
        except OSError as error:
            raise FleetError(
                f"the folder {error.filename or folder} cannot be made: {error.strerror}",
                fix="Make it, owned by the user that containers run as, or choose another --data-dir",
            ) from error
        if not folder.is_dir():
            raise FleetError(f"{folder} is no folder", fix="Move it away: a container writes there")
        if not _writable(folder, uid, gid):
            raise FleetError(
                f"containers run as {user} and could not write to {folder}",
                fix=f"chown -R {user} {folder}",
            )
    return made


def _missing(folder: Path) -> list[Path]:
    """The folder and those above it that are not there, the outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    return missing[::-1]


def _writable(folder: Path, uid: int, gid: int) -> bool:
    """Whether that user may make files there, as far as modes say it.

    Root is no exception: containers of a fleet have no capabilities.
    """
    facts = folder.stat()
    shift = 6 if facts.st_uid == uid else 3 if facts.st_gid == gid else 0
    return facts.st_mode >> shift & _WRITE_AND_ENTER == _WRITE_AND_ENTER

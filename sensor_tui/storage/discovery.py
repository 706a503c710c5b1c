"""Finding sensor databases under a data root, and reading city and sensor from where they lie."""

# Paths are strings here: a thousand files are looked at each second, and names need not be UTF-8.
# ruff: noqa: PTH100, PTH116

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".db", ".sqlite", ".sqlite3")
USUAL_NAME: Final = "sensor_data.db"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a sensor's: its key, where it really is, and the city its folder names."""

    key: str
    path: str
    city: str


@dataclass(slots=True)
class Walk:
    """What a walk met: files, and folders that could not be listed with the reason."""

    files: list[Found] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Folder:
    stamp: tuple[int, int, int]
    files: list[str]
    folders: list[str]
    settled: bool = False
    """Its time was the same at two walks, so that nothing came in the instant between listing and stamp."""


class Tree:
    """A data root. Folders whose time has not changed are not listed again.

    `place` is the city of files that no folder below the root names one for; the root's own name where None.
    """

    def __init__(self, root: Path, *, place: str | None = None) -> None:
        self._root = root
        self._place = place
        self._base = root if root.is_dir() else root.parent
        self._folders: dict[str, _Folder] = {}
        self._found: dict[str, Found] = {}

    def walk(self) -> Walk:
        """Every candidate there is now, in the order of their keys."""
        walk = Walk()
        if not self._root.is_dir():
            if self._root.exists():
                walk.files.append(self._candidate(str(self._root)))
            return walk
        seen: set[tuple[int, int]] = set()
        pending = [str(self._root)]
        folders: dict[str, _Folder] = {}
        paths: list[str] = []
        while pending:
            path = pending.pop()
            try:
                folder = self._list(path, seen)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                name = _key(os.path.relpath(path, self._base))
                walk.problems[name] = f"{name}: the folder cannot be listed: {error.strerror}"
                continue
            if folder is not None:
                folders[path] = folder
                paths.extend(folder.files)
                pending.extend(folder.folders)
        self._folders = folders
        found = {path: self._found.get(path) or self._candidate(path) for path in paths}
        self._found = found
        walk.files = sorted(found.values(), key=lambda each: each.key)
        return walk

    def _list(self, path: str, seen: set[tuple[int, int]]) -> _Folder | None:
        """A folder's candidates and subfolders; None for one that was met already, by another way."""
        facts = os.stat(path)
        if (facts.st_dev, facts.st_ino) in seen:
            return None
        seen.add((facts.st_dev, facts.st_ino))
        stamp = (facts.st_dev, facts.st_ino, facts.st_mtime_ns)
        known = self._folders.get(path)
        if known is not None and known.stamp == stamp and known.settled:
            return known
        folder = _Folder(stamp, [], [], settled=known is not None and known.stamp == stamp)
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    if entry.is_dir():
                        folder.folders.append(entry.path)
                    elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                        folder.files.append(entry.path)
                except OSError:
                    continue  # it went away, or is a link that leads nowhere
        return folder

    def _candidate(self, path: str) -> Found:
        relative = os.path.relpath(path, self._base)
        return Found(key=_key(relative), path=os.path.realpath(path), city=self._city(path, relative))

    def _city(self, path: str, relative: str) -> str:
        city = _city(path, relative, self._root)
        return city if city is not None else self._place or _key(Path(os.path.abspath(self._root)).name)


def _key(relative: str) -> str:
    """A path as text that any screen and database takes."""
    return os.fsencode(relative).decode("utf-8", "backslashreplace")


def _city(path: str, relative: str, root: Path) -> str | None:
    """City by folder: `{city}/{sensor}/{file}`, and what is closest to it where there are fewer folders.

    With one folder it is the sensor's if the file has the usual name, and the city's otherwise. With none
    it is the root: None; a root that is a file says by its own place.
    """
    parts = Path(relative).parts
    if str(root) == path and not root.is_dir():
        parts = Path(os.path.abspath(path)).parts[-3:]
        city = parts[-3] if len(parts) == 3 and parts[-1] == USUAL_NAME else parts[-2]  # noqa: PLR2004
    elif len(parts) >= 3:  # noqa: PLR2004
        city = parts[-3]
    elif len(parts) == 2 and parts[-1] != USUAL_NAME:  # noqa: PLR2004
        city = parts[0]
    else:
        return None
    return _key(city)

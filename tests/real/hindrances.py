"""What stands in the way of an upload, made on the real machine and undone again."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest


def make_database(path: Path, script: str) -> Path:
    """A database made by these statements."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """With the file locked by another process than the one that uploads."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """With a file or folder that nobody may write, not even root."""
    if os.geteuid() != 0:
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222)
        try:
            yield
        finally:
            path.chmod(mode)
    elif _done("mount", "--bind", path, path):
        try:
            if not _done("mount", "-o", "remount,bind,ro", path):
                pytest.skip("read-only files: this machine does not let root mount them read-only")
            yield
        finally:
            _done("umount", "--lazy", path)
    elif path.is_file() and _done("chattr", "+i", path):
        try:
            yield
        finally:
            _done("chattr", "-i", path)
    else:
        pytest.skip("read-only files: neither mount nor chattr works here, and root may write everything")


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path | None]:
    """With the folder on a disk of that size of its own; None where that cannot be had."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and _done("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder):
        try:
            yield folder
        finally:
            _done("umount", "--lazy", folder)
    else:
        yield None


def fill(folder: Path) -> None:
    """Use up what is left of a small disk."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def with_small_files(program: Sequence[str]) -> tuple[str, ...]:
    """The program, started so that no file of its grows beyond 8 KB."""
    return ("sh", "-c", 'ulimit -f 16; exec "$@"', "sh", *program)


def _done(*command: str | Path) -> bool:
    if shutil.which(str(command[0])) is None:
        return False
    return subprocess.run(list(map(str, command)), check=False, capture_output=True).returncode == 0

"""Compose files on disk: whose they are, what would change, and writing one whole or not at all."""

import difflib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from sensor_tui.errors import StorageError, UsageError

_MARK: Final = "# Made by sensor-tui compose. Checksum of what follows the comment: "
_SEALED: Final = re.compile(rf"{re.escape(_MARK)}([0-9a-f]{{64}})\n((?:#.*\n)*)", re.ASCII)
_LARGEST: Final = 256 * 1024 * 1024


class Written(StrEnum):
    """What writing a file came to."""

    NEW = "new"
    SAME = "same"
    """It was there already, byte for byte, and was left alone."""
    REPLACED = "replaced"


def sealed(head: Sequence[str], body: str) -> str:
    """A file of ours: the mark with the checksum of `body`, `head` as comments, and the body."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    return "".join([f"{_MARK}{digest}\n", *(f"# {line}\n" for line in head), "\n", body])


def is_ours(text: str) -> bool:
    """Whether a file was made here, whatever was done to it since."""
    return text.startswith(_MARK)


def is_untouched(text: str) -> bool:
    """Whether a file was made here and nobody edited it since: it can be made again."""
    found = _SEALED.match(text)
    if found is None:
        return False
    body = text[found.end() :].removeprefix("\n")
    return hashlib.sha256(body.encode("utf-8", "surrogateescape")).hexdigest() == found[1]


def present(path: Path) -> str | None:
    """What a file holds, None where there is none; StorageError where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read: {error.strerror}", fix="Give --output another file"
        ) from None


def difference(path: Path, text: str) -> str:
    """What writing `text` there would change, as a unified diff; empty where nothing."""
    before = present(path)
    name = str(path)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(
            [] if before is None else before.splitlines(keepends=True),
            text.splitlines(keepends=True),
            "/dev/null" if before is None else name,
            name,
        )
    )


def check_place(path: Path) -> None:
    """Raise StorageError unless a file can be put there."""
    if path.is_dir():
        raise StorageError(f"{path} is a folder", fix="Give --output a file in it")
    if path.exists() and not path.is_file():
        raise StorageError(
            f"{path} is no ordinary file", fix="Give --output another file, or - for the screen"
        )
    if not path.parent.is_dir():
        raise StorageError(
            f"{path}: there is no folder {path.parent}", fix="Create it, or give --output another file"
        )


def write_compose(path: Path, text: str, *, force: bool, replace_own: bool = False) -> Written:
    """Write it, whole or not at all; its mode stays, and a link stays one.

    `replace_own` overwrites what was made here and not edited since, as a command does that makes the file
    for its own use.

    Raises:
        UsageError: there is another file, and `force` was not given.
        StorageError: it cannot be read or written.
    """
    check_place(path)
    before = present(path)
    if before == text:
        return Written.SAME
    if before is not None and not (force or (replace_own and is_untouched(before))):
        raise UsageError(
            f"{path} is there already and {_what_is_there(before)}",
            fix="Give --dry-run to see what would change, --force to overwrite it, or another --output",
        )
    try:
        _replace(Path(os.path.realpath(path)), text)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror}", fix="Give --output another file"
        ) from None
    return Written.NEW if before is None else Written.REPLACED


def _what_is_there(text: str) -> str:
    if is_untouched(text):
        return "was made from other settings"
    return "was edited since it was made" if is_ours(text) else "was not made by sensor-tui"


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".sensor-tui-{secrets.token_hex(8)}")
    # the mode of a new file is for the umask to decide
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise

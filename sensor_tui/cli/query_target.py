"""Where an answer is written: standard output, or a file that is there whole or not at all."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from sensor_tui.errors import StorageError, UsageError


class Target:
    """Takes text; a writer of another kind takes the path."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` is the temporary name of a file; standard output where None."""
        self.path = path
        self._file: TextIO | None = None

    def write(self, text: str) -> None:
        """Write text that ends with its line.

        Raises:
            ReaderGone: nobody reads standard output any more.
            StorageError: standard output cannot be written.
            OSError: the file cannot.
        """
        if self.path is None:
            from sensor_tui.cli.output import emit

            emit(text.removesuffix("\n"))
            return
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="", errors="backslashreplace")
        self._file.write(text)

    def close(self) -> None:
        """Write what is held back."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


@contextmanager
def target_of(path: Path | None, *, force: bool) -> Iterator[Target]:
    """Standard output, or a file under a temporary name that gets its own at the end, where all went well.

    Raises:
        UsageError: there is such a file, and `force` was not given.
        StorageError: it cannot be written.
    """
    if path is None:
        yield Target()
        return
    _check(path, force=force)
    temporary = path.with_name(f".{path.name[:80]}.{os.getpid()}.part")
    target = Target(temporary)
    try:
        try:
            temporary.touch(exist_ok=False)
            yield target
            target.close()
            _publish(temporary, path, force=force)
        except (ConnectionError, TimeoutError):  # they are OSErrors too, and not about this file
            raise
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written: {error.strerror or error}",
                fix="Choose another place for --output",
            ) from error
    finally:
        with suppress(OSError):
            target.close()
        with suppress(OSError):
            temporary.unlink()


def _check(path: Path, *, force: bool) -> None:
    try:
        found = path.lstat()
    except OSError:
        if path.parent.is_dir():
            return
        raise UsageError(
            f"--output {path}: there is no folder {path.parent}", fix="Create it first"
        ) from None
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        raise UsageError(f"--output {path} is not a file", fix="Leave --output out for standard output")
    if not force:
        raise _taken(path)


def _publish(temporary: Path, path: Path, *, force: bool) -> None:
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    if force:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)  # unlike a rename it never replaces what came meanwhile
    except FileExistsError:
        raise _taken(path) from None
    except OSError:
        if path.exists():
            raise _taken(path) from None
        temporary.replace(path)


def _taken(path: Path) -> UsageError:
    return UsageError(f"--output {path} is there already", fix="Give --force to replace it")

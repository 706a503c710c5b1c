"""A program in tmux: keys go in, and what a person would see comes out."""

import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_LOOK_SECONDS = 0.1
_ESCAPE_SECONDS = 0.4
"""A key that follows an escape too soon is taken for one with Alt."""


class Tmux:
    """A tmux server of its own with one window; ended when left."""

    def __init__(self, folder: Path, *, columns: int = 140, rows: int = 45) -> None:
        self._socket = folder / "tmux.sock"
        self._size = ("-x", str(columns), "-y", str(rows))
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux(), "kill-server"], check=False, capture_output=True)

    def run(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start the program in this environment and no other; its exit code is shown when it ends."""
        line = f"{shlex.join(command)}; echo ENDED $?; exec sleep 1000"
        subprocess.run(
            [*self._tmux(), "-f", "/dev/null", "new-session", "-d", *self._size, "sh", "-c", line],
            check=True,
            cwd=self._folder,
            env=dict(env),
        )

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names of them."""
        for key in keys:
            subprocess.run([*self._tmux(), "send-keys", "-t", "0", key], check=True)
            if key == "Escape":
                time.sleep(_ESCAPE_SECONDS)

    def type(self, text: str) -> None:
        """Type a text."""
        subprocess.run([*self._tmux(), "send-keys", "-t", "0", "-l", text], check=True)

    def screen(self) -> str:
        """What is on the screen."""
        done = subprocess.run(
            [*self._tmux(), "capture-pane", "-p", "-t", "0"], check=True, capture_output=True, text=True
        )
        return done.stdout

    def see(self, pattern: str, *, within: float = 30.0) -> re.Match[str]:
        """Wait until this is on the screen."""
        ends = time.monotonic() + within
        while True:
            screen = self.screen()
            found = re.search(pattern, screen)
            if found is not None:
                return found
            if time.monotonic() > ends:
                raise AssertionError(f"{pattern!r} is not on the screen:\n{screen}")
            time.sleep(_LOOK_SECONDS)

    def lose(self, pattern: str, *, within: float = 30.0) -> None:
        """Wait until this is on the screen no more."""
        ends = time.monotonic() + within
        while re.search(pattern, screen := self.screen()):
            if time.monotonic() > ends:
                raise AssertionError(f"{pattern!r} is still on the screen:\n{screen}")
            time.sleep(_LOOK_SECONDS)

    def _tmux(self) -> list[str]:
        return ["tmux", "-S", str(self._socket)]

"""The operator's clipboard, also over SSH and inside tmux; a file where nothing else is left."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

OSC52_LIMIT: Final = 74_000
"""Bytes; terminals throw longer sequences away without a word."""
TMUX_LIMIT: Final = 4_000_000
TMUX_SECONDS: Final = 3.0
DEAF_TERMINALS: Final = frozenset({"linux", "dumb", "vt100", "vt220"})
FILE: Final = "sensor-tui-clipboard.txt"


async def copy(text: str, osc52: Callable[[str], None], environment: Mapping[str, str]) -> str:
    """Copy by the best way there is; returns which, for people. Raises OSError where none is left."""
    length = len(text.encode(errors="replace"))
    if environment.get("TMUX") and length <= TMUX_LIMIT and await _tmux(text):
        return "with tmux load-buffer; also for prefix ]"
    if (
        not environment.get("TMUX")
        and length <= OSC52_LIMIT
        and environment.get("TERM") not in DEAF_TERMINALS
    ):
        osc52(text)
        return "by way of the terminal (OSC 52)"
    path = await asyncio.to_thread(_to_file, text, environment)
    why = "too long for the terminal's clipboard" if length > OSC52_LIMIT else "no clipboard can be reached"
    return f"to the file {path}: {why}"


async def _tmux(text: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux",
            "load-buffer",
            "-w",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False
    try:
        await asyncio.wait_for(process.communicate(text.encode(errors="replace")), TMUX_SECONDS)
    except (TimeoutError, OSError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return False
    return process.returncode == 0


def _to_file(text: str, environment: Mapping[str, str]) -> Path:
    """Only the operator can read it."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = (
        Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.mkdtemp(prefix="sensor-tui-"))
    )
    path = folder / FILE
    handle, made = tempfile.mkstemp(prefix=f".{FILE}.", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    Path(made).replace(path)
    return path

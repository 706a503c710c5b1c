"""Logging on standard error: one line each, secrets masked, other people's libraries quiet."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

from sensor_tui.cli.output import clean

MASK: Final = "********"
_SHORTEST_SECRET: Final = 4
"""Shorter ones are not worth hiding, and masking them would eat ordinary words."""

_NOISY: Final = ("aiohttp", "asyncio", "azure", "httpcore", "httpx", "urllib3")

Write = Callable[[str], None]


class Secrets:
    """Texts that never reach a log or an error message, whatever brought them there."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()

    def hide(self, *secrets: str | None) -> None:
        """Mask these from now on, as they are and as they look inside an address."""
        for secret in secrets:
            if secret is not None and len(secret) >= _SHORTEST_SECRET:
                self._hidden |= {secret, quote(secret), quote(secret, safe="")}

    def masked(self, text: str) -> str:
        """The text without them."""
        for secret in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


SECRETS: Final = Secrets()


class LineFormatter(logging.Formatter):
    """`2026-01-31T12:00:00Z INFO sync.engine: message`, on one line unless tracebacks are asked for."""

    def __init__(self, *, tracebacks: bool = False) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and str(error) not in message:
            message = f"{message}: {type(error).__name__}: {error}"
        name = record.name.removeprefix("sensor_tui.")
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = f"{at} {record.levelname} {name}: {clean(message)}"
        if self._tracebacks and record.exc_info:
            trace = self.formatException(record.exc_info)
            line = "\n".join([line, *(f"  {clean(part)}" for part in trace.splitlines())])
        return SECRETS.masked(line)


_WARNINGS_KEPT: Final = 1000


class LineHandler(logging.Handler):
    """Writes each record as a line, to standard error or to whoever draws there now."""

    def __init__(self) -> None:
        super().__init__()
        self.write: Write = _to_stderr
        self.warnings: list[str] = []
        """What was warned of, as far back as it matters, so that it need not be said again."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.warnings = [*self.warnings[-_WARNINGS_KEPT:], record.getMessage()]
        try:
            self.write(self.format(record))
        except Exception:  # noqa: BLE001 - a log that cannot be written must not stop the work
            self.handleError(record)


def _to_stderr(line: str) -> None:
    # The stream is looked up each time, since whoever captures it may have replaced it.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def setup(level: str, *, debug: bool) -> LineHandler:
    """Send every log to standard error at that level; `debug` shows everything of ours, with tracebacks."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, LineHandler):
            root.removeHandler(handler)
    lines = LineHandler()
    lines.setFormatter(LineFormatter(tracebacks=debug))
    root.addHandler(lines)
    set_level(level, debug=debug)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # What cannot be logged any more (a closed pipe) is not worth a traceback to a person.
    logging.raiseExceptions = debug
    return lines


def set_level(level: str, *, debug: bool) -> None:
    """Change the level; `debug` stands over it."""
    chosen = "DEBUG" if debug else level
    logging.getLogger("sensor_tui").setLevel(chosen)
    logging.getLogger().setLevel("INFO" if chosen == "DEBUG" else chosen)


@contextmanager
def above(handler: LineHandler, write: Write) -> Iterator[None]:
    """Let whoever keeps a line at the bottom of the terminal write the log lines above it."""
    before, handler.write = handler.write, write
    try:
        yield
    finally:
        handler.write = before


def notice(text: str) -> None:
    """Log what a person should know about the configuration."""
    logging.getLogger("sensor_tui.config").warning("%s", text)

"""The page and everything it loads: all of it from here, nothing from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import textual_serve

_OURS: Final = Path(__file__).with_name("assets")
_THEIRS: Final = Path(textual_serve.__file__).with_name("static")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file the page loads."""

    path: Path
    content_type: str

    @cache  # noqa: B019 - there are seven of them, and they last as long as the process
    def read(self) -> bytes:
        """What is in it."""
        return self.path.read_bytes()


PAGE: Final = Asset(_OURS / "page.html", "text/html")

ASSETS: Final[Mapping[str, Asset]] = {
    "js/page.js": Asset(_OURS / "page.js", "text/javascript"),
    "js/textual.js": Asset(_THEIRS / "js/textual.js", "text/javascript"),
    "css/page.css": Asset(_OURS / "page.css", "text/css"),
    "css/xterm.css": Asset(_THEIRS / "css/xterm.css", "text/css"),
    "fonts/RobotoMono.ttf": Asset(_THEIRS / "fonts/RobotoMono-VariableFont_wght.ttf", "font/ttf"),
    "fonts/RobotoMono-Italic.ttf": Asset(
        _THEIRS / "fonts/RobotoMono-Italic-VariableFont_wght.ttf", "font/ttf"
    ),
}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self';"
    " connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; sandbox allow-scripts allow-same-origin"
)
"""Styles are written by the terminal itself where a machine has no WebGL; nothing else may be inline. The
sandbox keeps a link in somebody's log line from opening another window."""

_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "clipboard-read=(), clipboard-write=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Server": "sensor-tui",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def headers_for(host: str | None) -> dict[str, str]:
    """What every answer says; `host` as the browser called us, None where it called us something else."""
    return {
        **_HEADERS,
        "Content-Security-Policy": _POLICY.format(host=host) if host else "default-src 'none'",
    }

"""The hostile corpus in `fixtures/hostile`."""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "fixtures" / "hostile"


def raw():
    """The files with bytes, by name."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.bin"))}


def texts():
    """Every text by name; bytes in each of the ways they may have been decoded."""
    entries = json.loads((FOLDER / "texts.json").read_text(encoding="ascii"))
    found = {entry["name"]: entry["text"] * entry.get("times", 1) for entry in entries}
    for name, data in raw().items():
        found[f"{name}, replaced"] = data.decode("utf-8", "replace")
        found[f"{name}, escaped"] = data.decode("utf-8", "surrogateescape")
        found[f"{name}, latin-1"] = data.decode("latin-1")
    return found


FORBIDDEN = frozenset(
    {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))}
    | set(
        "\u200b\u200c\u200d\u200e\u200f\u061c\u2028\u2029\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    | set(map(chr, range(0xD800, 0xE000)))
)
"""What no safe text has."""


def harm(text):
    """What of it must not be shown."""
    return sorted({character for character in text if character in FORBIDDEN})

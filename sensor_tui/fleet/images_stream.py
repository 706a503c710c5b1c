"""What an engine tells while it builds, pulls or pushes: lines for a person, and errors in between."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from sensor_tui.fleet.docker_errors import one_line
from sensor_tui.fleet.images_names import ImageError

Say = Callable[[str], None]

_ENDS: Final = frozenset({"Pull complete", "Already exists", "Pushed", "Layer already exists"})
_INNER: Final = ("--->", "Removing intermediate container", "Successfully ")


def follow(stream: Iterable[Mapping[str, Any]], say: Say) -> dict[str, Any]:
    """Say what is worth it, and return the facts the engine added (`aux`).

    Raises ImageError with the engine's own words, where they tell of an error.
    """
    facts: dict[str, Any] = {}
    last = ""
    for part in stream:
        if "error" in part or "errorDetail" in part:
            words = part.get("error") or (part.get("errorDetail") or {}).get("message")
            raise ImageError(_failure(one_line(words or "it failed"), last))
        facts.update(part.get("aux") or {})
        for line in _lines(part):
            say(line)
            if "stream" in part and not line.startswith("Step "):
                last = line
    return facts


def _failure(words: str, last: str) -> str:
    """A step's own last words are clearer than the code it ended with."""
    return last if last and "returned a non-zero code" in words else words


def _lines(part: Mapping[str, Any]) -> Iterator[str]:
    """The lines for a person in a message; progress of single bytes is not for a log."""
    if "stream" in part:
        for line in str(part["stream"]).splitlines():
            text = one_line(line)
            if text and not text.startswith(_INNER):
                yield text
        return
    status = str(part.get("status") or "")
    if "id" in part and status not in _ENDS:
        return
    if status:
        yield one_line(f"{part['id']}: {status}" if "id" in part else status)

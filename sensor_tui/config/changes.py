"""What a change of configuration means for a running engine."""

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from sensor_tui.config import catalogue
from sensor_tui.config.schema import Settings

_RECONNECT: Final = ("cosmos.*",)
_LIVE: Final = (
    *_RECONNECT,
    "performance.*",
    "logging.*",
    "config_watch.*",
    "retention.*",
    # Read by each command when it runs, never by the engine.
    "fleet.*",
    "dashboard.*",
    "cities",
)


def _matching(patterns: tuple[str, ...]) -> Iterator[str]:
    for key in catalogue.leaves():
        if any(fnmatchcase(key, pattern) for pattern in patterns):
            yield key


RECONNECT_KEYS: Final[frozenset[str]] = frozenset(_matching(_RECONNECT))
"""Keys that take effect with a new connection to the account."""

LIVE_KEYS: Final[frozenset[str]] = frozenset(_matching(_LIVE))
"""Keys that take effect while the engine runs, with a new connection where `RECONNECT_KEYS` says so."""


def values_of(settings: Settings) -> dict[str, Any]:
    """The value of every key, by its dotted name, in the schema's order."""
    return {key: _value(settings, key) for key in catalogue.leaves()}


def _value(settings: Settings, key: str) -> Any:
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def diff(old: Settings, new: Settings) -> list[str]:
    """Dotted keys whose values differ; the values stay unsaid, since some are secrets."""
    before: Mapping[str, Any] = values_of(old)
    return [key for key, value in values_of(new).items() if before[key] != value]


def needs_reconnect(changed: Collection[str]) -> bool:
    """Whether the change reaches the engine only with a new connection to the account."""
    return not RECONNECT_KEYS.isdisjoint(changed)


def needs_restart(changed: Collection[str]) -> bool:
    """Whether some of the change reaches a running engine only after a restart."""
    return not LIVE_KEYS.issuperset(changed)

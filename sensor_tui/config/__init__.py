"""Configuration: one schema, one loader, one watcher.

`load` reads options, environment, `.env` and a YAML file into `Settings`; `ConfigWatcher` picks up changes.
Names are loaded when first used, since pydantic and YAML cost more start-up time than `--help` may take.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sensor_tui.config.changes import LIVE_KEYS, RECONNECT_KEYS, diff, needs_reconnect, needs_restart
    from sensor_tui.config.loader import Loaded, load
    from sensor_tui.config.schema import City, CosmosSettings, PerformanceSettings, Settings
    from sensor_tui.config.show import MASK, as_dict, json_schema, template, to_yaml
    from sensor_tui.config.watch import ConfigWatcher

__all__ = [
    "LIVE_KEYS",
    "MASK",
    "RECONNECT_KEYS",
    "City",
    "ConfigWatcher",
    "CosmosSettings",
    "Loaded",
    "PerformanceSettings",
    "Settings",
    "as_dict",
    "diff",
    "json_schema",
    "load",
    "needs_reconnect",
    "needs_restart",
    "template",
    "to_yaml",
]

_HOMES: Final[dict[str, str]] = {
    **dict.fromkeys(["LIVE_KEYS", "RECONNECT_KEYS", "diff", "needs_reconnect", "needs_restart"], "changes"),
    **dict.fromkeys(["Loaded", "load"], "loader"),
    **dict.fromkeys(["City", "CosmosSettings", "PerformanceSettings", "Settings"], "schema"),
    **dict.fromkeys(["MASK", "as_dict", "json_schema", "template", "to_yaml"], "show"),
    "ConfigWatcher": "watch",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load the module a public name lives in."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

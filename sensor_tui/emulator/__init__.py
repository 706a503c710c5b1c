"""A local Cosmos DB endpoint with its own store, for the demo, for work without a network, and for tests.

Names are imported on demand, so that asking for the settings does not load the server.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sensor_tui.emulator.emulator import Emulator, serve
    from sensor_tui.emulator.faults import Fault, Faults
    from sensor_tui.emulator.settings import EMULATOR_KEY, EmulatorSettings

__all__ = ["EMULATOR_KEY", "Emulator", "EmulatorSettings", "Fault", "Faults", "serve"]

_HOMES = {
    "EMULATOR_KEY": "settings",
    "EmulatorSettings": "settings",
    "Emulator": "emulator",
    "serve": "emulator",
    "Fault": "faults",
    "Faults": "faults",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

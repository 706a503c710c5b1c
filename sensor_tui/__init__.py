"""sensor-tui: a dashboard for sensor fleets and the engine that uploads their readings."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sensor-tui")
except PackageNotFoundError:  # running from a tree that was never installed
    __version__ = "0.0.0"

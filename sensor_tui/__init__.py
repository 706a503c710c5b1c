"""sensor-tui: a dashboard for sensor fleets and the engine that uploads their readings."""


def __getattr__(name: str) -> str:
    # looked up when asked for: reading package metadata costs more than all of `--help`
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("sensor-tui")
        except PackageNotFoundError:  # a tree that was never installed
            return "0.0.0"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

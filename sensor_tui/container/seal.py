"""The last step of building the image: compile the program, and import what both roles need."""

import compileall
import py_compile
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

PROGRAM: Final = Path(__file__).resolve().parents[2]
OLDEST: Final = (3, 11)
NEEDED: Final = (
    "sqlite3",
    "ssl",
    "sensor_tui.container.entry",
    "sensor_tui.cli.simulate",
    "sensor_tui.simulator.run",
    "sensor_tui.cli.sync",
    "sensor_tui.service.process",
    "sensor_tui.service.metrics",
    "sensor_tui.sync.sinks.cosmos",
    "azure.cosmos.aio",
    "prometheus_client",
)


def main() -> int:
    """Return 0 where the image will work, else say in one line why not and return 1."""
    if sys.version_info < OLDEST:
        sys.stderr.write(
            f"Python {sys.version_info.major}.{sys.version_info.minor} is too old: 3.11 is needed\n"
        )
        return 1
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    # What cannot be compiled and is needed is told of by its import.
    compileall.compile_dir(PROGRAM / "sensor_tui", quiet=2, workers=0, invalidation_mode=mode)
    sys.path.insert(0, str(PROGRAM))
    for name in NEEDED:
        try:
            import_module(name)
        except (ImportError, SyntaxError) as error:
            sys.stderr.write(f"{name} does not work with this base: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.path.pop(0)  # its own folder, where names of the standard library could be hidden
    sys.exit(main())

"""What a compose file says there should be: its services and their images."""

from pathlib import Path
from typing import Any, Final

from sensor_tui.errors import FleetError

_LARGEST: Final = 64 << 20
_MEND: Final = "Write it again with 'sensor-tui compose', or name another one (fleet.compose_output)"


def composed(file: Path) -> dict[str, str]:
    """Images by service; an empty image where the file names none. Blocks.

    Raises:
        FleetError: it cannot be read, or is no compose file.
    """
    import yaml

    try:
        with file.open("rb") as opened:
            text = opened.read(_LARGEST)
    except OSError as error:
        raise FleetError(f"{file} cannot be read: {error.strerror}", fix=_MEND) from error
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        tree = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, the faster one where there is one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FleetError(f"{file} is not valid YAML: {_place(error)}", fix=_MEND) from error
    services = tree.get("services") if isinstance(tree, dict) else None
    if not isinstance(services, dict):
        raise FleetError(f"{file} is no compose file: it has no services", fix=_MEND)
    return {
        str(name): str(each.get("image") or "") if isinstance(each, dict) else ""
        for name, each in services.items()
    }


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark is not None else type(error).__name__

"""The data folders that ship with the package: themes, compose, fixtures."""

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: Literal["themes", "compose", "fixtures"]) -> Path:
    """Folder of that name: inside the wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name

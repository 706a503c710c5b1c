"""Fleets to render, the command line inside the test, and what Compose reads."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sensor_tui.cli import logs
from sensor_tui.cli.main import main

OURS = ("COSMOS_", "AZURE_", "SENSOR", "CONFIG_FILE", "LOG_LEVEL", "NO_COLOR", "READINGS_", "COMPOSE_",
        "XDG_", "MAX_CITIES", "UPLOAD", "ARCHIVE_", "ANOMALY_", "REGION")  # fmt: skip


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def yaml(self) -> Any:
        return yaml.safe_load(self.out)


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder, none of the product's variables, logging as it was."""
    for name in os.environ:
        if name.startswith(OURS) and not name.startswith("SENSOR_TUI_"):
            monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logs.LineHandler):
            root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("sensor_tui").setLevel(logging.NOTSET)
    logging.raiseExceptions = True


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Call `sensor-tui compose` inside this process."""

    def call(*arguments: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["compose", *map(str, arguments)])
        out, err = capfd.readouterr()
        code = exit_.value.code
        assert isinstance(code, int)
        return Done(code, out, err)

    return call

"""Configurations that work and configurations that do not, and checks made on them."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.config import load
from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.diagnostics import Context, Diagnostics, of_request
from sensor_tui.service.request import SyncRequest
from sensor_tui.simulator.sample import write_sample


class ShiftedClock(SystemClock):
    """A clock of a machine that nobody has set."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sensor(root: Path) -> Callable[..., Path]:
    def make(name: str = "A", *, city: str = "London", rows: int = 20, **options: Any) -> Path:
        path = root / city / name / "sensor_data.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        given = {"generation": "2025-08", "seed": sum(name.encode())} | options
        write_sample(path, rows=rows, city=city, **given)
        return path

    return make


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as running:
        yield running


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Any]:
    def make(emulator: Emulator | None = None, /, **cosmos: Any) -> Any:
        given = {"endpoint": emulator.url, "key": emulator.key} if emulator is not None else {}
        path = tmp_path / "sensor-tui.yaml"
        path.write_text(json.dumps({"cosmos": given | cosmos}))
        return load(path, env={}, cwd=tmp_path).settings

    return make


@pytest.fixture
def context(root: Path, settings_for: Callable[..., Any]) -> Callable[..., Context]:
    """What checks are made on, with changes."""

    def make(settings: Any = None, *, write: bool = False, clock: Any = None, **changes: Any) -> Context:
        made = of_request(settings or settings_for(), SyncRequest(root), clock or SystemClock(), write=write)
        return replace(made, **changes)

    return make


@pytest.fixture
def check(context: Callable[..., Context]) -> Callable[..., Any]:
    """Make one check."""

    async def make(name: str, settings: Any = None, **options: Any) -> Any:
        diagnostics = Diagnostics(context(settings, **options))
        try:
            return await diagnostics.run_check(name)
        finally:
            await diagnostics.close()

    return make


@pytest.fixture
def shifted() -> type[ShiftedClock]:
    return ShiftedClock

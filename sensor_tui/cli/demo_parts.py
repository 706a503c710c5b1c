"""What a demo is made of: its plan, its configuration, and the commands that run as processes."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.simulate import folder_name

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.model.unit import UnitSpec
    from sensor_tui.service.request import SyncRequest

DATABASE: Final = "SensorData"
CONTAINER: Final = "SensorReadings"
CONFIG: Final = "sensor-tui.yaml"
PARTITIONS: Final = 2
INTERVAL_SECONDS: Final = 5
SEED: Final = 1

_UNITS_PER_DOCUMENT: Final = 5.33
_SPARE: Final = 1.2
"""How much more than the average a range takes: enough to keep up, too little for a round at once."""

_ENVIRONMENT: Final = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
)
_ENVIRONMENT_PREFIXES: Final = ("COVERAGE_", "LC_", "LD_", "PYTHON", "XDG_")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to show: cities, sensors in each, readings a second of each, how long, the endpoint's limit."""

    cities: int
    sensors: int
    rate: float
    seconds: float | None
    ru_per_second: float | None
    debug: bool = False

    @property
    def limit(self) -> float:
        """Request units a second; by default so many that one range could take every city."""
        if self.ru_per_second is not None:
            return self.ru_per_second
        needed = self.cities * self.sensors * self.rate * _UNITS_PER_DOCUMENT
        return float(math.ceil(max(needed, _UNITS_PER_DOCUMENT) * PARTITIONS * _SPARE))


@dataclass(frozen=True, slots=True)
class PlannedSensor:
    """One sensor of a demo; `data` is its folder, relative to the data root."""

    city: str
    number: int
    sensor_id: str
    generation: str
    data: Path

    def command(self, plan: Plan, *further: str) -> list[str]:
        """What it runs as, in the folder of the demo."""
        options = (f"--rate={plan.rate}", f"--generation={self.generation}", f"--seed={SEED}")
        file = Path("data") / self.data / "sensor_data.db"
        place = (f"--sensor-id={self.sensor_id}", f"--city={self.city}", f"--db={file}")
        return command(plan, "simulate", *place, *options, *further)

    def unit(self, plan: Plan, folder: Path) -> "UnitSpec":
        """What it is as a unit, which ends when the keeper of the demo does."""
        from sensor_tui.cli.demo_sweep import LOCK
        from sensor_tui.cli.leash import held_by
        from sensor_tui.model.names import sensor_unit_name
        from sensor_tui.model.unit import Role, UnitSpec

        return UnitSpec(
            name=sensor_unit_name(self.city, self.number),
            command=(sys.executable, *held_by(folder / LOCK, self.command(plan))),
            role=Role.SENSOR,
            cwd=str(folder),
            city=self.city,
            project="demo",
            sensor_id=self.sensor_id,
            data=str(self.data),
        )


def planned(plan: Plan) -> list[PlannedSensor]:
    """Every sensor, the generations in turn."""
    from sensor_tui.model.names import sensor_id_for
    from sensor_tui.simulator.cities import load_cities

    sensors = []
    for city in load_cities()[: plan.cities]:
        for number in range(1, plan.sensors + 1):
            sensor_id = sensor_id_for(city.name, number, SEED)
            generation = "2025-08" if number % 2 else "2025-04"
            data = Path(folder_name(city.name), sensor_id)
            sensors.append(PlannedSensor(city.name, number, sensor_id, generation, data))
    return sensors


def endpoint_command(plan: Plan) -> list[str]:
    """The local Cosmos DB endpoint."""
    options = ("--json", "--port=0", "--control", "--data=cosmos.db", f"--partitions={PARTITIONS}")
    return command(plan, "emulator", *options, f"--ru-per-second={plan.limit}")


def sync_command(plan: Plan) -> list[str]:
    """The continuous upload."""
    return command(plan, "sync", "--continuous", "--data-dir=data", f"--config={CONFIG}")


def command(plan: Plan, name: str, *options: str) -> list[str]:
    """A command of this program with its options."""
    return [name, *options, *(["--debug"] if plan.debug else [])]


def configure(folder: Path, about: Mapping[str, Any]) -> "tuple[Settings, SyncRequest]":
    """Write the configuration of the upload, and read it as the upload will."""
    from sensor_tui.config import load
    from sensor_tui.service.request import SyncRequest

    data = folder / "data"
    data.mkdir()
    path = folder / CONFIG
    path.write_text(
        f"cosmos: {{endpoint: {about['endpoint']}, database: {DATABASE}, container: {CONTAINER}}}\n"
        f"performance: {{upload_interval_seconds: {INTERVAL_SECONDS}, upload_jitter_seconds: 0}}\n"
        "data_dir: data\n",
        encoding="utf-8",
    )
    settings = load(path, env={"COSMOS_KEY": about["key"]}, cwd=folder).settings
    return settings, SyncRequest(data)


async def count_documents(about: Mapping[str, Any]) -> int:
    """How many documents the endpoint holds, asked of the endpoint itself."""
    import httpx

    address = f"{about['endpoint']}/_control/ranges/{DATABASE}/{CONTAINER}"
    async with httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
        answer = await client.get(address, headers={"x-emulator-key": about["key"]})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return 0
    return sum(int(one["count"]) for one in answer.raise_for_status().json()["ranges"])


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: nothing that configures this product."""
    return {
        name: value
        for name, value in own.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }

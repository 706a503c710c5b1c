"""Containers full of documents to delete."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import SecretStr

from sensor_tui.config import load
from sensor_tui.emulator import Emulator
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.service.clean import Cleaner, Outcome
from sensor_tui.service.clean_query import Selection
from sensor_tui.sync.contract import MISSING, Parcel
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink

DATABASE, CONTAINER = "SensorData", "SensorReadings"
CITIES = ("London", "São Paulo", "Nu'uk", "東京", 'Quote "City"', "A/B", "Zürich", "Accra")


def documents(count: int, cities: Sequence[Any] = CITIES, prefix: str = "d") -> list[dict[str, Any]]:
    """Readings spread over cities; every seventh is an anomaly."""
    return [
        {
            "id": f"{prefix}{number:06}",
            "city": cities[number % len(cities)],
            "sensorId": f"S{number % 5}",
            "timestamp": f"2025-08-{1 + number % 28:02}T00:00:00.000000Z",
            "anomalyFlag": int(number % 7 == 0),
            "temperature": number / 7,
        }
        for number in range(count)
    ]


async def fill(options: CosmosOptions, made: Sequence[dict[str, Any]], clock: Clock | None = None) -> None:
    """Create documents as the engine would, in bulk."""
    sink = CosmosSink(options, clock or SystemClock())
    await sink.open()
    try:
        for first in range(0, len(made), 100):
            lanes: dict[str, list[Parcel]] = {}
            for document in made[first : first + 100]:
                route = sink.route(document.get(sink.key_field, MISSING))
                body = orjson.dumps(document)
                lanes.setdefault(route.lane, []).append(Parcel(route, [0], [body], len(body)))
            answers = await asyncio.gather(*(sink.send(lane, parcels) for lane, parcels in lanes.items()))
            assert not any(answer.exceptions for answer in answers)
    finally:
        await sink.close()


@dataclass
class Place:
    """An account, and the way to it."""

    url: str
    key: str
    clock: Clock
    emulator: Emulator | None = None
    ca_file: Any = None
    performance: dict[str, Any] = field(default_factory=dict)
    cosmos: dict[str, Any] = field(default_factory=dict)

    def options(self, **changes: Any) -> CosmosOptions:
        given = {"endpoint": self.url, "key": SecretStr(self.key), "ca_file": self.ca_file}
        return CosmosOptions(**(given | changes))

    def settings(self) -> Any:
        cosmos = {"endpoint": self.url, "key": self.key} | self.cosmos
        if self.ca_file is not None:
            cosmos["connection"] = {"ca_file": str(self.ca_file)}
        return load(None, env={}, overrides={"cosmos": cosmos, "performance": self.performance}).settings

    def cleaner(self, **selection: Any) -> Cleaner:
        return Cleaner(self.settings(), Selection(**selection), self.clock)

    async def fill(self, made: Sequence[dict[str, Any]], **changes: Any) -> None:
        await fill(self.options(**changes), made, self.clock)

    async def clean(self, **selection: Any) -> Outcome:
        """Count, then delete."""
        async with self.cleaner(**selection) as cleaner:
            counted, until_ts = await cleaner.bound()
            return await cleaner.clean(counted, until_ts)

    def left(self, container: str = CONTAINER) -> list[dict[str, Any]]:
        assert self.emulator is not None
        return self.emulator.documents(DATABASE, container)

    def ids(self, container: str = CONTAINER) -> set[str]:
        return {document["id"] for document in self.left(container)}

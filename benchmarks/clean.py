"""Deleting from a container: `clean` beside `delete_item` of the SDK, fifty at a time, at one endpoint.

Both delete for real, from our endpoint in a process of its own; client CPU is of the deleting process alone.
`python -m benchmarks.clean serve|ours|sdk …` are its parts.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.common import CITIES, KEY, ROOT, Line, child, cpu_seconds, settings_for

OURS: Final = 40_000
SDK: Final = 3_000
AT_ONCE: Final = 50
LEAST_RATIO: Final = 50.0


def measure() -> list[Line]:
    """Documents a second and CPU per document, of both in one run."""
    with endpoint() as url:
        child("benchmarks.clean", "fill", url, OURS)
        ours = child("benchmarks.clean", "ours", url)
        child("benchmarks.clean", "fill", url, SDK)
        sdk = child("benchmarks.clean", "sdk", url)
    assert (ours["documents"], sdk["documents"]) == (OURS, SDK), "each has to delete everything"
    own, other = (each["cpu_us"] / each["documents"] for each in (ours, sdk))
    per_request = ours["documents"] / ours["requests"]
    return [
        Line("clean: documents a second", f"{ours['documents'] / ours['seconds']:,.0f}"),
        Line("clean: CPU per document", f"{own:.1f} us"),
        Line("clean: documents per request, queries included", f"{per_request:.0f}"),
        Line("SDK delete_item: documents a second", f"{sdk['documents'] / sdk['seconds']:,.0f}"),
        Line("SDK delete_item: CPU per document", f"{other:,.0f} us"),
        Line("ratio of CPU", f"1/{other / own:.0f}", f"<= 1/{LEAST_RATIO:.0f}", other >= LEAST_RATIO * own),
    ]


@contextmanager
def endpoint() -> Iterator[str]:
    """Our endpoint in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "benchmarks.clean", "serve"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(30)


async def serve() -> None:
    """Be the endpoint until standard input ends."""
    from sensor_tui.emulator import Emulator, EmulatorSettings

    async with Emulator(EmulatorSettings(port=0, key=KEY)) as emulator:
        print(emulator.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def fill(url: str, count: int) -> dict[str, Any]:
    """Create so many readings in eight cities."""
    import orjson

    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.cosmos_options import cosmos_options
    from sensor_tui.sync.contract import Parcel
    from sensor_tui.sync.sinks.cosmos.sink import CosmosSink

    sink = CosmosSink(cosmos_options(settings_for(url)), SystemClock())
    await sink.open()
    try:
        for first in range(0, count, 100):
            route = sink.route(city := CITIES[first // 100 % len(CITIES)])
            bodies = [
                orjson.dumps({"id": f"{number:032x}", "sensorId": "S", "city": city, "temperature": 20.5})
                for number in range(first, first + 100)
            ]
            size = sum(map(len, bodies)) + 100 * (len(route.prefix) + 2)
            await sink.send(route.lane, [Parcel(route, range(100), bodies, size)])
    finally:
        await sink.close()
    return {"documents": count}


async def ours(url: str) -> dict[str, Any]:
    """Delete everything as the command does."""
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.clean import Cleaner
    from sensor_tui.service.clean_query import Selection

    async with Cleaner(settings_for(url), Selection(), SystemClock()) as cleaner:
        counted, until_ts = await cleaner.bound()
        cpu = cpu_seconds()
        outcome = await cleaner.clean(counted, until_ts)
        cpu = cpu_seconds() - cpu
    return {
        "documents": outcome.deleted,
        "requests": outcome.requests,
        "cpu_us": cpu * 1e6,
        "seconds": outcome.seconds,
    }


async def sdk(url: str) -> dict[str, Any]:
    """Delete everything with `query_items` and `delete_item`."""
    from azure.cosmos.aio import CosmosClient

    async with CosmosClient(url, KEY) as client:
        container = client.get_database_client("SensorData").get_container_client("SensorReadings")
        room = asyncio.Semaphore(AT_ONCE)

        async def one(found: dict[str, Any]) -> None:
            async with room:
                await container.delete_item(found["id"], found["city"])

        loop = asyncio.get_running_loop()
        cpu, started = cpu_seconds(), loop.time()
        found = [each async for each in container.query_items("SELECT c.id, c.city FROM c")]
        await asyncio.gather(*map(one, found))
        cpu, seconds = cpu_seconds() - cpu, loop.time() - started
    return {"documents": len(found), "cpu_us": cpu * 1e6, "seconds": seconds}


def main() -> None:
    """One of the parts, as a process."""
    part, *rest = sys.argv[1:]
    if part == "serve":
        asyncio.run(serve())
        return
    from sensor_tui.service.loop import run

    url = rest[0]
    work = {"fill": lambda: fill(url, int(rest[1])), "ours": lambda: ours(url), "sdk": lambda: sdk(url)}[part]
    print(json.dumps(run(work())))


if __name__ == "__main__":
    main()

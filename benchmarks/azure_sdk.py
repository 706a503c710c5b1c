"""azure-cosmos in a process of its own: `python -m benchmarks.azure_sdk create|batch ENDPOINT FILE COUNT`."""

import asyncio
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from azure.cosmos.aio import ContainerProxy, CosmosClient

from benchmarks.common import KEY, cpu_seconds

AT_ONCE = 50
BATCH = 100


async def create(container: ContainerProxy, documents: list[dict[str, Any]]) -> None:
    """`create_item`, fifty at a time, as Microsoft's guide advises for want of bulk."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(document: dict[str, Any]) -> None:
        async with room:
            await container.create_item(document)

    await asyncio.gather(*(one(document) for document in documents))


async def batch(container: ContainerProxy, documents: list[dict[str, Any]]) -> None:
    """`execute_item_batch`, a hundred of one city at a time."""
    room = asyncio.Semaphore(AT_ONCE)
    cities: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for document in documents:
        cities[document["city"]].append(document)

    async def one(city: str, some: list[dict[str, Any]]) -> None:
        async with room:
            await container.execute_item_batch(
                [("create", (document,)) for document in some], partition_key=city
            )

    await asyncio.gather(
        *(
            one(city, every[first : first + BATCH])
            for city, every in cities.items()
            for first in range(0, len(every), BATCH)
        )
    )


async def main(how: str, endpoint: str, documents: list[dict[str, Any]]) -> None:
    async with CosmosClient(endpoint, KEY) as client:
        container = client.get_database_client("SensorData").get_container_client("SensorReadings")
        write = {"create": create, "batch": batch}[how]
        await write(container, documents[:100])
        loop = asyncio.get_running_loop()
        cpu, started = cpu_seconds(), loop.time()
        await write(container, documents)
        cpu, seconds = cpu_seconds() - cpu, loop.time() - started
    print(json.dumps({"documents": len(documents), "cpu_us": cpu * 1e6, "seconds": seconds}))


if __name__ == "__main__":
    how, endpoint, path, count = sys.argv[1:]
    lines = Path(path).read_text(encoding="utf-8").splitlines()[: int(count)]
    asyncio.run(main(how, endpoint, [json.loads(line) for line in lines]))

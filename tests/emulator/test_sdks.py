"""Microsoft's own SDKs, unmodified, against the endpoint."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from azure.cosmos.aio import CosmosClient as AsyncCosmosClient
from azure.cosmos.exceptions import (
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from sensor_tui.emulator import Emulator, EmulatorSettings
from tests.support.components import node_modules

SCRIPT = Path(__file__).parent / "js" / "sdk.cjs"
CITIES = [f"city-{number}" for number in range(12)]
DOCUMENTS = [{"id": f"r{n}", "city": CITIES[n % 12], "n": n * 37 % 101, "s": f"t{n % 5}"} for n in range(120)]
NUMBERS = [one["n"] for one in DOCUMENTS]
SORTED = sorted(NUMBERS)


@pytest.fixture
async def emulator():
    async with Emulator(EmulatorSettings(port=0, control=True)) as started:
        yield started


QUERIES: list[tuple[str, Callable[[list[Any]], Any], Any]] = [
    ("SELECT VALUE COUNT(1) FROM c", list, [120]),
    ("SELECT VALUE SUM(c.n) FROM c", list, [sum(NUMBERS)]),
    ("SELECT VALUE MIN(c.n) FROM c", list, [SORTED[0]]),
    ("SELECT VALUE MAX(c.s) FROM c", list, ["t4"]),
    ("SELECT VALUE AVG(c.n) FROM c", lambda rows: [round(row, 9) for row in rows],
     [round(sum(NUMBERS) / 120, 9)]),
    ("SELECT VALUE COUNT(1) FROM c WHERE c.n > 50", list, [sum(n > 50 for n in NUMBERS)]),
    ("SELECT VALUE MAX(c.n) FROM c WHERE c.n > 50 AND c.city = 'city-3'", list,
     [max(one["n"] for one in DOCUMENTS if one["city"] == "city-3")]),
    ("SELECT * FROM c", len, 120),
    ("SELECT VALUE c.id FROM c WHERE c.n IN (3, 5, 8)", sorted,
     sorted(one["id"] for one in DOCUMENTS if one["n"] in {3, 5, 8})),
    ("SELECT VALUE c.n FROM c ORDER BY c.n", list, SORTED),
    ("SELECT VALUE c.n FROM c ORDER BY c.n DESC", list, SORTED[::-1]),
    ("SELECT c.s, c.n FROM c ORDER BY c.s, c.n DESC", lambda rows: [(row["s"], row["n"]) for row in rows],
     sorted(((one["s"], one["n"]) for one in DOCUMENTS), key=lambda row: (row[0], -row[1]))),
    ("SELECT TOP 7 VALUE c.n FROM c ORDER BY c.n", list, SORTED[:7]),
    ("SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 10 LIMIT 5", list, SORTED[10:15]),
    ("SELECT TOP 9 * FROM c", len, 9),
    ("SELECT * FROM c OFFSET 100 LIMIT 50", len, 20),
    ("SELECT DISTINCT VALUE c.city FROM c", sorted, sorted(CITIES)),
    ("SELECT DISTINCT VALUE c.s FROM c ORDER BY c.s", list, ["t0", "t1", "t2", "t3", "t4"]),
]  # fmt: skip


def synchronous(emulator: Emulator) -> None:
    with CosmosClient(emulator.url, emulator.key, retry_backoff_max=1) as client:
        database = client.create_database_if_not_exists("sync")
        container = database.create_container_if_not_exists(
            "readings", PartitionKey(path="/city"), offer_throughput=800
        )
        assert container.get_throughput().offer_throughput == 800
        assert container.replace_throughput(1200).offer_throughput == 1200
        for document in DOCUMENTS:
            container.create_item(dict(document))
        with pytest.raises(CosmosResourceExistsError):
            container.create_item(dict(DOCUMENTS[0]))
        read = container.read_item("r5", "city-5")
        assert read["n"] == DOCUMENTS[5]["n"]
        assert container.upsert_item({**read, "extra": 1})["extra"] == 1
        assert container.replace_item("r5", {**read, "extra": 2})["extra"] == 2
        patched = container.patch_item("r5", "city-5", [{"op": "remove", "path": "/extra"}])
        assert "extra" not in patched
        container.create_item({"id": "gone", "city": "city-5"})
        container.delete_item("gone", "city-5")
        with pytest.raises(CosmosResourceNotFoundError):
            container.read_item("gone", "city-5")

        pages = [list(page) for page in container.read_all_items(max_item_count=13).by_page()]
        assert sorted(one["id"] for page in pages for one in page) == sorted(one["id"] for one in DOCUMENTS)
        assert max(len(page) for page in pages) <= 13
        first = container.query_items(
            "SELECT * FROM c WHERE c.n > 20", enable_cross_partition_query=True, max_item_count=11
        ).by_page()
        ids = [one["id"] for one in next(first)]
        rest = container.query_items(
            "SELECT * FROM c WHERE c.n > 20", enable_cross_partition_query=True, max_item_count=11
        )
        ids += [one["id"] for page in rest.by_page(first.continuation_token) for one in page]
        assert sorted(ids) == sorted(one["id"] for one in DOCUMENTS if one["n"] > 20)

        for text, shape, expected in QUERIES:
            for size in (None, 7):
                found = container.query_items(text, enable_cross_partition_query=True, max_item_count=size)
                assert shape(list(found)) == expected, text
        inside = container.query_items(
            "SELECT c.s, COUNT(1) AS many FROM c WHERE c.city = @city GROUP BY c.s",
            parameters=[{"name": "@city", "value": "city-1"}], partition_key="city-1",
        )  # fmt: skip
        assert sum(row["many"] for row in inside) == 10
        with pytest.raises(CosmosHttpResponseError, match="unsupported features"):
            list(
                container.query_items(
                    "SELECT c.s, COUNT(1) AS n FROM c GROUP BY c.s", enable_cross_partition_query=True
                )
            )
        many = container.read_items([(one["id"], one["city"]) for one in DOCUMENTS])
        assert len(many) == 120

        feeds = list(container.read_feed_ranges())
        assert len(feeds) == 4
        total = 0
        for feed in feeds:
            total += len(list(container.query_items("SELECT * FROM c", feed_range=feed)))
        assert total == 120

        operations = [
            ("create", ({"id": "b1", "city": "city-1"},)),
            ("upsert", ({"id": "b2", "city": "city-1"},)),
            ("read", ("b1",)),
        ]
        assert [one["statusCode"] for one in container.execute_item_batch(operations, "city-1")] == [
            201,
            201,
            200,
        ]
        with pytest.raises(CosmosBatchOperationError) as caught:
            container.execute_item_batch(
                [("delete", ("b2",)), ("create", ({"id": "b1", "city": "city-1"},))], "city-1"
            )
        assert [one["statusCode"] for one in caught.value.operation_responses] == [424, 409]
        assert container.read_item("b2", "city-1")["id"] == "b2"


async def asynchronous(emulator: Emulator) -> None:
    async with AsyncCosmosClient(emulator.url, emulator.key) as client:
        database = await client.create_database_if_not_exists("async")
        container = await database.create_container_if_not_exists("readings", PartitionKey(path="/city"))
        await asyncio.gather(*(container.create_item(dict(document)) for document in DOCUMENTS))
        for text, shape, expected in QUERIES:
            found = [row async for row in container.query_items(text, max_item_count=9)]
            assert shape(found) == expected, text

        # Ranges are read once, then only asked whether they changed.
        ranges = emulator.faults.answer(503, kind="pkranges", nth=10_000)
        assert [row async for row in container.query_items("SELECT VALUE COUNT(1) FROM c")] == [120]
        before = ranges.seen
        emulator.split("async", "readings", "2")
        emulator.split("async", "readings", "5")
        assert [row async for row in container.query_items("SELECT VALUE COUNT(1) FROM c")] == [120]
        assert [row async for row in container.query_items("SELECT VALUE c.n FROM c ORDER BY c.n")] == SORTED
        assert ranges.seen > before
        await container.create_item({"id": "after", "city": "city-7"})

        throttle = emulator.faults.throttle(kind="create", times=3, retry_after_ms=1)
        await container.create_item({"id": "throttled", "city": "city-1"})
        assert throttle.hits == 3
        assert (await container.read_item("throttled", "city-1"))["id"] == "throttled"


async def test_the_python_sdk(emulator):
    await asyncio.to_thread(synchronous, emulator)


async def test_the_asynchronous_python_sdk(emulator):
    await asynchronous(emulator)


async def test_the_python_sdk_with_a_wrong_key(emulator):
    client = AsyncCosmosClient(emulator.url, "d3Jvbmc=")
    try:
        with pytest.raises(CosmosHttpResponseError) as caught:
            await client.create_database("x")
    finally:
        await client.close()
    assert caught.value.status_code == 401


@pytest.mark.component("node")
async def test_the_javascript_sdk(emulator):
    given = {"NODE_PATH": str(node_modules()), "EMULATOR_URL": emulator.url, "EMULATOR_KEY": emulator.key}
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | given,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert json.loads(output) == {"bulk": 240, "pages": 15, "ranges": 6}
    assert not emulator.store.containers

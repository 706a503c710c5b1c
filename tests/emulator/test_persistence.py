"""What is acknowledged stays: over a restart, and over the death of the process."""

import asyncio
import os
import signal
import sqlite3
import sys

import pytest

from sensor_tui.emulator import Emulator, EmulatorSettings, serve
from sensor_tui.errors import StorageError, UsageError
from sensor_tui.model.clock import SystemClock


async def test_everything_is_there_after_a_restart(start, tmp_path, create_operation):
    data = tmp_path / "store"
    wire = await start(data=data)
    for number in range(20):
        await wire.create({"id": str(number), "city": f"c{number}"})
    wire.emulator.split("d", "c", "1")
    before = {
        "database": (await wire("GET", "/dbs/d")).json,
        "container": (await wire("GET", "/dbs/d/colls/c")).json,
        "ranges": await wire.ranges(),
        "offers": (await wire("GET", "/offers")).json,
        "documents": wire.emulator.documents("d", "c"),
    }
    await wire.emulator.stop()
    assert (data / "emulator.db").is_file()

    again = await start(data=data, made=False)
    after = {
        "database": (await again("GET", "/dbs/d")).json,
        "container": (await again("GET", "/dbs/d/colls/c")).json,
        "ranges": await again.ranges(),
        "offers": (await again("GET", "/offers")).json,
        "documents": again.emulator.documents("d", "c"),
    }
    assert after == before
    rids = {one["_rid"] for one in after["documents"]}
    made = await again.create({"id": "new", "city": "c1"})
    assert made.json["_rid"] not in rids
    assert again.emulator.split("d", "c", "4")[0].id == "6"


_SERVER = """
import asyncio, sys
from pathlib import Path
from sensor_tui.emulator import EmulatorSettings, serve
asyncio.run(serve(EmulatorSettings(port=0, data=Path(sys.argv[1])), ready=lambda url: print(url, flush=True)))
"""


async def test_what_was_acknowledged_survives_sigkill(start, tmp_path, create_operation, cities_of):
    path = tmp_path / "store.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    model = await start(by=SystemClock())

    class There:
        """Stands for the endpoint in the other process."""

        key = model.emulator.key

    There.url = url
    remote = type(model)(There(), model.session, SystemClock())
    await remote.container()
    names = cities_of(model)["0"]
    acknowledged: list[str] = []

    async def write(lane: int) -> None:
        for number in range(10_000):
            ids = [f"{lane}-{number}-{n}" for n in range(20)]
            answer = await remote.bulk([create_operation({"id": one, "city": names[0]}) for one in ids])
            assert answer.status == 207
            acknowledged.extend(ids)
            if len(acknowledged) > 1000 and process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)

    results = await asyncio.gather(*(write(lane) for lane in range(3)), return_exceptions=True)
    assert await process.wait() == -signal.SIGKILL
    assert not [one for one in results if isinstance(one, AssertionError)]

    again = await start(data=path, made=False)
    kept = {one["id"] for one in again.emulator.documents("d", "c")}
    assert kept >= set(acknowledged)
    assert len(acknowledged) > 1000
    # A request is written whole or not at all.
    assert len(kept) % 20 == 0
    process._transport.close()


async def test_a_second_endpoint_on_one_file_is_refused(start, tmp_path):
    await start(data=tmp_path / "x.db", made=False)
    with pytest.raises(StorageError, match=r"x\.db cannot be used"):
        await Emulator(EmulatorSettings(port=0, data=tmp_path / "x.db")).start()


async def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "readings.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE sensor_readings (id)")
    other.close()
    with pytest.raises(StorageError, match="holds something else"):
        await Emulator(EmulatorSettings(port=0, data=path)).start()
    other = sqlite3.connect(path)
    assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["sensor_readings"]
    other.close()
    (tmp_path / "text.db").write_text("this is text, and no database at all; " * 10)
    with pytest.raises(StorageError, match=r"text\.db"):
        await Emulator(EmulatorSettings(port=0, data=tmp_path / "text.db")).start()


async def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        await Emulator(EmulatorSettings(port=0, data=tmp_path / "file" / "sub" / "x.db")).start()


async def test_a_port_in_use_is_named(start):
    wire = await start(made=False)
    port = int(wire.emulator.url.rsplit(":", 1)[1])
    with pytest.raises(UsageError, match=f"Port {port} .* is in use") as caught:
        await Emulator(EmulatorSettings(port=port)).start()
    assert "--port" in caught.value.fix


async def test_an_address_that_is_not_ours_is_a_usage_error():
    with pytest.raises(UsageError, match="Cannot listen"):
        await Emulator(EmulatorSettings(host="192.0.2.1", port=0)).start()


@pytest.mark.parametrize(
    "options",
    [{"partitions": 0}, {"partitions": 5000}, {"ru_per_second": 0}, {"ru_per_second": -1.0}, {"port": 70000}],
)
def test_options_out_of_range_are_usage_errors(options):
    with pytest.raises(UsageError):
        Emulator(EmulatorSettings(**options))


async def test_serving_until_told_to_stop():
    stop = asyncio.Event()
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        stop.set()

    await serve(EmulatorSettings(port=0), ready=ready, stop=stop)
    assert urls[0].startswith("http://127.0.0.1:")

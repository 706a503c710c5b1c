"""Places to clean: our endpoint, and one written by others."""

import asyncio
import json
import os
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.clock import Clock, SystemClock
from tests.clean.places import Place
from tests.support.components import node_modules

LAUNCHER = Path(__file__).parents[1] / "cosmos" / "cosmosdb_server.cjs"
ANY_KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="


@pytest.fixture
async def place_with():
    """Our endpoint, with settings of one's own."""
    async with AsyncExitStack() as stack:

        async def start(clock: Clock | None = None, **settings: Any) -> Place:
            clock = clock or SystemClock()
            emulator = Emulator(EmulatorSettings(**({"port": 0} | settings)), clock=clock)
            await stack.enter_async_context(emulator)
            return Place(emulator.url, emulator.key, clock, emulator)

        yield start


@pytest.fixture
async def place(place_with):
    """Our endpoint, with four ranges."""
    return await place_with()


@asynccontextmanager
async def theirs(folder: Path):
    """`@vercel/cosmosdb-server`, in a process of its own."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    ca_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(ca_file)
    process = await asyncio.create_subprocess_exec(
        "node",
        LAUNCHER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"SENSOR_TUI_NODE_MODULES": str(node_modules())},
    )
    try:
        pem = {
            "cert": b"".join(each.bytes() for each in certificate.cert_chain_pems).decode(),
            "key": certificate.private_key_pem.bytes().decode(),
        }
        process.stdin.write(json.dumps(pem).encode())
        process.stdin.close()
        port = int(await process.stdout.readline())
        yield Place(f"https://127.0.0.1:{port}", ANY_KEY, SystemClock(), ca_file=ca_file)
    finally:
        process.kill()
        await process.wait()
        process._transport.close()


@pytest.fixture
async def peer(tmp_path):
    """The server written by others."""
    async with theirs(tmp_path) as started:
        yield started

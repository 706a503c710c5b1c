"""Broken set-ups of the way to the endpoint, and of what is there."""

import socket

from sensor_tui.emulator import Emulator, EmulatorSettings
from tests.diagnostics.broken import OTHER_KEY, broken


@broken("nothing says where to", "endpoint", evidence=("No Cosmos DB endpoint",), remedy=("COSMOS_ENDPOINT",))
async def _(ground):
    return {}


@broken("a wrong key", "key", evidence=("does not accept the key",), remedy=("cosmos.key",))
async def _(ground):
    return {"settings": ground.settings_for(ground.emulator, key=OTHER_KEY)}


@broken("a clock 20 minutes ahead", "clock",
        evidence=("20 min ahead of the endpoint's", "signatures are refused"),
        remedy=("time synchronisation",))  # fmt: skip
async def _(ground):
    return {"settings": ground.settings_for(ground.emulator), "clock": ground.shifted(1200)}


@broken("a name that nobody knows", "dns",
        evidence=("nowhere.invalid does not resolve", "name server 127.0.0.1"),
        remedy=("UDP 53", "1.1.1.1"))  # fmt: skip
async def _(ground):
    servers = ground.tmp_path / "resolv.conf"
    servers.write_text("nameserver 127.0.0.1\n")
    settings = ground.settings_for(ground.emulator, endpoint="https://nowhere.invalid")
    return {"settings": settings, "name_servers": str(servers)}


@broken("nobody listens", "connect", evidence=("connection refused",), remedy=("firewall",))
async def _(ground):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    return {"settings": ground.settings_for(ground.emulator, endpoint=url)}


@broken("an authority that nobody knows", "connect",
        evidence=("cannot be trusted", "certificate"), remedy=("cosmos.connection.ca_file",))  # fmt: skip
async def _(ground):
    secret = await ground.stack.enter_async_context(Emulator(EmulatorSettings(port=0, tls=True)))
    return {"settings": ground.settings_for(secret)}


@broken("another partition key", "partition-key", evidence=("partitioned by /city",), remedy=("/city",))
async def _(ground):
    await ground.filled()
    return {"settings": ground.settings_for(ground.emulator, partition_key="/sensorId")}


@broken("no container, and none is to be made", "container",
        evidence=("does not exist",), remedy=("create",))  # fmt: skip
async def _(ground):
    await ground.filled()
    options = {"container": "Other", "create_if_missing": False}
    return {"settings": ground.settings_for(ground.emulator, **options)}

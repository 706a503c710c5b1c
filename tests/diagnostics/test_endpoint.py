"""Checks of the endpoint, on one that works and on every way it does not."""

import asyncio
import datetime as dt
import email.utils
import socket
import ssl
import time

import pytest
import trustme
from aiohttp import web

from sensor_tui.model.check import CheckVerdict
from sensor_tui.service.diagnostics import Diagnostics
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.request import SyncRequest

OK, WARNING, FAILED, SKIPPED = (
    CheckVerdict.OK,
    CheckVerdict.WARNING,
    CheckVerdict.FAILED,
    CheckVerdict.SKIPPED,
)
CHAIN = [
    "endpoint",
    "dns",
    "connect",
    "clock",
    "key",
    "database",
    "container",
    "partition-key",
    "throughput",
    "write",
]
OTHER_KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="


@pytest.fixture
async def filled(emulator, settings_for, sensor, root):
    """The configuration for an endpoint that has the container."""
    sensor()
    settings = settings_for(emulator)
    await sync_once(settings, SyncRequest(root))
    return settings


@pytest.fixture
async def answering():
    """An endpoint that gives one answer to everything."""
    runners = []

    async def start(*, tls=None, status=401, **headers):
        async def handle(_):
            return web.Response(status=status, text="{}", headers=headers)

        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def verdicts(checks):
    return {check.name: check.verdict for check in checks}


async def test_everything_is_well(filled, context, emulator):
    before = emulator.count("SensorData", "SensorReadings")
    checks = await Diagnostics(context(filled, write=True)).run_all(CHAIN)
    assert verdicts(checks) == dict.fromkeys(CHAIN, OK)
    assert [check.name for check in checks] == CHAIN
    assert emulator.count("SensorData", "SensorReadings") == before
    assert filled.cosmos.key.get_secret_value() not in str(checks)


async def test_a_document_is_written_only_when_asked(filled, check, emulator):
    assert (await check("write", filled)).verdict is SKIPPED
    assert (await check("write", filled, write=True)).verdict is OK


async def test_without_an_endpoint_the_rest_is_not_checked(context):
    checks = await Diagnostics(context()).run_all(CHAIN)
    assert checks[0].verdict is FAILED
    assert "COSMOS_ENDPOINT" in checks[0].remedy
    for other in checks[1:]:
        assert (other.verdict, other.evidence) == (SKIPPED, "not checked, since 'endpoint' failed")


async def test_a_check_in_the_way_is_told_with_the_wanted_one(context, settings_for, emulator):
    settings = settings_for(emulator, key=OTHER_KEY)
    checks = await Diagnostics(context(settings)).run_all(["container"])
    assert verdicts(checks) == {"key": FAILED, "container": SKIPPED}


async def test_a_wrong_key(check, settings_for, emulator):
    found = await check("key", settings_for(emulator, key=OTHER_KEY))
    assert found.verdict is FAILED
    assert "does not accept the key" in found.evidence
    assert "cosmos.key" in found.remedy
    assert OTHER_KEY not in str(found)


async def test_an_endpoint_that_is_down(context, settings_for, emulator):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    checks = await Diagnostics(context(settings_for(emulator, endpoint=url))).run_all(["connect", "key"])
    assert verdicts(checks) == {"connect": FAILED, "key": SKIPPED}
    assert "connection refused" in checks[0].evidence


async def test_a_name_that_does_not_resolve(check, settings_for, emulator, tmp_path):
    servers = tmp_path / "resolv.conf"
    servers.write_text("nameserver 127.0.0.1\n")
    settings = settings_for(emulator, endpoint="https://nowhere.invalid")
    found = await check("dns", settings, name_servers=str(servers))
    assert found.verdict is FAILED
    assert "nowhere.invalid does not resolve" in found.evidence
    assert "name server 127.0.0.1" in found.evidence
    assert found.remedy


async def test_a_container_that_is_missing(check, settings_for, emulator, filled):
    missing = {"container": "Other"}
    found = await check("container", settings_for(emulator, **missing))
    assert (found.verdict, "first upload" in found.remedy) == (WARNING, True)
    assert (await check("throughput", settings_for(emulator, **missing))).verdict is SKIPPED
    found = await check("container", settings_for(emulator, create_if_missing=False, **missing))
    assert (found.verdict, "does not exist" in found.evidence) == (FAILED, True)
    found = await check("database", settings_for(emulator, database="Other", create_if_missing=False))
    assert found.verdict is FAILED


async def test_another_partition_key(check, settings_for, emulator, filled):
    found = await check("partition-key", settings_for(emulator, partition_key="/sensorId"))
    assert found.verdict is FAILED
    assert "partitioned by /city" in found.evidence
    assert "/city" in found.remedy


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(-30, OK), (30, OK), (120, WARNING), (-120, WARNING), (1200, FAILED), (-1200, FAILED)],
)
async def test_a_clock_that_is_off(check, settings_for, emulator, shifted, seconds, verdict):
    found = await check("clock", settings_for(emulator), clock=shifted(seconds))
    assert found.verdict is verdict
    if verdict is not OK:
        assert ("ahead" if seconds > 0 else "behind") in found.evidence
        assert "time synchronisation" in found.remedy


async def test_the_date_of_the_endpoint_counts(check, settings_for, emulator, answering):
    late = email.utils.formatdate(time.time() - 3600, usegmt=True)
    found = await check("clock", settings_for(emulator, endpoint=await answering(Date=late)))
    assert (found.verdict, "60 min ahead" in found.evidence) == (FAILED, True)
    found = await check("clock", settings_for(emulator, endpoint=await answering(Date="yesterday")))
    assert found.verdict is WARNING


async def test_something_else_answers(check, settings_for, emulator, answering):
    found = await check("connect", settings_for(emulator, endpoint=await answering(status=404)))
    assert (found.verdict, "unlike Cosmos DB" in found.evidence) == (WARNING, True)
    found = await check("key", settings_for(emulator, endpoint=await answering(status=200)))
    assert found.verdict is OK or "not Cosmos DB" in found.evidence


async def test_certificates(check, settings_for, emulator, answering, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    trust = {"connection": {"ca_file": str(tmp_path / "ca.pem")}}
    for expires, verdict in ((None, OK), (soon, WARNING)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", not_after=expires).configure_cert(context)
        url = await answering(tls=context)
        found = await check("connect", settings_for(emulator, endpoint=url, **trust))
        assert (found.verdict, "TLSv1" in found.evidence) == (verdict, True)
    found = await check("connect", settings_for(emulator, endpoint=url))
    assert found.verdict is FAILED
    assert "ca_file" in found.remedy


async def test_a_port_that_never_answers(check, settings_for, emulator):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}"
        settings = settings_for(emulator, endpoint=url, connection={"connection_timeout": 0.2})
        found = await check("connect", settings)
    assert (found.verdict, "no connection within" in found.evidence) == (FAILED, True)


async def test_a_serverless_account(context, settings_for, sensor, root):
    from sensor_tui.emulator import Emulator, EmulatorSettings

    sensor()
    async with Emulator(EmulatorSettings(port=0, serverless=True)) as serverless:
        settings = settings_for(serverless)
        await sync_once(settings, SyncRequest(root))
        (found,) = await Diagnostics(context(settings)).run_all(["throughput"])
    assert (found.verdict, "serverless" in found.evidence) == (OK, True)


async def test_checks_at_the_same_time_take_turns(filled, context):
    diagnostics = Diagnostics(context(filled))
    found = await asyncio.gather(*(diagnostics.run_check(name) for name in CHAIN[:7]))
    assert {check.verdict for check in found} == {OK}

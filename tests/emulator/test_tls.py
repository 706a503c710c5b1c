"""HTTPS with a certificate of the endpoint's own."""

import asyncio
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.emulator.tls import server_context
from sensor_tui.errors import UsageError

pytest.importorskip("cryptography", reason="cryptography is missing: pip install 'sensor-tui[tls]'")


async def test_a_client_that_trusts_the_certificate_connects(tmp_path):
    async with Emulator(EmulatorSettings(port=0, data=tmp_path, tls=True)) as emulator:
        assert emulator.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=emulator.certificate)
        async with aiohttp.ClientSession() as session:
            async with session.get(emulator.url, ssl=trusting) as answer:
                assert answer.status == 401
                assert (await answer.json())["code"] == "Unauthorized"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(emulator.url)


async def test_the_certificate_of_an_endpoint_in_memory_goes_with_it():
    async with Emulator(EmulatorSettings(port=0, tls=True)) as emulator:
        certificate = Path(emulator.certificate)
        assert await asyncio.to_thread(certificate.is_file)
    assert not await asyncio.to_thread(certificate.parent.exists)


def test_a_certificate_is_kept_and_its_key_is_private(tmp_path):
    settings = EmulatorSettings(data=tmp_path / "x.db", tls=True)
    _, path = server_context(settings)
    first = (tmp_path / "emulator-cert.pem").read_bytes()
    assert path == str(tmp_path / "emulator-cert.pem")
    assert (tmp_path / "emulator-key.pem").stat().st_mode & 0o777 == 0o600
    server_context(settings)
    assert (tmp_path / "emulator-cert.pem").read_bytes() == first


def test_a_certificate_for_another_host_or_a_broken_one_is_made_again(tmp_path):
    server_context(EmulatorSettings(data=tmp_path, tls=True))
    first = (tmp_path / "emulator-cert.pem").read_bytes()
    server_context(EmulatorSettings(data=tmp_path, tls=True, host="cosmos.test"))
    second = (tmp_path / "emulator-cert.pem").read_bytes()
    assert second != first
    (tmp_path / "emulator-cert.pem").write_text("broken")
    server_context(EmulatorSettings(data=tmp_path, tls=True))
    assert (tmp_path / "emulator-cert.pem").read_bytes() != b"broken"


def test_without_its_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(UsageError, match="cryptography") as caught:
        server_context(EmulatorSettings(data=tmp_path, tls=True))
    assert "sensor-tui[tls]" in caught.value.fix

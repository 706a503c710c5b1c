"""Signatures, dates and tokens."""

import base64
from email.utils import formatdate
from urllib.parse import quote

import pytest

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.errors import UsageError


async def test_a_wrong_key_is_401_in_the_services_words(wire):
    wire.key = base64.b64encode(b"another key").decode()
    refused = await wire("GET", "/dbs/d/colls/c")
    assert (refused.status, refused.json["code"]) == (401, "Unauthorized")
    assert "The input authorization token can't serve the request" in refused.json["message"]
    assert "dbs/d/colls/c" in refused.json["message"]
    assert wire.emulator.key not in refused.raw.decode()


@pytest.mark.parametrize(
    "given",
    ["", "x", "type=master", "type%3Dmaster%26ver%3D1.0%26sig%3D", "type=resource&ver=1.0&sig=abc", "%FF%00"],
)
async def test_what_is_no_signature_is_401(wire, given):
    refused = await wire("GET", "/dbs", authorization=given)
    assert (refused.status, refused.json["code"]) == (401, "Unauthorized")


async def test_a_signature_is_for_one_verb_resource_and_date(wire):
    date = formatdate(wire.clock.now(), usegmt=True)
    for verb, kind, link in [("post", "dbs", ""), ("get", "colls", ""), ("get", "dbs", "dbs/d")]:
        signed = wire.sign(verb, kind, link, date)
        assert (await wire("GET", "/dbs", authorization=signed)).status == 401
    earlier = wire.sign("get", "dbs", "", formatdate(wire.clock.now() - 60, usegmt=True))
    assert (await wire("GET", "/dbs", authorization=earlier)).status == 401


@pytest.mark.parametrize(("skew", "status"), [(-901, 403), (901, 403), (-890, 200), (890, 200)])
async def test_a_clock_that_is_off_by_fifteen_minutes_is_403(wire, skew, status):
    date = formatdate(wire.clock.now() + skew, usegmt=True)
    answer = await wire("GET", "/dbs", authorization=wire.sign("get", "dbs", "", date), x_ms_date=date)
    assert answer.status == status
    if status == 403:
        assert "is not valid at the current time" in answer.json["message"]


@pytest.mark.parametrize("date", ["", "yesterday", "2025-01-01T00:00:00Z", "Mon, 99 Foo 2025 00:00:00 GMT"])
async def test_a_date_that_is_none_is_401(wire, date):
    refused = await wire("GET", "/dbs", authorization=wire.sign("get", "dbs", "", date), x_ms_date=date)
    assert refused.status == 401


async def test_names_are_signed_decoded(wire):
    name = "Größe 1 %41"
    made = await wire("POST", "/dbs/d/colls", {"id": name, "partitionKey": {"paths": ["/a"], "version": 2}})
    assert made.status == 201
    assert (await wire("GET", f"/dbs/d/colls/{name}")).json["id"] == name


async def test_a_token_is_accepted_when_it_is_the_one(start):
    wire = await start(aad_token="let-me-in")
    token = quote("type=aad&ver=1.0&sig=let-me-in", safe="")
    assert (await wire("GET", "/dbs", authorization=token)).status == 200
    other = quote("type=aad&ver=1.0&sig=let-me-out", safe="")
    assert (await wire("GET", "/dbs", authorization=other)).status == 401


async def test_no_token_is_accepted_unless_asked_for(wire):
    token = quote("type=aad&ver=1.0&sig=", safe="")
    assert (await wire("GET", "/dbs", authorization=token)).status == 401


@pytest.mark.parametrize("key", ["", "not base64!", "abc"])
def test_a_key_that_is_not_base64_is_a_usage_error(key):
    with pytest.raises(UsageError, match="base64"):
        Emulator(EmulatorSettings(key=key))


def test_the_key_is_not_in_the_settings_repr():
    settings = EmulatorSettings(aad_token="secret-token")
    assert settings.key not in repr(settings)
    assert "secret-token" not in repr(settings)

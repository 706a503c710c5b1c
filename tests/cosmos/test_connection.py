"""Where requests go, and what they leave behind."""

import logging

import pytest

from sensor_tui.sync.sinks.cosmos.connection import write_endpoint
from tests.support.clock import JumpingClock

REGIONS = [
    {"name": "West Europe", "databaseAccountEndpoint": "https://a-westeurope/"},
    {"name": "East US", "databaseAccountEndpoint": "https://a-eastus/"},
]


def test_the_first_write_region_is_written_to():
    assert write_endpoint({"writableLocations": REGIONS}, ("East US",)) == "https://a-westeurope/"


@pytest.mark.parametrize("name", ["East US", "eastus"])
def test_an_account_that_writes_everywhere_is_written_to_where_preferred(name):
    account = {"writableLocations": REGIONS, "enableMultipleWriteLocations": True}
    assert write_endpoint(account, ("Mars", name)) == "https://a-eastus/"
    assert write_endpoint(account, ()) == "https://a-westeurope/"


def test_an_account_without_regions_is_written_to_where_it_is():
    assert write_endpoint({}, ()) is None


async def test_documents_go_to_the_write_region(scripted, make_sink, upload, document):
    region = scripted.url.replace("127.0.0.1", "localhost")
    scripted.account["writableLocations"][0]["databaseAccountEndpoint"] = region
    sink = make_sink(scripted.options())
    await sink.open()
    await upload(sink, [document(1)])
    assert scripted.bulk()[0].headers["host"].startswith("localhost")


async def test_without_discovery_everything_goes_to_the_endpoint_given(scripted, make_sink, upload, document):
    scripted.account["writableLocations"][0]["databaseAccountEndpoint"] = "http://nowhere.invalid/"
    scripted.account["readableLocations"][0]["databaseAccountEndpoint"] = "http://nowhere.invalid/"
    sink = make_sink(scripted.options(endpoint_discovery=False))
    await sink.open()
    await upload(sink, [document(1)])
    assert len(scripted.bulk()) == 1


async def test_the_proxy_of_the_environment_is_used(scripted, make_sink, upload, document, monkeypatch):
    monkeypatch.setenv("http_proxy", scripted.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    endpoint = "http://account.invalid"
    scripted.account["writableLocations"][0]["databaseAccountEndpoint"] = endpoint
    scripted.account["readableLocations"][0]["databaseAccountEndpoint"] = endpoint
    sink = make_sink(scripted.options(endpoint=endpoint))
    await sink.open()
    await upload(sink, [document(1)])
    assert scripted.bulk()[0].headers["host"] == "account.invalid"


async def test_neither_key_nor_signature_is_logged(endpoint, make_sink, upload, document, caplog):
    with caplog.at_level(logging.DEBUG):
        sink = make_sink(endpoint.options())
        await sink.open()
        await upload(sink, [document(1)])
        await sink.reroute()
    assert endpoint.key not in caplog.text
    assert "sig%3D" not in caplog.text
    assert "sig=" not in caplog.text


async def test_an_outage_costs_one_look_for_another_region(scripted, upload, document):
    from sensor_tui.sync.contract import RequestFailed
    from sensor_tui.sync.sinks.cosmos.sink import CosmosSink

    clock = JumpingClock()
    sink = CosmosSink(scripted.options(endpoint=scripted.url), clock)
    await sink.open()
    region = scripted.account["writableLocations"][0]
    region["databaseAccountEndpoint"] = "http://localhost:1/"
    await sink.health()
    scripted.requests.clear()
    for _ in range(10):
        with pytest.raises(RequestFailed):
            await upload(sink, [document(1)])
    assert len([each for each in scripted.requests if each.path == "/"]) == 1
    await clock.sleep(6)
    region["databaseAccountEndpoint"] = scripted.url
    with pytest.raises(RequestFailed):
        await upload(sink, [document(1)])
    await upload(sink, [document(1)])
    await sink.close()

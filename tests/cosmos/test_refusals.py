"""What stands between us and the container, told in one line with what to do about it."""

import time

import pytest
from aiohttp import web
from pydantic import SecretStr

from sensor_tui.errors import ConfigError, SinkRefused, SinkUnreachable
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.refusal import explained
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from tests.support.clock import JumpingClock

KEY = SecretStr("YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA==")


def one_line(error) -> bool:
    return "\n" not in str(error) and "Traceback" not in str(error) and bool(error.fix)


async def test_a_wrong_key(endpoint, make_sink):
    with pytest.raises(SinkRefused, match="does not accept the key") as caught:
        await make_sink(endpoint.options(key=KEY)).open()
    assert one_line(caught.value)
    assert "COSMOS_KEY" in caught.value.fix
    assert KEY.get_secret_value() not in str(caught.value)


async def test_nothing_listens(unused_tcp_port, make_sink):
    started = time.monotonic()
    with pytest.raises(SinkUnreachable, match=f"127.0.0.1:{unused_tcp_port}.*refused") as caught:
        await make_sink(CosmosOptions(endpoint=f"http://127.0.0.1:{unused_tcp_port}", key=KEY)).open()
    assert one_line(caught.value)
    assert time.monotonic() - started < 10


async def test_a_name_that_does_not_resolve(make_sink):
    with pytest.raises(SinkUnreachable, match=r"nowhere\.invalid does not answer: its name does not resolve"):
        await make_sink(CosmosOptions(endpoint="https://nowhere.invalid/", key=KEY)).open()


async def test_a_certificate_nobody_vouches_for(endpoint_with, make_sink, tmp_path):
    server = await endpoint_with(tls=True, data=tmp_path / "cosmos.db")
    with pytest.raises(SinkUnreachable, match="certificate is not trusted") as caught:
        await make_sink(server.options()).open()
    assert "cosmos.ca_file" in caught.value.fix
    assert await make_sink(server.options(ca_file=server.emulator.certificate)).open()


async def test_an_endpoint_that_is_not_tls(endpoint, make_sink):
    with pytest.raises(SinkUnreachable, match="does not speak TLS"):
        await make_sink(endpoint.options(endpoint=endpoint.url.replace("http:", "https:"))).open()


async def test_a_file_of_authorities_that_is_none(endpoint, make_sink, tmp_path):
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"none\.pem"):
        await make_sink(endpoint.options(ca_file=tmp_path / "none.pem")).open()


async def test_what_answers_is_not_cosmos_db(scripted, make_sink):
    scripted.script = lambda _: web.Response(text="<html>Welcome</html>")
    with pytest.raises(SinkUnreachable, match="not Cosmos DB"):
        await make_sink(scripted.options()).open()


async def test_a_clock_that_is_wrong(scripted):
    clock = JumpingClock(time.time() + 3600)
    scripted.script = lambda _: web.json_response({"message": "no"}, status=403)
    sink = CosmosSink(scripted.options(), clock)
    with pytest.raises(SinkRefused, match="the clock here is 60 min ahead") as caught:
        await sink.open()
    assert "clock" in caught.value.fix
    await sink.close()


async def test_an_account_that_is_down(scripted, make_sink):
    scripted.script = lambda _: web.json_response({"message": "later"}, status=503)
    with pytest.raises(SinkUnreachable, match="cannot serve us now"):
        await make_sink(scripted.options()).open()


async def test_a_control_plane_that_is_down(scripted, make_sink):
    scripted.script = lambda request: (
        web.json_response({"message": "later"}, status=503) if request.path.startswith("/dbs") else None
    )
    started = time.monotonic()
    with pytest.raises(SinkUnreachable, match="cannot serve us now"):
        await make_sink(scripted.options()).open()
    assert time.monotonic() - started < 10


async def test_a_serverless_account_ignores_throughput_with_a_line(endpoint_with, make_sink):
    server = await endpoint_with(serverless=True)
    sink = make_sink(server.options(throughput=400))
    assert any("serverless" in notice for notice in await sink.open())
    assert sink.throughput is None


async def test_an_azure_identity_that_the_account_knows_is_let_in(
    endpoint_with, make_sink, upload, document, tmp_path
):
    from azure.core.credentials import AccessToken

    class Credential:
        async def get_token(self, *_scopes, **_options):
            return AccessToken("a-token", int(time.time()) + 3600)

        async def close(self): ...

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_): ...

    def options(server):
        return server.options(key=None, token_credential=Credential(), ca_file=server.emulator.certificate)

    server = await endpoint_with(aad_token="a-token", tls=True, data=tmp_path / "one.db")
    sink = make_sink(options(server))
    await sink.open()
    (answer,) = (await upload(sink, [document(1)])).values()
    assert answer.exceptions is None
    stranger = await endpoint_with(aad_token="another", tls=True, data=tmp_path / "other.db")
    with pytest.raises(SinkRefused, match="does not accept this Azure identity"):
        await make_sink(options(stranger)).open()


@pytest.mark.parametrize(
    ("status", "substatus", "message", "says", "fix"),
    [
        (403, 0, "Request originated from IP 10.0.0.1 through public internet", "firewall", "Networking"),
        (403, 0, "The given request is blocked by your account firewall settings", "firewall", "Networking"),
        (403, 5300, "Request blocked by Auth: cannot be authorized by AAD token", "identity", "Contributor"),
        (403, 0, "The key is read-only", "let this key write", "read-write"),
        (403, 0, "", "forbids", "network rules"),
        (403, 0, "The authorization token is not valid at the current time", "clock", "clock"),
        (404, 1003, "Owner resource does not exist", "does not exist", "create_if_missing"),
        (400, 0, "Invalid name", "400: Invalid name", "cosmos.database"),
    ],
)
def test_each_refusal_says_why_and_what_to_do(status, substatus, message, says, fix):
    options = CosmosOptions(endpoint="https://account.documents.azure.com", key=KEY)
    error = explained(options, status, substatus, message, headers={}, now=0.0)
    assert isinstance(error, SinkRefused)
    assert says in error.message
    assert fix in error.fix
    assert one_line(error)


@pytest.mark.parametrize("endpoint", ["account.documents.azure.com", "", "ftp://x", "https://"])
def test_an_endpoint_that_is_no_web_address(endpoint):
    with pytest.raises(ConfigError, match="not a web address"):
        CosmosOptions(endpoint=endpoint)


@pytest.mark.parametrize("path", ["city", "/", "/a/b", "", "//city"])
def test_a_partition_key_that_is_no_top_level_field(path):
    with pytest.raises(ConfigError, match="not a top-level field"):
        CosmosOptions(endpoint="https://account", partition_key=path)


@pytest.mark.parametrize(("path", "field"), [("/city", "city"), ('/"my city"', "my city")])
def test_the_field_of_a_partition_key(path, field):
    assert CosmosOptions(endpoint="https://account", partition_key=path).key_field == field

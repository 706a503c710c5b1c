"""Signatures and tokens."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.cosmos.auth import _get_authorization_header
from pydantic import SecretStr

from sensor_tui.errors import ConfigError, SinkRefused
from sensor_tui.sync.sinks.cosmos.auth import KeySigner, TokenSigner, credential_of
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from tests.support.clock import JumpingClock

KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="
ENDPOINT = "https://account.documents.azure.com:443/"
REQUESTS = [
    ("get", "", ""),
    ("get", "colls", "dbs/SensorData/colls/SensorReadings"),
    ("get", "pkranges", "dbs/SensorData/colls/SensorReadings"),
    ("post", "docs", "dbs/Sensor Data/colls/Größe"),
]


class Credential:
    """Gives tokens that last an hour; refuses scopes it was told to refuse."""

    def __init__(self, clock: JumpingClock, *, refused: str = "") -> None:
        self.clock = clock
        self.refused = refused
        self.scopes: list[str] = []
        self.closed = False

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.scopes += scopes
        if self.refused and self.refused in scopes[0]:
            raise ClientAuthenticationError("AADSTS500011: The resource principal was not found")
        return AccessToken(f"token-{len(self.scopes)}", int(self.clock.now()) + 3600)

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_signature_is_that_of_the_python_sdk(request_):
    from urllib.parse import unquote

    method, kind, link = request_
    authorization, date = KeySigner(KEY, JumpingClock()).sign(method, kind, link)
    theirs = _get_authorization_header(
        SimpleNamespace(master_key=KEY), method, "", link, True, kind, {"x-ms-date": date}
    )
    assert unquote(authorization) == theirs


@pytest.mark.component("node")
async def test_a_signature_is_that_of_the_javascript_sdk(peer):
    clock = JumpingClock()
    signer = KeySigner(KEY, clock)
    date = datetime.fromtimestamp(clock.now(), UTC).isoformat()
    theirs = await peer("sign", {"key": KEY, "requests": REQUESTS, "date": date})
    ours = [signer.sign(*each) for each in REQUESTS]
    assert [(each["authorization"], each["x-ms-date"]) for each in theirs] == ours


async def test_a_signature_is_made_anew_every_second():
    clock = JumpingClock()
    signer = KeySigner(KEY, clock)
    first = signer.sign(*REQUESTS[0])
    assert signer.sign(*REQUESTS[0]) == first
    await clock.sleep(1)
    assert signer.sign(*REQUESTS[0]) != first


def test_a_key_that_is_not_base64_is_refused_without_showing_it():
    with pytest.raises(ConfigError) as caught:
        KeySigner("not-base64-at-all", JumpingClock())
    assert "base64" in str(caught.value)
    assert "not-base64-at-all" not in str(caught.value)


def test_the_key_is_in_no_representation():
    options = CosmosOptions(endpoint=ENDPOINT, key=SecretStr(KEY))
    assert KEY not in f"{options!r} {options} {KeySigner(KEY, JumpingClock())!r}"


async def test_a_token_is_asked_for_once_and_renewed_before_it_expires():
    clock = JumpingClock()
    credential = Credential(clock)
    signer = TokenSigner(credential, CosmosOptions(endpoint=ENDPOINT, token_credential=credential), clock)
    await signer.prepare()
    await signer.prepare()
    assert signer.sign("get", "", "")[0] == "type%3Daad%26ver%3D1.0%26sig%3Dtoken-1"
    await clock.sleep(3600 - 299)
    await signer.prepare()
    assert signer.sign("get", "", "")[0].endswith("token-2")
    assert credential.scopes == ["https://account.documents.azure.com/.default"] * 2


async def test_an_account_that_is_no_resource_is_asked_for_by_the_common_scope():
    clock = JumpingClock()
    credential = Credential(clock, refused="account.documents")
    signer = TokenSigner(credential, CosmosOptions(endpoint=ENDPOINT, token_credential=credential), clock)
    await signer.prepare()
    assert credential.scopes[-1] == "https://cosmos.azure.com/.default"


async def test_no_identity_is_one_line_that_says_what_to_do():
    clock = JumpingClock()
    credential = Credential(clock, refused="/.default")
    signer = TokenSigner(credential, CosmosOptions(endpoint=ENDPOINT, token_credential=credential), clock)
    with pytest.raises(SinkRefused) as caught:
        await signer.prepare()
    assert "az login" in caught.value.fix


def test_without_key_and_identity_package_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    with pytest.raises(ConfigError) as caught:
        credential_of(CosmosOptions(endpoint=ENDPOINT))
    assert "pip install 'sensor-tui[aad]'" in caught.value.fix


async def test_without_a_key_the_identity_of_the_machine_is_used():
    credential = credential_of(CosmosOptions(endpoint=ENDPOINT))
    assert type(credential).__name__ == "DefaultAzureCredential"
    await credential.close()


def test_an_identity_is_not_shown_to_an_endpoint_without_encryption():
    clock = JumpingClock()
    credential = Credential(clock)
    options = CosmosOptions(endpoint="http://127.0.0.1:8081", token_credential=credential)
    with pytest.raises(ConfigError, match="only shown over HTTPS"):
        TokenSigner(credential, options, clock)

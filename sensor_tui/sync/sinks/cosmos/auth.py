"""Authorization headers: signatures with the account key, or tokens of an Azure identity (AAD)."""

import base64
import binascii
import hashlib
import hmac
import logging
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlsplit

from sensor_tui.errors import ConfigError, SinkRefused, SinkUnreachable
from sensor_tui.model.clock import Clock
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

logger = logging.getLogger(__name__)

_RENEW_AHEAD: Final = 300.0
"""Seconds before its expiry at which a token is renewed."""
_FALLBACK_SCOPE: Final = "https://cosmos.azure.com/.default"
_UNKNOWN_RESOURCE: Final = "AADSTS500011"
"""What the identity service answers where an account is no resource of its own (sovereign clouds)."""


class Signer(Protocol):
    """Makes the authorization of one request."""

    async def prepare(self) -> None:
        """Get ready to sign; does something only when a token is missing or about to expire.

        Raises:
            SinkRefused: no token for this identity.
            SinkUnreachable: the identity service does not answer.
        """
        ...

    def sign(self, method: str, kind: str, link: str) -> tuple[str, str]:
        """Values of the headers `authorization` and `x-ms-date` for a method, resource type and link."""
        ...

    async def close(self) -> None:
        """Let go of connections to the identity service."""
        ...


class KeySigner:
    """Signs with the account key.

    HMAC-SHA256 over method, resource type, resource link and date, all but the link in lower case.
    The date counts whole seconds, so that a signature is good for every like request of a second.

    Raises:
        ConfigError: the key is not base64.
    """

    def __init__(self, key: str, clock: Clock) -> None:
        try:
            self._key = base64.b64decode(key, validate=True)
        except binascii.Error:
            self._key = b""
        if not self._key:
            raise ConfigError(
                "The Cosmos DB key is not a key (it is not base64)",
                fix="Copy a key from the account's Keys page (cosmos.key, COSMOS_KEY or COSMOS_KEY_FILE)",
            )
        self._clock = clock
        self._second = -1
        self._date = ""
        self._signatures: dict[tuple[str, str, str], str] = {}

    async def prepare(self) -> None:
        """Nothing to get ready."""

    def sign(self, method: str, kind: str, link: str) -> tuple[str, str]:
        second = int(self._clock.now())
        if second != self._second:
            self._second = second
            self._date = formatdate(second, usegmt=True)
            self._signatures.clear()
        request = (method, kind, link)
        signature = self._signatures.get(request)
        if signature is None:
            text = f"{method.lower()}\n{kind}\n{link}\n{self._date.lower()}\n\n"
            digest = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
            token = f"type=master&ver=1.0&sig={base64.b64encode(digest).decode()}"
            signature = self._signatures[request] = quote(token, safe="")
        return signature, self._date

    async def close(self) -> None:
        """Nothing to let go of."""


class TokenSigner:
    """Presents tokens of an Azure identity, renewed before they expire.

    Raises:
        ConfigError: the endpoint is not encrypted, so that anyone on the way could take the token.
    """

    def __init__(self, credential: "AsyncTokenCredential", options: CosmosOptions, clock: Clock) -> None:
        parts = urlsplit(options.endpoint)
        if parts.scheme != "https":
            raise ConfigError(
                f"An Azure identity is only shown over HTTPS, and {options.endpoint} is not",
                fix="Use an https:// endpoint, or a key (cosmos.key)",
            )
        self._scope = f"{parts.scheme}://{parts.hostname}/.default"
        self._credential = credential
        self._clock = clock
        self._authorization = ""
        self._renew_at = 0.0

    async def prepare(self) -> None:
        if self._clock.now() < self._renew_at:
            return
        from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError

        try:
            token = await self._token()
        except (ServiceRequestError, ServiceResponseError) as error:
            raise SinkUnreachable(
                f"The Azure identity service does not answer: {_first_line(error)}",
                fix="Check the network, or use a key (cosmos.key)",
            ) from error
        except ClientAuthenticationError as error:
            raise SinkRefused(
                f"No Azure identity to sign in with: {_first_line(error)}",
                fix="Sign in (az login), set AZURE_CLIENT_ID and its companions, or use a key (cosmos.key)",
            ) from error
        self._authorization = quote(f"type=aad&ver=1.0&sig={token.token}", safe="")
        lifetime = token.expires_on - self._clock.now()
        self._renew_at = token.expires_on - min(_RENEW_AHEAD, lifetime / 2)

    def sign(self, method: str, kind: str, link: str) -> tuple[str, str]:  # noqa: ARG002 - the same for every request
        return self._authorization, formatdate(self._clock.now(), usegmt=True)

    async def close(self) -> None:
        await self._credential.close()

    async def _token(self) -> Any:
        from azure.core.exceptions import ClientAuthenticationError

        try:
            return await self._credential.get_token(self._scope)
        except ClientAuthenticationError as error:
            if self._scope == _FALLBACK_SCOPE or _UNKNOWN_RESOURCE not in str(error):
                raise
            self._scope = _FALLBACK_SCOPE
            return await self._credential.get_token(self._scope)


def credential_of(options: CosmosOptions) -> "str | AsyncTokenCredential":
    """What to sign in with: the key, the given token credential, or that of the machine.

    Raises:
        ConfigError: no key, and the package for Azure identities is not installed.
    """
    if options.key is not None:
        return options.key.get_secret_value()
    if options.token_credential is not None:
        return options.token_credential
    try:
        from azure.identity.aio import DefaultAzureCredential
    except ModuleNotFoundError:
        raise ConfigError(
            "There is no Cosmos DB key, and an Azure identity needs the package azure-identity",
            fix="Set cosmos.key (COSMOS_KEY, COSMOS_KEY_FILE), or run: pip install 'sensor-tui[aad]'",
        ) from None
    # Its chain logs every credential that does not apply, at warning level.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    return DefaultAzureCredential()


def signer_for(credential: "str | AsyncTokenCredential", options: CosmosOptions, clock: Clock) -> Signer:
    """The signer for a credential.

    Raises:
        ConfigError: a key that is no key, or an identity for an endpoint without encryption.
    """
    if isinstance(credential, str):
        return KeySigner(credential, clock)
    return TokenSigner(credential, options, clock)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

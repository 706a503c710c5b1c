"""Who may ask: the signature of the account's key over verb, resource type, resource link and date."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import unquote

from sensor_tui.emulator.answers import CosmosError

MAX_SKEW_SECONDS = 900


class Gate:
    """Checks the `authorization` header as the service does."""

    def __init__(self, key: bytes, aad_token: str | None) -> None:
        self._key = key
        self._aad_token = aad_token

    def check(
        self, headers: Mapping[str, str], verb: str, kind: str, links: tuple[str, ...], now: float
    ) -> None:
        """Accept or refuse; `links` are the spellings of the resource link a client may have signed.

        Raises:
            CosmosError: 401 without or with a wrong signature, 403 when the request's date is off by 15
            minutes.
        """
        given = headers.get("authorization")
        if not given:
            raise CosmosError(
                401, "Required Header authorization is missing. Ensure a valid Authorization token is passed."
            )
        fields = dict(part.partition("=")[::2] for part in unquote(given).split("&"))
        if fields.get("type") == "aad":
            self._check_aad(fields.get("sig", ""))
            return
        date = headers.get("x-ms-date") or headers.get("date") or ""
        seconds = _seconds(date)
        if fields.get("type") != "master" or "sig" not in fields:
            raise CosmosError(401, "The authorization header is not a valid master, resource or AAD token.")
        if seconds is None:
            raise CosmosError(
                401, "The input date header is invalid format. Please pass in RFC 1123 style date format."
            )
        if abs(now - seconds) > MAX_SKEW_SECONDS:
            raise CosmosError(
                403,
                "The authorization token is not valid at the current time. Please create another token and "
                f"retry (token start time: {date}, server time is off by {int(abs(now - seconds))} seconds).",
            )
        signed = headers.get("x-ms-date", "").lower()
        http_date = "" if signed else headers.get("date", "").lower()
        for link in links:
            payload = f"{verb.lower()}\n{kind}\n{link}\n{signed}\n{http_date}\n"
            expected = b64encode(hmac.digest(self._key, payload.encode(), hashlib.sha256)).decode()
            if hmac.compare_digest(expected.encode(), _raw(fields["sig"])):
                return
        shown = f"{verb.lower()}\n{kind}\n{links[0]}\n{signed}\n{http_date}\n"
        raise CosmosError(
            401,
            "The input authorization token can't serve the request. The wrong key is being used or the "
            "expected payload is not built as per the protocol. Please check that the expected payload is "
            "built as per the protocol, and check the key being used. Server used the following payload to "
            f"sign: '{shown}'",
        )

    def _check_aad(self, token: str) -> None:
        if self._aad_token is None or not hmac.compare_digest(_raw(token), self._aad_token.encode()):
            raise CosmosError(
                401,
                "Request is blocked because of an invalid AAD token: the token is not valid for this "
                "account.",
            )


def _raw(text: str) -> bytes:
    """A header's text as the bytes it came as."""
    return text.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=256)
def _seconds(date: str) -> float | None:
    """Seconds since the epoch of an RFC 1123 date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, IndexError):
        return None

"""What a configuration value may look like, and its one normal form.

Pure functions from text to value. They raise `ValueError` with a reason that never repeats a secret.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final, Literal
from urllib.parse import urlsplit

ProcessorName = Literal["Schematize", "Sanitize", "Aggregate", "Anomaly"]
FieldType = Literal["number", "integer", "text", "flag", "time"]
LevelName = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
ArchiveFormat = Literal["Parquet", "CSV", "JSON lines"]

MAX_PORT: Final = 65535
_SHOWN_LENGTH: Final = 60

PROCESSORS: Final[dict[str, ProcessorName]] = {
    "schematize": "Schematize",
    "schemavalidation": "Schematize",
    "schema": "Schematize",
    "schematization": "Schematize",
    "sanitize": "Sanitize",
    "sanitization": "Sanitize",
    "aggregate": "Aggregate",
    "aggregation": "Aggregate",
    "anomaly": "Anomaly",
}

FIELD_TYPES: Final[dict[str, FieldType]] = {
    "number": "number",
    "float": "number",
    "double": "number",
    "real": "number",
    "integer": "integer",
    "int": "integer",
    "text": "text",
    "string": "text",
    "str": "text",
    "flag": "flag",
    "bool": "flag",
    "boolean": "flag",
    "time": "time",
    "timestamp": "time",
    "datetime": "time",
}

LEVELS: Final[dict[str, LevelName]] = {
    "trace": "DEBUG",
    "verbose": "DEBUG",
    "debug": "DEBUG",
    "info": "INFO",
    "information": "INFO",
    "warn": "WARNING",
    "warning": "WARNING",
    "error": "ERROR",
    "critical": "CRITICAL",
    "fatal": "CRITICAL",
}

ARCHIVE_FORMATS: Final[dict[str, ArchiveFormat]] = {
    "parquet": "Parquet",
    "csv": "CSV",
    "json": "JSON lines",
    "jsonl": "JSON lines",
    "jsonlines": "JSON lines",
    "ndjson": "JSON lines",
}

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII | re.IGNORECASE)
_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):([0-5]\d):([0-5]\d)(\.\d+)?", re.ASCII)
_BOUND: Final = r"([-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)?"
_BOUNDS = re.compile(rf"{_BOUND}\s*\.\.\s*{_BOUND}", re.ASCII)
RULE_FORMS: Final = "-20..60, ..60, -20.. or {min: -20, max: 60, max_change: 10}"
"""How a rule of the Anomaly processor may be written."""
_FIELD = re.compile(r"[^\W\d][\w-]*")
_KEY_LIKE = re.compile(r"[A-Za-z0-9+/_-]{20,}==?|[A-Za-z0-9+]{40,}|[A-Za-z0-9+/]{60,}")


def shown(value: object) -> str:
    """A given value for a message: quoted, short, printable, and never anything that looks like a key."""
    text = str(value)
    if "accountkey" in text.lower() or _KEY_LIKE.search(text):
        return "(not shown)"
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return f"'{clean if len(clean) <= _SHOWN_LENGTH else clean[: _SHOWN_LENGTH - 1] + '…'}'"


def suggestion(given: str, known: Iterable[str]) -> str:
    """The known name nearest to `given`, or an empty text where none is near."""
    spelled = {folded(name): name for name in known}
    near = get_close_matches(folded(given), list(spelled), n=1, cutoff=0.6)
    return spelled[near[0]] if near else ""


def folded(name: str) -> str:
    """A name without case, `_` and `-`, so that batchSize is batch_size."""
    return name.lower().replace("-", "").replace("_", "")


def duration_seconds(text: str) -> float:
    """Seconds in `30s`, `5m`, `1h`, `1.5h`, a bare number, or .NET's `[d.]hh:mm:ss[.fff]`."""
    text = text.strip()
    if match := _AMOUNT.fullmatch(text):
        return float(match[1]) * _UNITS[(match[2] or "s").lower()]
    if match := _TIMESPAN.fullmatch(text):
        days, hours, minutes, seconds, fraction = match.groups()
        whole = int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        return whole + float(fraction or 0)
    raise ValueError("a duration is expected, for example 30s, 5m, 1h or 00:05:00")


def log_level(text: str) -> LevelName:
    """The Python level by its Python or .NET name, in any case; Trace and Verbose are DEBUG."""
    level = LEVELS.get(text.strip().lower())
    if level is None:
        raise ValueError("a level is expected: Trace, Debug, Information, Warning, Error or Critical")
    return level


def processor(text: str) -> ProcessorName:
    """The processor by any of its names, in any case."""
    name = PROCESSORS.get(text.strip().lower())
    if name is None:
        near = suggestion(text, PROCESSORS)
        hint = f"; did you mean '{PROCESSORS[near]}'?" if near else ""
        raise ValueError(f"one of Schematize, Sanitize, Aggregate, Anomaly is expected{hint}")
    return name


def field_type(text: str) -> FieldType:
    """The type of a field by any of its names, in any case."""
    found = FIELD_TYPES.get(text.strip().lower())
    if found is None:
        raise ValueError("number, integer, text, flag or time is expected")
    return found


def anomaly_rule(text: str) -> dict[str, str]:
    """The bounds in `-20..60`, `..60` or `-20..`, by the names that a rule has for them."""
    match = _BOUNDS.fullmatch(text.strip())
    if match is None or match[1] is match[2] is None:
        raise ValueError(f"a rule is expected: {RULE_FORMS}")
    return {name: bound for name, bound in zip(("min", "max"), match.groups(), strict=True) if bound}


def archive_format(text: str) -> ArchiveFormat:
    """The archive format by any of its names, in any case."""
    found = ARCHIVE_FORMATS.get(re.sub(r"[\s_-]", "", text).lower())
    if found is None:
        raise ValueError("Parquet, CSV or JSON lines is expected")
    return found


def partition_key(text: str) -> str:
    """A partition key path of one top-level field, `/city`."""
    path = text.strip()
    if not path.startswith("/"):
        raise ValueError("a partition key path starts with '/', for example '/city'")
    if "/" in path[1:]:
        raise ValueError("a nested partition key cannot be used, only one top-level field like '/city'")
    if not _FIELD.fullmatch(path[1:]):
        raise ValueError("the name of one top-level field is expected after '/', for example '/city'")
    return path


def endpoint(text: str) -> str:
    """An `http(s)://host[:port]` address, host in lower case, without a trailing slash."""
    text = text.strip()
    if "accountendpoint=" in text.lower():
        raise ValueError("this is a connection string: give it as cosmos.connection_string")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("an address like https://account.documents.azure.com:443 is expected") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", text):
        raise ValueError("an address like https://account.documents.azure.com:443 is expected")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address carries no user or password: the key is cosmos.key or cosmos.key_file")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("the address of the account alone is expected, without a path")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def is_loopback(address: str) -> bool:
    """Whether the host of an endpoint is this machine by name or number."""
    host = urlsplit(address).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def account_key(text: str) -> str:
    """An account key: base64, as the signature needs it decoded."""
    key = text.strip()
    if key and not key.strip("*"):
        raise ValueError("this is a masked key, not the key itself")
    try:
        decoded = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise ValueError("this is not an account key (base64 is expected)")
    return key


def connection_string(text: str) -> tuple[str, str]:
    """Endpoint and key out of `AccountEndpoint=…;AccountKey=…;`."""
    parts = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            break
        parts[name.strip().lower()] = value.strip()
    if not parts.get("accountendpoint") or not parts.get("accountkey"):
        raise ValueError("AccountEndpoint=…;AccountKey=… is expected")
    return parts["accountendpoint"], parts["accountkey"]


def listen_address(text: str) -> tuple[str, int]:
    """Host and port out of `host:port` or `[::1]:port`; port 0 lets the system choose."""
    host, _, port = text.strip().rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare and bare == host) or not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        raise ValueError("host:port is expected, for example 127.0.0.1:8765")
    if int(port) > MAX_PORT:
        raise ValueError(f"a port from 0 to {MAX_PORT} is expected")
    return bare, int(port)

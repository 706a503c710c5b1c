"""What a request asks for: its path, the resource it signs, and the headers that matter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

from sensor_tui.emulator.answers import bad_request, not_found

MAX_DEPTH = 128
TOO_DEEP = f"The input content is invalid because it is nested deeper than {MAX_DEPTH} levels"

KINDS = ("dbs", "colls", "docs", "pkranges", "offers")
UNSUPPORTED = frozenset(
    {"sprocs", "triggers", "udfs", "users", "permissions", "conflicts", "attachments", "operations",
     "clientencryptionkeys", "media", "topology", "partitionkey"}
)  # fmt: skip


@dataclass(slots=True)
class Request:
    """One request: `kind` is the type of the resource named last ("" the account), `names` ids by type."""

    verb: str
    kind: str
    names: dict[str, str]
    item: bool
    headers: Mapping[str, str]
    body: bytes
    origin: str
    activity_id: str
    links: tuple[str, ...]
    now: float
    fault_operations: frozenset[int] = field(default_factory=frozenset)
    fault_retry_after_ms: int = 0

    def flag(self, name: str) -> bool:
        """Whether a header says true."""
        return self.headers.get(name, "").lower() == "true"

    def json(self) -> Any:
        """The body.

        Raises:
            CosmosError: 400, it is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise bad_request(
                "The request payload is invalid. Ensure to provide a valid request payload. The input "
                "content is not valid JSON"
            ) from None

    def json_object(self) -> dict[str, Any]:
        """The body, which has to be an object.

        Raises:
            CosmosError: 400, it is not.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise bad_request("The request payload is invalid. Ensure to provide a valid request payload.")
        if too_deep(self.body, value):
            raise bad_request(TOO_DEEP)
        return value

    @property
    def is_query(self) -> bool:
        return self.flag("x-ms-documentdb-isquery") or self.headers.get("content-type", "").startswith(
            "application/query+json"
        )

    def page_size(self, default: int = 100, most: int = 1000) -> int:
        """`x-ms-max-item-count`; -1 leaves it to the server.

        Raises:
            CosmosError: 400, it is no such number.
        """
        given = self.headers.get("x-ms-max-item-count")
        if given is None:
            return default
        try:
            count = int(given)
        except ValueError:
            count = 0
        if count == -1:
            return most
        if count < 1:
            raise bad_request(f"Invalid value '{given}' for header x-ms-max-item-count")
        return min(count, most)


def too_deep(text: bytes, value: Any) -> bool:
    """Whether a JSON value, given with its text, is nested deeper than the service allows."""
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def parse_path(raw: str) -> tuple[str, dict[str, str], bool, tuple[str, ...]]:
    """A path as (kind, names, names an item, signed links).

    The link is what clients sign: the path of the resource itself, or of the parent of a feed, in the
    spelling the path has once decoded; some clients sign the encoded spelling, and resource ids are signed in
    lower case.

    Raises:
        CosmosError: 404, there is no such resource.
    """
    raw_parts = [part for part in raw.split("/") if part]
    parts = [unquote(part) for part in raw_parts]
    if not parts:
        return "", {}, False, ("",)
    item = len(parts) % 2 == 0
    types = parts[::2]
    names = dict(zip(types, parts[1::2], strict=False))
    kind = types[-1]
    if kind not in KINDS or tuple(types) not in _TREE:
        known = "is not supported by this endpoint" if UNSUPPORTED.intersection(types) else "is not known"
        raise not_found(f"The resource path '{'/'.join(parts)}' {known}")
    if kind == "offers":
        link = names.get("offers", "")
        return kind, names, item, (link.lower(), link)
    keep = len(parts) if item else len(parts) - 1
    decoded, encoded = "/".join(parts[:keep]), "/".join(raw_parts[:keep])
    links = (decoded,) if decoded == encoded else (decoded, encoded)
    return kind, names, item, links


_TREE = {
    ("dbs",),
    ("dbs", "colls"),
    ("dbs", "colls", "docs"),
    ("dbs", "colls", "pkranges"),
    ("offers",),
}

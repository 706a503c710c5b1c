"""What can be done to one document: create, upsert, replace, read, delete, patch; alone or among others."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from sensor_tui.emulator import budget
from sensor_tui.emulator.answers import (
    CONFLICT,
    KEY_MISMATCH,
    NOT_FOUND,
    PRECONDITION,
    SUBSTATUS_KEY_MISMATCH,
    SUBSTATUS_THROTTLED,
    THROTTLED,
    TOO_LARGE,
    CosmosError,
    bad_request,
)
from sensor_tui.emulator.catalog import Container, Json, Range, child_rid
from sensor_tui.emulator.hashing import UNDEFINED, V2, canonical, effective_key
from sensor_tui.emulator.patch import apply_patch
from sensor_tui.emulator.requests import TOO_DEEP, too_deep
from sensor_tui.emulator.store import Row, Shelf, Store

MAX_DOCUMENT = 2 * 1024 * 1024
MAX_ID_BYTES = 1023
MAX_KEY_BYTES = {1: 101, 2: 2048}
_BY_ID = frozenset({"Read", "Delete", "Patch"})
_ILLEGAL = frozenset("/\\?#")
_PLAIN_ID = re.compile(r"[0-9A-Za-z_.:-]{1,255}").fullmatch

_UNWRITABLE = b""
"""Stands for a document nested so deeply that it cannot be written as text."""

Admit = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Key:
    """A partition key value: its canonical text and its place in the hash space."""

    text: str
    epk: str


@dataclass(slots=True)
class Operation:
    """One thing to do to one document. `key` is where the client says the document belongs."""

    kind: str
    key: Key
    id: str | None = None
    body: Any = None
    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(slots=True)
class Outcome:
    """What became of an operation. `body` is the stored document, in request units `charge`."""

    status: int
    charge: float = 0.0
    substatus: int = 0
    etag: str | None = None
    body: bytes | None = None
    message: str | None = None
    retry_after_ms: int | None = None

    @property
    def ok(self) -> bool:
        return self.status < 400  # noqa: PLR2004


@lru_cache(maxsize=65536)
def parse_key(text: str, version: int) -> Key:
    """The partition key of a header or of a bulk operation: a JSON array of one value; `[{}]` is undefined.

    Raises:
        CosmosError: 400, it is nothing of the kind.
    """
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise bad_request(f"Partition key {text} is invalid.") from None
    if not isinstance(values, list) or len(values) > 1:
        raise bad_request(
            "Partition key provided either doesn't correspond to definition in the collection or doesn't "
            "match partition key field values specified in the document.",
            SUBSTATUS_KEY_MISMATCH,
        )
    # `[]` is what SDKs send for containers that were migrated from having no key: undefined here as well.
    value = UNDEFINED if not values or values[0] == {} else values[0]
    return key_of(value, version)


def key_of(value: object, version: int) -> Key:
    """The key of a value.

    Raises:
        CosmosError: 400, it cannot be a partition key.
    """
    text = canonical(value)
    if text is None:
        raise bad_request("Partition key value must be a string, a number, a boolean or null.")
    if version == V2 and len(text) > MAX_KEY_BYTES[V2] and len(text.encode()) - 1 > MAX_KEY_BYTES[V2]:
        raise bad_request(f"Partition key is larger than the {MAX_KEY_BYTES[V2]} bytes allowed.")
    return Key(text, effective_key(text, version))


def document_key(document: Json, path: tuple[str, ...]) -> object:
    """The value of a document's partition key; UNDEFINED where it has none."""
    value: object = document
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return UNDEFINED
        value = value[name]
    return value


def check_id(document_id: object) -> str | None:
    """Why an id is not one, None when it is."""
    if not isinstance(document_id, str):
        return "The input content is invalid because the required properties - 'id; ' - are missing"
    if not document_id:
        return "The input content is invalid because the required properties - 'id; ' - are empty"
    if not _ILLEGAL.isdisjoint(document_id):
        return (
            f"The input name '{document_id[:64]}' is invalid. Ensure to provide a unique non-empty string "
            "without any of the following characters: '/', '\\', '?', '#'"
        )
    if len(document_id) * 4 > MAX_ID_BYTES and len(document_id.encode()) > MAX_ID_BYTES:
        return f"The input name is invalid because it is longer than {MAX_ID_BYTES} bytes"
    if document_id[-1] == " ":
        return "The input name is invalid because it ends with a space"
    return None


class Writer:
    """Does operations to the documents of one range, inside the caller's transaction.

    With `defer`, documents created are kept back and inserted together: outcomes are final after `flush`.
    """

    def __init__(
        self, store: Store, container: Container, one: Range, admit: Admit, *, now: float, defer: bool = False
    ) -> None:
        self._store = store
        self._defer = defer
        self._pending: list[tuple[int, str, str, bytes]] = []
        self._promised: list[Outcome] = []
        self._container = container
        self._shelf: Shelf = store.shelf(container, one)
        self._admit = admit
        self._ts = int(now)
        self._name = container.path[0] if len(container.path) == 1 else None
        self._stamp_ts = f'{self._ts & 0xFFFFFFFF:08x}0000"'
        self._link = f"{container.self_link}docs/"
        self.refunds = 0.0
        self._steps: dict[str, Callable[[Operation], Outcome]] = {
            "Create": lambda operation: self.create(operation.key, operation.body),
            "Upsert": self._upsert,
            "Replace": self._replace,
            "Read": self._read,
            "Delete": self._delete,
            "Patch": self._patch,
        }

    def do(self, operation: Operation) -> Outcome:
        """Do one operation; what cannot be done is an outcome, not an exception."""
        kind = operation.kind
        if kind != "Create" and self._pending:
            self.flush()
        if kind in _BY_ID and type(operation.id) is not str:
            return Outcome(400, message="The input content is invalid because the operation needs an 'id'")
        return self._steps[kind](operation)

    def flush(self) -> None:
        """Insert what was kept back; outcomes of documents that exist already become 409."""
        pending, promised = self._pending, self._promised
        if not pending:
            return
        self._pending, self._promised = [], []
        if self._shelf.insert_many(pending) == len(pending):
            return
        for (seq, document_id, pk, _), outcome in zip(pending, promised, strict=True):
            row = self._shelf.get(pk, document_id)
            if row is None or row[0] != seq:
                self._conflict(outcome)

    def _conflict(self, outcome: Outcome) -> None:
        self.refunds += outcome.charge - budget.CONFLICT
        outcome.status, outcome.charge, outcome.message = 409, budget.CONFLICT, CONFLICT
        outcome.etag = outcome.body = None

    def _refused(self, status: int, message: str, charge: float = budget.MISS, substatus: int = 0) -> Outcome:
        if charge and not self._admit(charge):
            return throttled_outcome()
        return Outcome(status, charge, substatus, message=message)

    def _checked(self, key: Key, body: Any) -> Json | Outcome:
        """The body of an operation that writes a document, or why it cannot be."""
        if type(body) is not dict:
            return Outcome(400, message="The input content is invalid because it is not a JSON object")
        document_id = body.get("id")
        if type(document_id) is not str or _PLAIN_ID(document_id) is None:
            wrong = check_id(document_id)
            if wrong is not None:
                return Outcome(400, message=wrong)
        name = self._name
        value = body.get(name, UNDEFINED) if name is not None else document_key(body, self._container.path)
        if canonical(value) != key.text:
            return Outcome(400, substatus=SUBSTATUS_KEY_MISMATCH, message=KEY_MISMATCH)
        return body

    def _stamp(self, document: Json, seq: int, version: int) -> tuple[bytes, str]:
        """The document as it is stored, with the service's own fields, and its etag."""
        rid = child_rid(self._container.rid_bytes, seq)
        etag = f'"{version & 0xFFFFFFFF:08x}-0000-0100-0000-{self._stamp_ts}'
        document["_rid"] = rid
        document["_self"] = f"{self._link}{rid}/"
        document["_etag"] = etag
        document["_attachments"] = "attachments/"
        document["_ts"] = self._ts
        try:
            return orjson.dumps(document), etag
        except orjson.JSONEncodeError:
            return _UNWRITABLE, etag

    def create(self, key: Key, body: Any) -> Outcome:
        """Create a document; written flat, since it is what the endpoint does most."""
        checked = self._checked(key, body)
        if type(checked) is not dict:
            return checked  # type: ignore[return-value]
        seq = self._store.next_seq()
        stored, etag = self._stamp(body, seq, seq)
        size = len(stored)
        wrong = unfit(stored, body)
        if wrong is not None:
            return wrong
        charge = budget.create_charge(size)
        if not self._admit(charge):
            return throttled_outcome()
        outcome = Outcome(201, charge, 0, etag, stored)
        self._pending.append((seq, body["id"], key.text, stored))
        self._promised.append(outcome)
        if not self._defer:
            self.flush()
        return outcome

    def _upsert(self, operation: Operation) -> Outcome:
        document = self._checked(operation.key, operation.body)
        if isinstance(document, Outcome):
            return document
        row = self._shelf.get(operation.key.text, document["id"])
        if row is None:
            if operation.if_match is not None:
                return self._refused(412, PRECONDITION)
            return self.create(operation.key, document)
        return self._write(operation, row, document)

    def _replace(self, operation: Operation) -> Outcome:
        document = self._checked(operation.key, operation.body)
        if isinstance(document, Outcome):
            return document
        if operation.id is not None and operation.id != document["id"]:
            return Outcome(400, message="Replacing the id of a document is not possible")
        row = self._shelf.get(operation.key.text, document["id"])
        if row is None:
            return self._refused(404, NOT_FOUND)
        return self._write(operation, row, document)

    def _write(self, operation: Operation, row: Row, document: Json) -> Outcome:
        """Put a document in the place of a stored one."""
        seq, stored = row
        if operation.if_match is not None and not matches(operation.if_match, stored):
            return self._refused(412, PRECONDITION)
        body, etag = self._stamp(document, seq, self._store.next_seq())
        wrong = unfit(body, document)
        if wrong is not None:
            return wrong
        charge = budget.replace_charge(len(body))
        if not self._admit(charge):
            return throttled_outcome()
        self._shelf.update(seq, body)
        return Outcome(200, charge, etag=etag, body=body)

    def _row(self, operation: Operation) -> Row | None:
        return self._shelf.get(operation.key.text, operation.id or "")

    def _read(self, operation: Operation) -> Outcome:
        row = self._row(operation)
        if row is None:
            return self._refused(404, NOT_FOUND)
        body = row[1]
        charge = budget.read_charge(len(body))
        if not self._admit(charge):
            return throttled_outcome()
        if operation.if_none_match is not None and matches(operation.if_none_match, body):
            return Outcome(304, charge, etag=etag_of(body))
        return Outcome(200, charge, etag=etag_of(body), body=body)

    def _delete(self, operation: Operation) -> Outcome:
        row = self._row(operation)
        if row is None:
            return self._refused(404, NOT_FOUND)
        if operation.if_match is not None and not matches(operation.if_match, row[1]):
            return self._refused(412, PRECONDITION)
        charge = budget.create_charge(len(row[1]))
        if not self._admit(charge):
            return throttled_outcome()
        self._shelf.delete(row[0])
        return Outcome(204, charge)

    def _patch(self, operation: Operation) -> Outcome:
        row = self._row(operation)
        if row is None:
            return self._refused(404, NOT_FOUND)
        document = orjson.loads(row[1])
        steps = operation.body
        if isinstance(steps, dict):
            if "condition" in steps:
                return Outcome(400, message="Conditional patch is not supported by this endpoint")
            steps = steps.get("operations")
        try:
            apply_patch(document, steps, self._container.path)
        except CosmosError as error:
            return Outcome(error.status, substatus=error.substatus, message=error.message)
        return self._write(operation, row, document)


def unfit(stored: bytes, document: Json) -> Outcome | None:
    """Why a document cannot be stored: too large or nested too deeply; None when it can."""
    if len(stored) > MAX_DOCUMENT:
        return Outcome(413, message=TOO_LARGE)
    if stored is _UNWRITABLE or too_deep(stored, document):
        return Outcome(400, message=TOO_DEEP)
    return None


def throttled_outcome() -> Outcome:
    """429: it did not fit into the budget."""
    return Outcome(429, substatus=SUBSTATUS_THROTTLED, message=THROTTLED)


def etag_of(body: bytes) -> str:
    """The etag of a stored document."""
    return str(orjson.loads(body)["_etag"])


def matches(condition: str, body: bytes) -> bool:
    """Whether an If-Match value names the stored document."""
    return condition == "*" or condition.strip('"') == etag_of(body).strip('"')

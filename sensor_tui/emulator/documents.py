"""The data plane: single documents, feeds, and the way to batches, bulk and queries."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from sensor_tui.emulator import batch
from sensor_tui.emulator.answers import (
    JSON,
    KEY_MISMATCH,
    SUBSTATUS_KEY_MISMATCH,
    SUBSTATUS_RID_MISMATCH,
    TOO_LARGE,
    Answer,
    CosmosError,
    bad_request,
    range_gone,
    throttled,
)
from sensor_tui.emulator.budget import Budgets, Meter, query_charge
from sensor_tui.emulator.catalog import Container, Json, Range
from sensor_tui.emulator.hashing import MAX_EPK, MIN_EPK, UNDEFINED, canonical, effective_key
from sensor_tui.emulator.operations import (
    Key,
    Operation,
    Outcome,
    Writer,
    document_key,
    parse_key,
)
from sensor_tui.emulator.requests import Request
from sensor_tui.emulator.resources import method_not_allowed
from sensor_tui.emulator.store import Store

RANGE_ID = "x-ms-documentdb-partitionkeyrangeid"
KEY = "x-ms-documentdb-partitionkey"
CONTINUATION = "x-ms-continuation"
_VERBS = {"GET": "Read", "PUT": "Replace", "DELETE": "Delete", "PATCH": "Patch"}
_HEX = re.compile(r"[0-9A-F]*").fullmatch
FEED_BYTES = 3 * 1024 * 1024


@dataclass(slots=True)
class Target:
    """Which documents a request is about: one logical partition, or the keys of [minimum, maximum)."""

    key: Key | None
    ranges: list[Range]
    minimum: str = MIN_EPK
    maximum: str = MAX_EPK
    addressed: bool = False

    @property
    def whole(self) -> bool:
        """Whether whole ranges are meant, not a part of one."""
        return self.minimum <= self.ranges[0].minimum and self.maximum >= self.ranges[-1].maximum


def target_of(container: Container, request: Request) -> Target:
    """The documents a request addresses by key, by range id, by a span of effective keys, or all.

    Raises:
        CosmosError: 410/1002 for a range that is not there, 400 for a key that is none.
    """
    headers = request.headers
    range_id = headers.get(RANGE_ID)
    one = container.range_by_id(range_id) if range_id is not None else None
    if range_id is not None and one is None:
        raise range_gone(range_id)
    text = headers.get(KEY)
    if text is not None:
        key = parse_key(text, container.version)
        home = container.range_of(key.epk)
        if one is not None and one is not home:
            raise range_gone(one.id)
        return Target(key, [home])
    minimum, maximum = headers.get("x-ms-start-epk", MIN_EPK), headers.get("x-ms-end-epk", MAX_EPK)
    ranges = [one] if one is not None else container.overlapping(minimum, maximum)
    if not _HEX(minimum) or not _HEX(maximum) or not ranges or minimum >= maximum:
        raise bad_request("The effective partition key range of the request is empty.")
    return Target(None, ranges, minimum, maximum, addressed=one is not None)


def check_intended(container: Container, request: Request) -> None:
    """Refuse a request meant for a container that has been deleted and made again.

    Raises:
        CosmosError: 400/1024.
    """
    intended = request.headers.get("x-ms-cosmos-intended-collection-rid")
    if intended is not None and intended != container.rid:
        raise bad_request(
            "CollectionRid in the request does not match the collection.", SUBSTATUS_RID_MISMATCH
        )


class Documents:
    """Handlers of `docs`, but for queries."""

    def __init__(self, store: Store, budgets: Budgets) -> None:
        self._store = store
        self._budgets = budgets

    def many(self, container: Container, request: Request) -> Answer:
        """A bulk request or a transactional batch.

        Raises:
            CosmosError: the whole of it is refused.
        """
        if request.flag("x-ms-cosmos-batch-atomic"):
            if KEY not in request.headers:
                raise bad_request("A transactional batch needs the header x-ms-documentdb-partitionkey.")
            target = target_of(container, request)
            assert target.key is not None
            one = target.ranges[0]
            answer = batch.transactional(
                self._store, container, target.key, self._meter(container, one), request
            )
        else:
            range_id = request.headers.get(RANGE_ID)
            if range_id is None:
                raise bad_request("A bulk request needs the header x-ms-documentdb-partitionkeyrangeid.")
            found = container.range_by_id(range_id)
            if found is None:
                raise range_gone(range_id)
            one = found
            answer = batch.bulk(self._store, container, one, self._meter(container, one), request)
        self.session(container, one, answer)
        return answer

    def _meter(self, container: Container, one: Range) -> Meter:
        meter = self._budgets.meter(container, one)
        meter.request()
        return meter

    def session(self, container: Container, one: Range, answer: Answer) -> None:
        """The headers by which clients keep session tokens."""
        headers = answer.headers
        headers["x-ms-session-token"] = f"{one.id}:-1#{container.lsn}"
        headers["x-ms-content-path"] = container.rid
        # A header is Latin-1: a name that is not goes percent-encoded.
        headers["x-ms-alt-content-path"] = f"dbs/{quote(container.database.id)}/colls/{quote(container.id)}"

    def single(self, container: Container, request: Request) -> Answer:
        """One document: create, upsert, read, replace, delete or patch.

        Raises:
            CosmosError: as the service refuses it.
        """
        if len(request.body) > batch.MAX_REQUEST:
            raise CosmosError(413, TOO_LARGE)
        if request.item:
            if request.verb not in _VERBS:
                raise method_not_allowed(request)
            kind = _VERBS[request.verb]
        else:
            kind = "Upsert" if request.flag("x-ms-documentdb-is-upsert") else "Create"
        body: object = None
        if request.verb in {"POST", "PUT"}:
            body = request.json_object()
        elif request.verb == "PATCH":
            body = request.json()
        key = self._key(container, request)
        one = container.range_of(key.epk)
        if request.headers.get(RANGE_ID, one.id) != one.id:
            raise range_gone(request.headers[RANGE_ID])
        operation = Operation(
            kind,
            key,
            request.names.get("docs"),
            body,
            request.headers.get("if-match"),
            request.headers.get("if-none-match"),
        )
        meter = self._meter(container, one)
        writer = Writer(self._store, container, one, meter.admit, now=request.now)
        with self._store.transaction():
            outcome = writer.do(operation)
        if writer.refunds:
            meter.refund(writer.refunds)
        answer = self._answer(outcome, meter, request)
        self.session(container, one, answer)
        return answer

    def _answer(self, outcome: Outcome, meter: Meter, request: Request) -> Answer:
        if outcome.status == batch.TOO_MANY:
            raise throttled(meter.retry_after_ms())
        if not outcome.ok:
            raise CosmosError(
                outcome.status, outcome.message or "", substatus=outcome.substatus, charge=outcome.charge
            )
        headers = {"content-type": JSON}
        if outcome.etag is not None:
            headers["etag"] = outcome.etag
        minimal = request.verb != "GET" and request.headers.get("prefer", "").lower() == "return=minimal"
        body = b"" if minimal or outcome.body is None else outcome.body
        return Answer(outcome.status, body, headers, outcome.charge)

    def _key(self, container: Container, request: Request) -> Key:
        """The key a request names; a document written must have the same.

        Raises:
            CosmosError: 400, it is missing or different.
        """
        text = request.headers.get(KEY)
        if text is None:
            raise bad_request("PartitionKey value must be supplied for this operation.")
        key = parse_key(text, container.version)
        if request.verb in {"POST", "PUT"}:
            value = document_key(request.json_object(), container.path)
            if canonical(value) != key.text and not (text == "[]" and value is UNDEFINED):
                raise bad_request(KEY_MISMATCH, SUBSTATUS_KEY_MISMATCH)
        return key

    def feed(self, container: Container, request: Request) -> Answer:
        """A page of documents in order of their creation, range after range.

        Raises:
            CosmosError: 410 for a range that is gone, 429 when its budget is used up.
        """
        target = target_of(container, request)
        limit = request.page_size()
        place = Place.parse(request.headers.get(CONTINUATION))
        documents: list[bytes] = []
        size = 0
        after: Place | None = None
        last = target.ranges[-1]
        for one in target.ranges:
            start = place.start(one)
            if start is None:
                continue
            last = one
            meter = self._meter(container, one)
            if meter.exhausted() and not documents:
                raise throttled(meter.retry_after_ms())
            before = size
            for mark, body in self.rows(container, one, target, start, limit - len(documents) + 1):
                if len(documents) == limit or size > FEED_BYTES:
                    break
                documents.append(body)
                size += len(body)
                after = Place(one.minimum, one.maximum, mark)
            else:
                after = Place(one.maximum, one.maximum, 0)
                meter.spend(query_charge(0, size - before))
                continue
            meter.spend(query_charge(0, size - before))
            break
        headers = {"content-type": JSON, "x-ms-item-count": str(len(documents))}
        if after is not None and after.minimum < target.ranges[-1].maximum:
            headers[CONTINUATION] = after.text()
        answer = Answer(200, feed_body(container, documents), headers, query_charge(0, size))
        self.session(container, last, answer)
        return answer

    def rows(
        self, container: Container, one: Range, target: Target, start: int | str, limit: int
    ) -> Iterator[tuple[int | str, bytes]]:
        """Documents of a range a target means, each with the mark to go on after it."""
        shelf = self._store.shelf(container, one)
        if target.key is not None:
            for _, _, body, document_id in shelf.scan_key(target.key.text, str(start or ""), limit):
                yield document_id, body
            return
        inside = one.minimum >= target.minimum and one.maximum <= target.maximum
        mark = int(start or 0)
        left = limit
        while left > 0:
            found = shelf.scan(mark, limit)
            for mark, pk, body in found:
                if inside or target.minimum <= effective_key(pk, container.version) < target.maximum:
                    yield mark, body
                    left -= 1
            if len(found) < limit:
                return


@dataclass(slots=True)
class Place:
    """Where a feed goes on: in the keys of [minimum, maximum) after `mark`, and behind them from the start.

    Ranges that were one when the page was read and have split since go on after the same mark.
    """

    minimum: str = MIN_EPK
    maximum: str = MIN_EPK
    mark: int | str = 0

    def start(self, one: Range) -> int | str | None:
        """The mark to go on after in a range, None when it is done."""
        if one.maximum <= self.minimum:
            return None
        return self.mark if one.minimum < self.maximum else 0

    def text(self) -> str:
        """The continuation token."""
        return token_of([self.minimum, self.maximum, self.mark])

    @classmethod
    def parse(cls, token: str | None) -> "Place":
        """A continuation token read back.

        Raises:
            CosmosError: 400, it is not one of ours.
        """
        if not token:
            return cls()
        minimum, maximum, mark = read_token(token, 3)
        return cls(str(minimum), str(maximum), mark)


def token_of(values: list[int | str]) -> str:
    """Values as a continuation token: opaque, and fit for a header."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode()


def read_token(token: str, size: int) -> list[int | str]:
    """The values in a continuation token.

    Raises:
        CosmosError: 400, it is not one of ours.
    """
    try:
        values = orjson.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError):
        values = None
    if (
        not isinstance(values, list)
        or len(values) != size
        or not all(isinstance(one, int | str) for one in values)
    ):
        raise bad_request("Invalid Continuation Token")
    return values


def feed_body(container: Container, documents: list[bytes]) -> bytes:
    """The body of a page of documents (JSON texts)."""
    fragments = [orjson.Fragment(document) for document in documents]
    body: Json = {"_rid": container.rid, "Documents": fragments, "_count": len(documents)}
    return orjson.dumps(body)

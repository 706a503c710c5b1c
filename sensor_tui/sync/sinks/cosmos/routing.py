"""Partition key ranges of the container: which of them a key lies in, kept up to date over splits."""

import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson

from sensor_tui.sync.sinks.cosmos.answers import message_of, reason_of, substatus_of
from sensor_tui.sync.sinks.cosmos.connection import Connection, Reply, Unanswered, container_path
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions

logger = logging.getLogger(__name__)

_FIRST: Final = ""
_END: Final = "FF"
_MOST_PAGES: Final = 1000


class RangesUnknown(Exception):
    """The ranges cannot be had now; the message says why."""

    def __init__(self, reason: str, reply: Reply | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply
        """The answer that was none to go by; None where there was no answer."""


@dataclass(frozen=True, slots=True)
class KeyRange:
    """One range: effective keys from `minimum` up to but not including `maximum`."""

    id: str
    minimum: str
    maximum: str
    parents: tuple[str, ...] = ()


class RangeMap:
    """All ranges of a container, in order, without gaps.

    Raises:
        RangesUnknown: they leave a gap or overlap (a split seen half-way).
    """

    def __init__(self, ranges: Iterable[KeyRange]) -> None:
        by_id = {each.id: each for each in ranges}
        for parent in {parent for each in by_id.values() for parent in each.parents}:
            by_id.pop(parent, None)
        self.ranges = sorted(by_id.values(), key=lambda each: each.minimum)
        self._minimums = [each.minimum for each in self.ranges]
        maximums = [_FIRST, *(each.maximum for each in self.ranges)]
        if [*self._minimums, _END] != maximums:
            raise RangesUnknown("its list of partition key ranges has a gap")

    def find(self, effective_key: str) -> str:
        """Id of the range that an effective key lies in."""
        return self.ranges[bisect_right(self._minimums, effective_key) - 1].id


class Routing:
    """The range map, as last read. Reading follows the feed of changes that the SDKs follow too."""

    def __init__(self, options: CosmosOptions, connection: Connection) -> None:
        self._path = f"{container_path(options)}/pkranges"
        self._link = options.link
        self._connection = connection
        self._map: RangeMap | None = None
        self._etag = ""

    @property
    def map(self) -> RangeMap:
        """The ranges; refresh first."""
        assert self._map is not None
        return self._map

    def forget(self) -> None:
        """Read everything next time, not only what changed."""
        self._etag = ""

    async def refresh(self) -> None:
        """Read what changed. The ranges known stay where this fails.

        Raises:
            RangesUnknown: no answer, or none to go by.
            SinkError: no token to sign with.
        """
        if self._map is not None and self._etag:
            changed, etag = await self._feed(self._etag)
            try:
                self._map = RangeMap([*self._map.ranges, *changed])
            except RangesUnknown:
                logger.debug("the changed partition key ranges do not fit; reading all of them")
            else:
                self._etag = etag
                return
        everything, etag = await self._feed("")
        self._map = RangeMap(everything)
        self._etag = etag

    async def _feed(self, etag: str) -> tuple[list[KeyRange], str]:
        """Ranges since a point in the feed, and the point it was read up to."""
        found: list[KeyRange] = []
        continuation = ""
        for _ in range(_MOST_PAGES):
            headers = {"A-IM": "Incremental feed", "x-ms-max-item-count": "-1"}
            if etag:
                headers["If-None-Match"] = etag
            if continuation:
                headers["x-ms-continuation"] = continuation
            page, reply_headers = await self._page(headers)
            if page is None:
                return found, reply_headers.get("etag", etag)
            found.extend(page)
            before = (etag, continuation)
            continuation = reply_headers.get("x-ms-continuation", "")
            if not continuation:
                etag = reply_headers.get("etag", "")
            if (not etag and not continuation) or (etag, continuation) == before:
                return found, etag
        raise RangesUnknown("its list of partition key ranges does not end")

    async def _page(self, headers: Mapping[str, str]) -> tuple[list[KeyRange] | None, Mapping[str, str]]:
        try:
            reply = await self._connection.get(self._path, "pkranges", self._link, headers)
        except Unanswered as error:
            raise RangesUnknown(error.reason) from error
        if reply.status == HTTPStatus.NOT_MODIFIED:
            return None, reply.headers
        if reply.status != HTTPStatus.OK:
            reason = reason_of(reply.status, substatus_of(reply.headers), message_of(reply.body))
            raise RangesUnknown(reason, reply)
        try:
            ranges = [_range(each) for each in orjson.loads(reply.body)["PartitionKeyRanges"]]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            raise RangesUnknown("its list of partition key ranges cannot be read") from None
        return ranges, reply.headers


def _range(entry: Mapping[str, Any]) -> KeyRange:
    return KeyRange(
        id=str(entry["id"]),
        minimum=entry["minInclusive"],
        maximum=entry["maxExclusive"],
        parents=tuple(map(str, entry.get("parents") or ())),
    )

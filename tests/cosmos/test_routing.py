"""Partition key ranges: finding a key's, following splits, and standing failures."""

from itertools import pairwise

import pytest
from aiohttp import web

from sensor_tui.errors import SinkUnreachable
from sensor_tui.sync.contract import RequestFailed, Verdict
from sensor_tui.sync.sinks.cosmos.routing import KeyRange, RangeMap, RangesUnknown


def ranges(*bounds: str, parents: tuple[str, ...] = ()) -> list[KeyRange]:
    return [KeyRange(f"{low or '-'}", low, high, parents) for low, high in pairwise(bounds)]


def test_a_key_lies_in_the_range_that_begins_at_or_before_it():
    known = RangeMap(ranges("", "05", "10", "FF"))
    assert [known.find(key) for key in ("", "04FF", "05", "0F", "10", "3FFF")] == [
        "-",
        "-",
        "05",
        "05",
        "10",
        "10",
    ]


def test_children_take_the_place_of_their_parent():
    old = ranges("", "10", "FF")
    children = ranges("10", "20", "FF", parents=("10",))
    children[0] = KeyRange("child", "10", "20", ("10",))
    assert RangeMap([*old, *children]).find("15") == "child"


def test_a_merged_range_takes_the_place_of_both_parents():
    merged = KeyRange("merged", "05", "FF", ("05", "10"))
    assert [each.id for each in RangeMap([*ranges("", "05", "10", "FF"), merged]).ranges] == ["-", "merged"]


@pytest.mark.parametrize("bounds", [("", "05"), ("05", "FF")])
def test_ranges_that_leave_a_gap_are_not_used(bounds):
    with pytest.raises(RangesUnknown):
        RangeMap(ranges(*bounds))


def test_no_ranges_are_not_used():
    with pytest.raises(RangesUnknown):
        RangeMap([])


async def test_ranges_are_read_page_by_page(scripted, make_sink):
    everything = list(scripted.ranges)

    def page(request):
        if not request.path.endswith("/pkranges") or "if-none-match" in request.headers:
            return None
        start = int(request.headers.get("x-ms-continuation", 0))
        more = {"x-ms-continuation": str(start + 1)} if start + 1 < len(everything) else {"etag": "1"}
        return web.json_response({"PartitionKeyRanges": everything[start : start + 1]}, headers=more)

    scripted.script = page
    sink = make_sink(scripted.options())
    await sink.open()
    assert sink.lanes == ["0", "1", "2"]


async def test_a_split_is_followed_by_reading_what_changed(endpoint, make_sink):
    sink = make_sink(endpoint.options())
    await sink.open()
    route = sink.route("London")
    low, high = endpoint.emulator.split("SensorData", "SensorReadings", route.lane)
    assert sink.route("London") == route
    await sink.reroute()
    assert sink.route("London").lane in {low.id, high.id}
    assert len(sink.lanes) == 5


async def test_callers_at_the_same_time_share_one_reading(scripted, make_sink):
    import asyncio

    sink = make_sink(scripted.options())
    await sink.open()
    scripted.requests.clear()
    await asyncio.gather(*(sink.reroute() for _ in range(20)))
    assert [each.path.rpartition("/")[2] for each in scripted.requests] == ["SensorReadings", "pkranges"]


async def test_when_ranges_cannot_be_read_the_known_ones_stay(scripted, make_sink):
    sink = make_sink(scripted.options())
    await sink.open()
    route = sink.route("London")
    scripted.script = lambda request: (
        web.json_response({}, status=503) if request.path.endswith("/pkranges") else None
    )
    with pytest.raises(RequestFailed) as caught:
        await sink.reroute()
    assert caught.value.judgement.verdict is Verdict.TRANSIENT
    assert sink.route("London") == route


async def test_ranges_that_do_not_fit_what_is_known_are_read_whole(scripted, make_sink):
    sink = make_sink(scripted.options())
    await sink.open()
    scripted.ranges = [{"id": "9", "minInclusive": "", "maxExclusive": "FF", "parents": []}]
    overlapping = [{"id": "8", "minInclusive": "01", "maxExclusive": "02", "parents": []}]

    def changed(request):
        if request.path.endswith("/pkranges") and request.headers.get("if-none-match") == "1":
            return web.json_response({"PartitionKeyRanges": overlapping}, headers={"etag": "2"})
        if request.path.endswith("/pkranges") and "if-none-match" in request.headers:
            return web.Response(status=304, headers={"etag": "2"})
        if request.path.endswith("/pkranges"):
            return web.json_response({"PartitionKeyRanges": scripted.ranges}, headers={"etag": "2"})
        return None

    scripted.script = changed
    await sink.reroute()
    assert sink.lanes == ["9"]


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"PartitionKeyRanges":[{}]}'])
async def test_a_list_of_ranges_that_cannot_be_read_is_said_so(scripted, make_sink, body):
    scripted.script = lambda request: web.Response(body=body) if request.path.endswith("/pkranges") else None
    with pytest.raises(SinkUnreachable, match="ranges cannot be read"):
        await make_sink(scripted.options()).open()

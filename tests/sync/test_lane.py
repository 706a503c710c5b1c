"""Cutting queued documents into requests."""

from hypothesis import given
from hypothesis import strategies as st

from sensor_tui.sync.contract import Limits, Parcel, Route
from sensor_tui.sync.lane import Lane

PREFIX = b"p" * 10
OVERHEAD = 3


def parcel(bodies, start=0):
    size = sum(map(len, bodies)) + len(bodies) * (len(PREFIX) + OVERHEAD)
    return Parcel(Route("0", PREFIX), range(start, start + len(bodies)), bodies, size)


@given(
    groups=st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=40), max_size=8),
    most=st.integers(1, 30),
)
def test_requests_keep_order_and_both_limits_and_lose_nothing(groups, most):
    lane = Lane("0", Limits(documents=25, size=1000, concurrency=5, overhead=OVERHEAD))
    expected = []
    for number, sizes in enumerate(groups):
        bodies = [b"%d.%d" % (number, position) + b"x" * size for position, size in enumerate(sizes)]
        lane.put(parcel(bodies))
        expected += bodies
    sent = []
    while lane.queued:
        request = lane.take(most)
        count = sum(len(part.bodies) for part in request)
        assert 1 <= count <= min(most, 25)
        real = sum(len(body) + len(PREFIX) + OVERHEAD for part in request for body in part.bodies)
        assert real == sum(part.size for part in request)
        assert real <= 1000 or count == 1
        for part in request:
            assert len(part.indexes) == len(part.bodies)
        sent += [body for part in request for body in part.bodies]
    assert sent == expected
    assert lane.take(most) == []


def test_what_goes_again_goes_first_and_in_order():
    lane = Lane("0", Limits(documents=10, size=10_000, concurrency=5))
    lane.put(parcel([b"new"]))
    lane.put_back([parcel([b"a", b"b"]), parcel([b"c"])])
    assert lane.queued == 4
    assert [body for part in lane.take(10) for body in part.bodies] == [b"a", b"b", b"c", b"new"]


def test_an_oversized_document_travels_alone():
    lane = Lane("0", Limits(documents=10, size=100, concurrency=5, overhead=OVERHEAD))
    lane.put(parcel([b"s", b"L" * 500, b"t"]))
    requests = [[body for part in lane.take(10) for body in part.bodies] for _ in range(3)]
    assert requests == [[b"s"], [b"L" * 500], [b"t"]]

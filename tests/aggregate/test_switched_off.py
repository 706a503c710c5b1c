"""The aggregation is switched off while documents of windows are under way: no reading is there twice."""

import pytest

from tests.aggregate.test_crashes import run_until_crash
from tests.aggregate.test_trouble import refuse_parts


def rows_sent(rig):
    """Readings in documents of windows, and row ids of those that went as they are."""
    documents = rig.sink.documents.values()
    return (
        sum(each["count"] for each in documents if "windowStart" in each),
        sorted(each["sqlite_id"] for each in documents if "windowStart" not in each),
    )


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["intend", "close_held", "fulfil"])
async def test_documents_under_way_are_sent_and_their_readings_are_not(rig, name, after):
    sensor = rig.sensor()
    sensor.write(*range(75))
    rig.at(75.0)
    assert await run_until_crash(rig, name, after, 0)
    committed = (name, after) != ("intend", False)
    rig.aggregates = False
    sensor.write(75, 76)
    for _ in range(2):
        await rig.once()
        assert rows_sent(rig) == ((60, list(range(61, 78))) if committed else (0, list(range(1, 78))))
        assert sensor.open() == []
        assert rig.statuses[0].backlog == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["intend", "close_held", "fulfil"])
async def test_a_file_without_marks_is_read_once_too(rig, name, after):
    sensor = rig.sensor(synced=False)
    sensor.write(*range(35))
    sensor.write(29.5)  # in the first window, behind one of the second
    sensor.write(*range(35, 45))
    rig.at(45.0)
    assert await run_until_crash(rig, name, after, 0)
    committed = (name, after) != ("intend", False)
    rig.aggregates = False
    for _ in range(2):
        await rig.once()
        apart = (31, [*range(31, 36), *range(37, 47)])
        assert rows_sent(rig) == (apart if committed else (0, list(range(1, 47))))
        assert rig.statuses[0].backlog == 0


async def test_a_document_that_is_rejected_then_is_a_dead_letter_of_each_reading(rig):
    sensor = rig.sensor()
    sensor.write(*range(45))
    rig.at(45.0)
    assert await run_until_crash(rig, "intend", True, 0)
    rig.aggregates = False
    rig.sink.script = refuse_parts(lambda document: "windowStart" in document)
    await rig.once()
    assert sensor.synced() == {row: -1 if row <= 30 else 1 for row in range(1, 46)}
    assert rig.statuses[0].dead_letters == 30

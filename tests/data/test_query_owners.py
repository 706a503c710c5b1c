"""Files that several sensors in several cities write: a row is its own sensor's, and of its own city."""

import sqlite3

import pytest

from sensor_tui.errors import UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.query import FileQueries, SensorFile, Wanted, no_such_city
from sensor_tui.service.query_analysis import analyze
from sensor_tui.service.query_cosmos import query_cosmos, why_no_city
from sensor_tui.service.request import SyncRequest
from sensor_tui.storage.query_newest import NewestReader

START = 1_755_000_000.0
CLOCK = SystemClock()
COLUMNS = (
    "id INTEGER PRIMARY KEY, timestamp REAL, sensor_id TEXT, location TEXT, temperature REAL, synced INTEGER"
)
LONDON, MANILA = ("LON_000001", "London"), ("MAN_000002", "Manila (14.59, 120.97)")


@pytest.fixture
def queries(root):
    made = FileQueries(SyncRequest(root), CLOCK)
    yield made
    made.close()


@pytest.fixture
def shared(plain, root):
    """Five rows of one sensor, then five of another, in the folder of a third city."""
    every = [LONDON] * 5 + [MANILA] * 5
    rows = [(number, START + number, *owner, 1.0, 0) for number, owner in enumerate(every, 1)]
    plain(COLUMNS, rows)
    (root / "London").rename(root / "depot")
    return root / "depot" / "P" / "sensor_data.db"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(sensor="MAN_000002"), [10, 9, 8, 7, 6]),
        (Wanted(sensor="LON_000001"), [5, 4, 3, 2, 1]),
        (Wanted(city="London"), [5, 4, 3, 2, 1]),
        (Wanted(city="manila"), [10, 9, 8, 7, 6]),
        (Wanted(sensor="LON_000001", since=START + 4), [5, 4]),
        (Wanted(), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
async def test_rows_are_chosen_by_what_they_say_themselves(queries, shared, wanted, ids):
    table, problems = await queries.newest(wanted, limit=20)
    assert ([row[0] for row in table.rows], problems) == (ids, [])
    table, _ = await queries.count(wanted)
    assert sum(row[3] for row in table.rows) == len(ids)


async def test_counts_name_every_sensor_and_city(queries, shared):
    table, _ = await queries.count(Wanted())
    assert [list(row[1:]) for row in table.rows] == [["LON_000001", "London", 5], ["MAN_000002", "Manila", 5]]
    table, _ = await queries.count(Wanted(sensor="LON_000001", since=START + 8))
    assert [list(row[1:]) for row in table.rows] == [["LON_000001", "depot", 0]]


@pytest.mark.parametrize(
    "wanted", [Wanted(city="depot"), Wanted(sensor="LON_000001", city="Manila"), Wanted(sensor="nobody")]
)
async def test_a_file_without_such_rows_does_not_fit(queries, shared, wanted):
    with pytest.raises(UsageError, match="No sensor file fits"):
        await queries.count(wanted)


async def test_rows_that_name_no_place_are_of_the_folder(queries, plain):
    plain("id INTEGER PRIMARY KEY, timestamp REAL, sensor_id", [(1, START, 7), (2, START + 1, None)])
    table, _ = await queries.count(Wanted(city="LONDON"))
    assert sorted(row[3] for row in table.rows) == [1, 1]
    table, _ = await queries.newest(Wanted(sensor="7"), limit=5)
    assert [row[0] for row in table.rows] == [1]


async def test_the_list_has_all_sensors_of_a_file(queries, shared):
    (file,) = await queries.files(owners=True)
    assert [tuple(owner) for owner in file.owners] == [("LON_000001", "London"), ("MAN_000002", "Manila")]
    (file,) = await queries.files(Wanted(city="Manila"))
    assert (file.sensor_id, file.owners) == ("MAN_000002", ())


async def test_a_large_file_is_looked_at_in_a_few_places(sensor):
    reader = NewestReader("a.db", str(sensor(rows=20_000, sensor_id="LON_100001")))
    try:
        places = 0
        while (step := reader.owners_step(places)) is not None:
            assert [tuple(owner) for owner in step[0]] == [("LON_100001", "London")]
            places += 1
        assert places == 8
    finally:
        reader.close()


async def test_a_file_that_cannot_be_read_is_not_passed_over(queries, sensor, root):
    sensor("A", rows=5, sensor_id="LON_100001")
    bad = root / "London" / "B" / "sensor_data.db"
    bad.parent.mkdir()
    bad.write_bytes(b"junk" * 1000)
    table, problems = await queries.count(Wanted(sensor="LON_100001"))
    assert (len(table.rows), len(problems)) == (1, 1)
    assert SensorFile("x", "", None, "Oslo", None, "bad").owner(Wanted(sensor="S")) == (None, "Oslo")


async def test_no_files_at_all_is_said_with_the_folder(queries, root):
    with pytest.raises(UsageError, match=f"No sensor database was found in {root}"):
        await queries.newest(Wanted(), limit=1)


async def test_every_sensor_of_a_file_is_compared_for_itself(settings_for, emulator, shared, root):
    found = settings_for(emulator).settings
    await sync_once(found, SyncRequest(root), clock=CLOCK)
    with sqlite3.connect(shared) as db:
        db.execute(
            "INSERT INTO sensor_readings VALUES (11, ?, 'MAN_000002', 'Manila', 1.0, 1)", (START + 11,)
        )
    db.close()
    analysis = await analyze(found, CLOCK, Wanted(), SyncRequest(root), compare=None)
    facts = [
        (each.sensor, each.city, each.rows, each.closed, each.documents, each.compared, each.missing)
        for each in analysis.sensors
    ]
    london = ("LON_000001", "London", 5, 5, 5, 5, 0)
    assert facts == [london, ("MAN_000002", "Manila", 6, 6, 5, 6, 1)]
    analysis = await analyze(found, CLOCK, Wanted(sensor="LON_000001"), SyncRequest(root), compare=None)
    (one,) = analysis.sensors
    assert (one.sensor, one.closed, one.compared, one.missing, analysis.notes) == ("LON_000001", 5, 5, 0, [])
    # two places of the file: five rows of this sensor in the first, none in the second
    analysis = await analyze(found, CLOCK, Wanted(sensor="LON_000001"), SyncRequest(root), compare=2)
    assert [each.compared for each in analysis.sensors] == [1]


async def test_an_analysis_says_why_nothing_is_compared(settings_for, emulator, shared, root, tmp_path):
    found = settings_for(emulator).settings
    await sync_once(found, SyncRequest(root), clock=CLOCK)
    empty = tmp_path / "empty"
    empty.mkdir()
    analysis = await analyze(found, CLOCK, Wanted(), SyncRequest(empty), compare=None)
    assert analysis.notes == [f"No sensor database was found in {empty}, so that nothing was compared."]
    analysis = await analyze(found, CLOCK, Wanted(sensor="nobody"), SyncRequest(root), compare=None)
    assert analysis.notes == ["No sensor file has such readings, so that nothing was compared."]
    analysis = await analyze(found, CLOCK, Wanted(city="manila"), None, compare=None)
    assert analysis.notes == ["No city 'manila'; there is 'Manila'."]
    for city, note in (("manila", "No city 'manila'; there is 'Manila'"), ("Manila", "")):
        assert (await why_no_city(found, CLOCK, Wanted(city=city)))[0] == note
    with pytest.raises(UsageError, match="GROUP BY over several partitions is not possible here"):
        await query_cosmos(found, CLOCK, "SELECT c.city, COUNT(1) AS n FROM c GROUP BY c.city", limit=5)


@pytest.mark.parametrize(
    ("cities", "words"),
    [
        ([], ""),
        (["Oslo", "LONDON", None, 7], "No city 'london'; there is 'LONDON'"),
        (["london", "London"], ""),
        (list("edcbafg"), "No city 'london'; there are 'a', 'b', 'c', 'd', 'e', …"),
        (["Oslo"], "No city 'london'; there is 'Oslo'"),
    ],
)
def test_what_cities_there_are_instead(cities, words):
    assert no_such_city("london", cities) == words

"""Handing a file over to another engine: it has it, or it is still ours."""

from sensor_tui.sync.sources.sqlite import SqliteSource

KEY = "London/A/sensor_data.db"


async def test_a_file_stays_ours_where_nobody_is_there_to_have_it_any_more(sample, open_store, monkeypatch):
    sample(rows=50)
    closest = {}
    store = await open_store(left_to=closest.get)
    source = SqliteSource(store, ["cosmos"])
    (feed,) = await source.poll()

    async def stops():
        closest.clear()

    closest[KEY] = "the uploader of London"
    monkeypatch.setattr(source, "save", stops)  # between the look at the files and letting go
    assert await source.poll() == []
    assert [(each.source, each.owner, each.backlog) for each in source.status()] == [(KEY, None, 50)]
    assert feed.alive

    (again,) = await source.poll()
    assert again is feed
    assert len((await feed.read(100)).rows) == 50


async def test_a_file_that_is_left_is_free_for_who_is_to_have_it(sample, open_store):
    sample(rows=50)
    closest = {}
    store = await open_store(left_to=closest.get)
    source = SqliteSource(store, ["cosmos"])
    (feed,) = await source.poll()

    closest[KEY] = "the uploader of London"
    assert await source.poll() == []
    assert [(each.source, each.owner) for each in source.status()] == [(KEY, "the uploader of London")]
    assert not feed.alive
    other = await open_store()
    assert [file.key for file in (await other.scan()).changed] == [KEY]

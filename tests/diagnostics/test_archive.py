"""The archive's parts: whether what an append has to read can be read."""

import pytest

from sensor_tui.model.check import CheckVerdict
from sensor_tui.service.diagnostics import outputs
from tests.archive.kit import FORMATS, documents, opened

OK, FAILED = CheckVerdict.OK, CheckVerdict.FAILED


@pytest.fixture(params=FORMATS)
def form(request):
    return request.param


@pytest.fixture
def looked_at(check, settings_for, tmp_path):
    async def make(form):
        given = {"path": str(tmp_path / "archive"), "format": form}
        return await check("archive", settings_for(sections={"archive": given}))

    return make


async def test_a_damaged_part_is_named(looked_at, tmp_path, form):
    async with opened(tmp_path / "archive", form) as archive:
        for sensor in ("A", "B", "C"):
            await archive.send(documents(0, 5, sensor=sensor))
            await archive.send(documents(5, 5, sensor=sensor))
    found = await looked_at(form)
    assert found.verdict is OK
    assert "the newest part of 3 datasets can be read" in found.evidence
    part = archive.parts("B")[-1]
    part.write_bytes(part.read_bytes()[:-7])
    found = await looked_at(form)
    assert found.verdict is FAILED
    assert "1 dataset takes nothing" in found.evidence
    assert str(part) in found.evidence
    assert "Move what is named out of the archive" in found.remedy
    part.unlink()
    assert (await looked_at(form)).verdict is OK


async def test_datasets_of_a_citys_own_folder_are_looked_at(looked_at, tmp_path):
    async with opened(tmp_path / "archive", "CSV", own_city="London") as archive:
        await archive.send(documents(0, 5))
    [part] = (tmp_path / "archive" / "LON_123456.csv").glob("[!.]*.csv")
    part.write_text("nothing")
    assert (await looked_at("CSV")).verdict is FAILED


async def test_of_many_datasets_those_written_last_are_looked_at(looked_at, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "_MOST_DATASETS", 2)
    async with opened(tmp_path / "archive", "JSON lines") as archive:
        for sensor in ("A", "B", "C"):
            await archive.send(documents(0, 5, sensor=sensor))
    found = await looked_at("JSON lines")
    assert "2 datasets can be read, of 3 those written last" in found.evidence


async def test_an_archive_of_parquet_without_pyarrow_is_said_so(looked_at, tmp_path, monkeypatch):
    import sys

    (tmp_path / "archive").mkdir()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "sensor_tui.sync.sinks.archive.parquet", raising=False)
    found = await looked_at("Parquet")
    assert found.verdict is OK
    assert "cannot be read without pyarrow" in found.evidence


async def test_a_look_stops_when_it_is_given_up(tmp_path):
    from sensor_tui.sync.sinks.archive.survey import look

    async with opened(tmp_path / "archive", "CSV") as archive:
        await archive.send(documents(0, 5))
    looked = look(tmp_path / "archive", "CSV", 10, lambda: True)
    assert (looked.datasets, looked.there, looked.problems) == (0, 1, ())

"""A dataset that the file system refuses keeps the archive refused until it can be used."""

import pytest

from sensor_tui.errors import SinkRefused
from tests.archive.kit import documents, ids_in


@pytest.mark.parametrize("where", ["London", "London/LON_123456.jsonl", "London/.LON_123456.jsonl.lock"])
async def test_it_does_not_open_again_before(make, where):
    async with make("JSON lines") as archive:
        place = archive.folder / where
        place.parent.mkdir(exist_ok=True)
        if where.endswith(".lock"):
            place.mkdir()
        else:
            place.write_text("no folder")
        with pytest.raises(SinkRefused):
            await archive.send(documents(0, 2))
        for _ in range(2):
            with pytest.raises(SinkRefused, match=r"London/LON_123456\.jsonl cannot be used"):
                await archive.sink.open()
        if place.is_dir():
            place.rmdir()
        else:
            place.unlink()
        await archive.sink.open()
        await archive.send(documents(0, 2))
        assert len(ids_in(archive.parts()[0])) == 2
        await archive.sink.open()

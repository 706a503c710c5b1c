"""Archives for tests."""

import pytest

from tests.archive.kit import FORMATS, opened


@pytest.fixture(params=FORMATS)
def form(request):
    return request.param


@pytest.fixture
def make(tmp_path):
    """Open an archive in this test's folder."""
    return lambda name="Parquet", **more: opened(tmp_path / "archive", name, **more)

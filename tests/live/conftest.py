"""Stages for the tests: one for a whole module where its tests do not disturb one another, or one's own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.live.live import Live, dashboard
from tests.live.stage import Stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Shared by the tests of a module; what a test adds, it adds under names of its own."""
    with Stage(sensors=(2, 3, 11, 21, 31, 41, 51, 61)) as one:
        yield one


@pytest.fixture
def own_stage() -> Iterator[Stage]:
    """For a test that stops things or counts everything."""
    with Stage(sensors=(1,)) as one:
        yield one


@pytest.fixture
def look_at() -> Callable[..., AbstractAsyncContextManager[Live]]:
    """The dashboard over a stage."""
    return dashboard


@pytest.fixture(autouse=True)
def _no_terminal_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The dashboard does not copy into the tmux of whoever runs the tests."""
    monkeypatch.delenv("TMUX", raising=False)

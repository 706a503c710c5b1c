"""How a set-up that is broken is described: how it is made, which check finds it, and what it has to say."""

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from sensor_tui.model.check import CheckVerdict
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.request import SyncRequest

FAILED, WARNING = CheckVerdict.FAILED, CheckVerdict.WARNING
OTHER_KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="


class Ground:
    """What a set-up is made of."""

    def __init__(self, request: pytest.FixtureRequest, emulator: Any, stack: AsyncExitStack) -> None:
        self._get = request.getfixturevalue
        self.emulator = emulator
        self.stack = stack

    def __getattr__(self, name: str) -> Any:
        return self._get(name)

    async def filled(self) -> None:
        """Have database and container made, with readings."""
        self.sensor()
        await sync_once(self.settings_for(self.emulator), SyncRequest(self.root))


@dataclass(frozen=True)
class Broken:
    """A set-up: `make` returns what the check is made with."""

    check: str
    make: Callable[[Ground], Awaitable[dict[str, Any]]]
    evidence: tuple[str, ...]
    remedy: tuple[str, ...]
    verdict: CheckVerdict = FAILED
    components: tuple[str, ...] = field(default=())


SETUPS: dict[str, Broken] = {}


def broken(
    name: str,
    check: str,
    *,
    evidence: tuple[str, ...],
    remedy: tuple[str, ...],
    verdict: CheckVerdict = FAILED,
    components: tuple[str, ...] = (),
) -> Callable[[Any], Any]:
    def enter(make: Any) -> Any:
        SETUPS[name] = Broken(check, make, evidence, remedy, verdict, components)
        return make

    return enter


def space(*, free: int = 50 << 30, inodes_left: int = 500) -> os.statvfs_result:
    total = 100 << 30
    return os.statvfs_result(
        (4096, 4096, total // 4096, free // 4096, free // 4096, 1000, inodes_left, inodes_left, 0, 255)
    )

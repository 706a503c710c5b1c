"""The event loop of a process that uploads."""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_SWITCH_SECONDS: Final = 0.002
"""How long a thread may hold the interpreter while another waits: the default of 5 ms makes the sweep of a
thousand files late beside a busy loop, much less makes two threads spend their time on taking turns."""
_GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Rows and documents are many and form no cycles: the default of 700 spends its time looking for some."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end, on uvloop where that is installed."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop

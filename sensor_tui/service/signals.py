"""Signals of a process that uploads: one asks to stop, a second insists, a lost terminal is nothing."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STOP = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def two_signals(first: Callable[[], None], second: Callable[[], None]) -> Iterator[None]:
    """Within it SIGTERM or SIGINT calls `first`, any further one `second`. Main thread only."""
    loop = asyncio.get_running_loop()
    asked = False

    def handle() -> None:
        nonlocal asked
        if asked:
            second()
        else:
            asked = True
            first()

    before = {number: signal.getsignal(number) for number in _STOP}
    for number in _STOP:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in _STOP:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number] or signal.SIG_DFL)


@contextmanager
def without_hangup() -> Iterator[None]:
    """Within it SIGHUP does nothing, so that a dropped connection does not end the upload."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before or signal.SIG_DFL)

"""What becomes of the dashboard when its terminal is gone: nothing, at once.

Measured: a loop that goes on reading a terminal that hung up takes more than a whole core. There is nothing
to put right either: the service is a process of its own and goes on.
"""

import os
import select
import signal
import sys
import threading
from typing import Final

GONE: Final = 128 + signal.SIGHUP


def vanish_on_hangup() -> None:
    """End this process, writing nothing, as soon as its terminal hangs up."""
    signal.signal(signal.SIGHUP, _vanish)
    if sys.stdin.isatty():
        threading.Thread(target=_watch, args=(sys.stdin.fileno(),), daemon=True, name="hangup").start()


def _vanish(*_: object) -> None:
    os._exit(GONE)


def _watch(terminal: int) -> None:
    """Wait for the line to drop, also where the signal is ignored or goes elsewhere (nohup, a pager)."""
    poll = select.poll()
    poll.register(terminal, 0)
    while True:
        for _, event in poll.poll():
            if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                _vanish()

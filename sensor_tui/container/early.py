"""Signals of a container that is still starting; imported before anything that takes its time."""

import os
import signal


def stop_at_once() -> None:
    """Let a signal end the process until the program has handlers of its own.

    The kernel drops signals that the first process of a container has no handler for, and Docker would then
    wait until it kills.
    """

    def leave(number: int, _frame: object) -> None:
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)

"""Telling everyone who listens what changes, without ever waiting for one of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from weakref import WeakSet

from sensor_tui.model.unit import UnitEvent

LONGEST: Final = 1000
"""Events kept for one who listens slowly; with one more they become a single one about all units."""


class Listener(AsyncIterator[UnitEvent]):
    """Events from the moment it was made; ends when the runtime closes."""

    def __init__(self) -> None:
        self._events: list[UnitEvent] = []
        self._some = asyncio.Event()
        self._closed = False

    def put(self, event: UnitEvent) -> None:
        """Add one."""
        self._events.append(event)
        if len(self._events) > LONGEST:
            self._events = [UnitEvent(None, "missed", event.at)]
        self._some.set()

    def close(self) -> None:
        """Let it end after what it has."""
        self._closed = True
        self._some.set()

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> UnitEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._some.clear()
            await self._some.wait()
        return self._events.pop(0)


class Events:
    """Everyone who listens; one who is forgotten by others is forgotten here."""

    def __init__(self) -> None:
        self._listeners: WeakSet[Listener] = WeakSet()
        self._closed = False

    def listen(self) -> Listener:
        """Everything from now on."""
        listener = Listener()
        if self._closed:
            listener.close()
        self._listeners.add(listener)
        return listener

    def tell(self, event: UnitEvent) -> None:
        """Tell all of them."""
        for listener in tuple(self._listeners):
            listener.put(event)

    def close(self) -> None:
        """There will be no more."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.close()

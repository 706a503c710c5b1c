"""Embedding the service: the one that runs is found, or one is started as a process of its own."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import OwnedElsewhere
from sensor_tui.model.clock import Clock
from sensor_tui.service.request import SyncRequest

if TYPE_CHECKING:
    from sensor_tui.service.client import ServiceClient


_OF_THE_SCREEN: Final = frozenset(
    {"SENSOR_TUI_WEB", "TEXTUAL_DRIVER", "TEXTUAL_FPS", "TEXTUAL_COLOR_SYSTEM", "COLUMNS", "LINES"}
)
"""Variables that are about the dashboard, which a service that outlives it does not inherit."""


class Embedding:
    """Finds the service of some sensor files, and starts it where that is wanted.

    `options` are those of the `sync` that runs as the service; a key reaches it through the environment.
    """

    def __init__(
        self,
        request: SyncRequest,
        options: Sequence[str],
        clock: Clock,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.started = False
        """Whether the service that runs was started here."""
        self._request = request
        self._options = tuple(options)
        self._clock = clock
        own = os.environ if environment is None else environment
        self._environment = {name: value for name, value in own.items() if name not in _OF_THE_SCREEN}

    def find(self) -> "ServiceClient | None":
        """A client of the service that runs; None where none does.

        Raises:
            ServiceError: there is one, and we may not speak to it.
        """
        from sensor_tui.service.attach import attach

        return attach(self._request, self._clock)

    async def start(self) -> "ServiceClient":
        """Start the service where none runs, and wait until it answers.

        Raises:
            SensorTuiError: as `start_service`.
        """
        from sensor_tui.service.control import start_service

        client = self.find()
        if client is not None:
            return client
        try:
            await start_service(self._request, self._options, self._clock, environment=self._environment)
            self.started = True
        except OwnedElsewhere:
            client = self.find()  # somebody was faster
            if client is None:
                raise
            return client
        client = self.find()
        if client is None:
            raise OwnedElsewhere(
                f"The service of {self._request.root} ended as soon as it was there",
                fix="See service.log in the state folder",
            )
        return client

    async def stop(self) -> bool:
        """Drain and stop the service, and wait until it is gone; False where none ran.

        Raises:
            ServiceError: it does not answer, or is not gone in time.
        """
        from sensor_tui.service.control import stop_service

        stopped = await stop_service(self._request, self._clock)
        self.started = False
        return stopped

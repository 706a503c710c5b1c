"""Embedding the service: the one that runs is found, or one is started as a process of its own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sensor_tui.errors import OwnedElsewhere
from sensor_tui.model.clock import Clock
from sensor_tui.service.request import SyncRequest

if TYPE_CHECKING:
    from sensor_tui.service.client import ServiceClient


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
        self._environment = environment

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

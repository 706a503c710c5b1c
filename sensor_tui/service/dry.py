"""A sink that takes everything and sends nothing, for `--dry-run`."""

from collections.abc import Sequence

from sensor_tui.sync.contract import Answer, Health, Limits, Parcel, Route


class DrySink:
    """Stands in for the sink of that name; costs nothing and keeps nothing."""

    limits = Limits(documents=100, size=220_201, concurrency=50)

    def __init__(self, name: str, key_field: str | None) -> None:
        self.name = name
        self.key_field = key_field

    async def open(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        """Nothing was opened."""

    async def health(self) -> Health:
        return Health(ok=True, message="nothing is sent")

    def route(self, key: object) -> Route:
        return Route("dry run", key=key)

    async def reroute(self) -> None:
        """Everything goes one way."""

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:  # noqa: ARG002
        return Answer()

"""The one client of the service: commands, and the stream of events that mends itself."""

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import httpx
from pydantic import TypeAdapter, ValidationError

from sensor_tui.errors import ServiceError
from sensor_tui.service import broken
from sensor_tui.service.board import HEARTBEAT_SECONDS
from sensor_tui.service.data_client import DataCalls
from sensor_tui.service.fleet_client import FleetCalls
from sensor_tui.service.mirror import Gap, Mirror
from sensor_tui.service.wire import (
    Delta,
    Event,
    Goodbye,
    HealthReport,
    Heartbeat,
    SensorReport,
    Snapshot,
    StatusReport,
)
from sensor_tui.service.wire_asks import Done, Letter, LetterFilter, LetterPage, LettersChanged, Throughput

_SILENCE_SECONDS: Final = 4 * HEARTBEAT_SECONDS
_LONGEST_PAUSE: Final = 5.0
_EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Event)


@dataclass(frozen=True, slots=True)
class Update:
    """One step of the stream: what changed, and the whole as it is now (None before the first snapshot).

    `lost` says that the service does not answer, with the reason in `problem`; the stream goes on by itself.
    """

    kind: Literal["snapshot", "delta", "heartbeat", "goodbye", "lost"]
    report: StatusReport | None
    changed: tuple[SensorReport, ...] = ()
    gone: tuple[str, ...] = ()
    problem: str = ""
    why: str = ""
    """The reason alone, without where and what to do."""


class ServiceClient(FleetCalls, DataCalls):
    """Speaks to one service, over its Unix socket or over TCP; use it as an async context manager.

    Every call raises ServiceError where the service does not answer or speaks another protocol, and
    what the service itself raised otherwise.
    """

    async def status(self) -> StatusReport:
        """Everything, now."""
        return await self.get(StatusReport, "/v1/status")

    async def health(self) -> HealthReport:
        """Whether readings flow; a service that is up and cannot send answers too."""
        return await self.get(HealthReport, "/healthcheck", fine=(200, 503))

    async def metrics(self) -> str:
        """Prometheus text."""
        return (await self.ask("GET", "/metrics")).text

    async def pause(self) -> Done:
        """Stop reading."""
        return await self.post(Done, "/v1/pause")

    async def resume(self) -> Done:
        """Read on."""
        return await self.post(Done, "/v1/resume")

    async def sync(self, *, quiet: bool = False) -> Done:
        """Start a round now; `quiet` where it is asked for often, so that nobody writes it down."""
        return await self.post(Done, "/v1/sync", {"quiet": quiet} if quiet else None)

    async def drain(self, *, stop: bool = False, now: bool = False) -> Done:
        """Stop reading and wait for what is under way; with `stop` the service ends, with `now` at once."""
        return await self.post(Done, "/v1/drain", {"stop": stop, "now": now}, patient=True)

    async def letters(
        self, which: LetterFilter | None = None, *, offset: int = 0, limit: int = 100
    ) -> LetterPage:
        """A page of dead letters."""
        query = {} if which is None else which.model_dump(exclude_none=True)
        return await self.get(LetterPage, "/v1/deadletters", {**query, "offset": offset, "limit": limit})

    async def letter(self, letter_id: int) -> Letter:
        """One dead letter with its document."""
        return await self.get(Letter, f"/v1/deadletters/{letter_id}")

    async def retry(self, ids: Sequence[int] | None) -> LettersChanged:
        """Have dead letters read and sent again; all of them where None."""
        return await self.post(LettersChanged, "/v1/deadletters/retry", _choice(ids), patient=True)

    async def drop(self, ids: Sequence[int] | None) -> LettersChanged:
        """Forget dead letters; all of them where None."""
        return await self.post(LettersChanged, "/v1/deadletters/drop", _choice(ids), patient=True)

    async def throughput(self, since: str | None = None) -> Throughput:
        """History, after that time in ISO 8601."""
        return await self.get(Throughput, "/v1/throughput", {} if since is None else {"since": since})

    async def events(self) -> AsyncGenerator[Update, None]:
        """Every change, for ever: reconnects, and goes on where it was or with a snapshot.

        Raises:
            ServiceError: the service speaks another protocol.
        """
        mirror, report, failures = Mirror(), None, 0
        while True:
            try:
                async with aclosing(self._stream(mirror)) as updates:
                    async for update in updates:
                        failures = 0
                        report = update.report or report
                        yield update if update.report is not None else _with(update, report)
                problem = why = "the service ended the stream"
            except Gap:
                mirror = Mirror()
                continue
            except httpx.HTTPError as error:
                problem, why = str(self.unanswered(error)), broken.why(error)
            failures += 1
            yield Update("lost", report, problem=problem, why=why)
            longest = min(_LONGEST_PAUSE, 0.1 * 2.0 ** min(failures, 10))
            await self.clock.sleep(random.uniform(longest / 2, longest))

    async def _stream(self, mirror: Mirror) -> AsyncGenerator[Update, None]:
        query: dict[str, str] = {}
        if mirror.sequence is not None and mirror.instance is not None:
            query = {"since": str(mirror.sequence), "instance": mirror.instance}
        async with aclosing(self.lines("/v1/events", query, silence=_SILENCE_SECONDS)) as lines:
            async for line in lines:
                yield _update(mirror, _parsed(line, self.where))


def _parsed(line: bytes, where: str) -> Event:
    try:
        return _EVENT.validate_json(line)
    except ValidationError as error:
        raise ServiceError(f"The service at {where} sent an event that cannot be understood") from error


def _update(mirror: Mirror, event: Event) -> Update:
    if isinstance(event, Snapshot):
        return Update("snapshot", mirror.take(event), changed=event.status.sensors)
    if isinstance(event, Delta):
        return Update("delta", mirror.take(event), changed=event.sensors, gone=event.gone)
    if isinstance(event, Heartbeat):
        if event.sequence != mirror.sequence:
            raise Gap
        return Update("heartbeat", None)
    assert isinstance(event, Goodbye)
    return Update("goodbye", None)


def _with(update: Update, report: StatusReport | None) -> Update:
    return replace(update, report=report)


def _choice(ids: Sequence[int] | None) -> dict[str, Any]:
    return {"all": True} if ids is None else {"ids": list(ids)}

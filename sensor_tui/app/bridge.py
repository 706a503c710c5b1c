"""From the service to the screen: its client as a Port, its wire models as values of `model`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from sensor_tui.errors import SensorTuiError, ServiceError
from sensor_tui.model.action import ActionKind, ActionOptions, ActionRun, LoggedAction, Plan
from sensor_tui.model.check import Check, CheckInfo
from sensor_tui.model.clock import Clock
from sensor_tui.model.letter import LetterRow, LetterRows, Minute
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.sensor import Series
from sensor_tui.model.table import Table
from sensor_tui.model.unit import LogLine

if TYPE_CHECKING:
    from sensor_tui.app.translate import Translator
    from sensor_tui.service.client import ServiceClient, Update

T = TypeVar("T")

_AGAIN_SECONDS: Final = 2.0
"""How often a service is looked for while none runs."""
_SOON_SECONDS: Final = 0.2
_NO_SERVICE: Final = "No service runs here, so nobody uploads"


class Services(Protocol):
    """Where the service of this dashboard comes from."""

    started: bool

    def find(self) -> "ServiceClient | None":
        """A client of the one that runs; None where none does."""
        ...

    async def start(self) -> "ServiceClient":
        """Start one where none runs."""
        ...

    async def stop(self) -> bool:
        """Drain and stop the one that runs."""
        ...


class Bridge:
    """A Port over one service, which may come and go.

    With `start` it is started at the beginning where none runs, and never again without being asked. For
    `patience` seconds one that is not there is still on its way.
    """

    def __init__(self, services: Services, clock: Clock, *, start: bool, patience: float = 0.0) -> None:
        self._services = services
        self._clock = clock
        self._start = start
        self._patient_until = clock.monotonic() + patience
        self._client: ServiceClient | None = None
        self._translator: Translator | None = None
        self._latest = Overview()
        self._news = asyncio.Event()
        self._look_again = asyncio.Event()

    async def updates(self) -> AsyncIterator[Overview]:
        follower = asyncio.ensure_future(self._follow())
        waiting = asyncio.ensure_future(self._news.wait())
        try:
            while True:
                await asyncio.wait({waiting, follower}, return_when=asyncio.FIRST_COMPLETED)
                if follower.done():
                    follower.result()
                self._news.clear()
                waiting = asyncio.ensure_future(self._news.wait())
                yield self._latest
        finally:
            waiting.cancel()
            follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await follower
            await self._let_go()

    async def plan(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> Plan:
        return await self._asked(lambda client: client.plan(kind, units, options))

    async def act(self, kind: ActionKind, units: Sequence[str], options: ActionOptions) -> ActionRun:
        return await self._asked(lambda client: client.act(kind, units, options))

    async def cancel(self, action: str) -> None:
        await self._asked(lambda client: client.cancel(action))

    async def action_log(self, limit: int) -> Sequence[LoggedAction]:
        return await self._asked(lambda client: client.action_log(limit))

    async def pause(self) -> str:
        return (await self._asked(lambda client: client.pause())).message

    async def resume(self) -> str:
        return (await self._asked(lambda client: client.resume())).message

    async def sync_now(self) -> str:
        return (await self._asked(lambda client: client.sync())).message

    async def letters(self, *, offset: int = 0, limit: int = 100) -> LetterRows:
        from sensor_tui.app.translate import letter_row

        page = await self._asked(lambda client: client.letters(offset=offset, limit=limit))
        return LetterRows(tuple(letter_row(each) for each in page.letters), page.total, page.next_offset)

    async def letter(self, letter: int) -> LetterRow:
        from sensor_tui.app.translate import letter_row

        return letter_row(await self._asked(lambda client: client.letter(letter)))

    async def retry(self, letters: Sequence[int] | None) -> str:
        from sensor_tui.app.translate import text_of

        return text_of(await self._asked(lambda client: client.retry(letters)), "will be sent again")

    async def drop(self, letters: Sequence[int] | None) -> str:
        from sensor_tui.app.translate import text_of

        return text_of(await self._asked(lambda client: client.drop(letters)), "dropped")

    async def minutes(self, since: float) -> Sequence[Minute]:
        from sensor_tui.app.translate import minute
        from sensor_tui.service.merge import iso

        history = await self._asked(lambda client: client.throughput(iso(since)))
        return tuple(minute(point) for point in history.points)

    async def logs(
        self,
        units: Sequence[str],
        *,
        since: float | None = None,
        tail: int | None = None,
        follow: bool = True,
    ) -> AsyncIterator[Sequence[LogLine]]:
        import httpx

        client = self._need()
        try:
            async for batch in client.logs(units, since=since, tail=tail, follow=follow):
                yield batch
        except httpx.HTTPError as error:
            raise client.unanswered(error) from error

    async def series(
        self,
        sensor: str,
        measure: str | None,
        *,
        since: float | None = None,
        until: float | None = None,
        points: int = 200,
    ) -> Series:
        return await self._asked(
            lambda client: client.series(sensor, measure, since=since, until=until, points=points)
        )

    async def recent(self, points: int = 24) -> Mapping[str, Sequence[float]]:
        return await self._asked(lambda client: client.recent(points))

    async def checks(self) -> Sequence[CheckInfo]:
        return await self._asked(lambda client: client.checks())

    async def check(self, name: str) -> Check:
        return await self._asked(lambda client: client.check(name))

    async def query(self, source: str | None, sql: str, limit: int) -> Table:
        return await self._asked(lambda client: client.query(source, sql, limit))

    async def start_service(self) -> str:
        client = await self._services.start()
        await client.close()
        self._look_again.set()
        return "the service runs"

    async def stop_service(self) -> str:
        return "the service is stopped" if await self._services.stop() else "no service was running"

    async def _asked(self, ask: Callable[["ServiceClient"], Coroutine[Any, Any, T]]) -> T:
        return await ask(self._need())

    def _need(self) -> "ServiceClient":
        if self._client is None:
            if self._latest.link is Link.REFUSED:
                raise ServiceError(self._latest.problem)
            raise ServiceError(
                self._latest.problem or _NO_SERVICE, fix="Start it with 'sensor-tui service start'"
            )
        return self._client

    async def _follow(self) -> None:
        """Keep `_latest` up to date, whatever becomes of the service."""
        # What speaks to the service takes half a second to load: after the first paint, beside the screen.
        await asyncio.to_thread(import_module, "sensor_tui.app.translate")
        while True:
            self._look_again.clear()
            try:
                self._client = await self._services.start() if self._start else self._services.find()
            except SensorTuiError as error:
                self._tell(replace(self._latest, link=Link.REFUSED, problem=str(error)))
                await self._wait(_AGAIN_SECONDS)
                self._start = False
                continue
            self._start = False
            if self._client is None:
                patient = self._clock.monotonic() < self._patient_until
                if self._latest.link is not Link.REFUSED and not patient:
                    self._tell(replace(self._latest, link=Link.STOPPED, problem=_NO_SERVICE))
                await self._wait(_SOON_SECONDS if patient else _AGAIN_SECONDS)
                continue
            self._patient_until = 0.0
            try:
                await self._listen(self._client)
            except SensorTuiError as error:
                self._tell(replace(self._latest, link=Link.REFUSED, problem=str(error)))
                await self._wait(_AGAIN_SECONDS)
            finally:
                await self._let_go()

    async def _listen(self, client: "ServiceClient") -> None:
        """Take every event; returns once the service is gone for good."""
        said_goodbye = False
        async for update in client.events():
            if update.kind == "lost" and said_goodbye and await self._gone():
                return
            said_goodbye = update.kind == "goodbye" or (said_goodbye and update.kind == "lost")
            self._tell(self._taken(update))

    async def _gone(self) -> bool:
        """Whether no service answers where the last one did."""
        try:
            client = self._services.find()
        except SensorTuiError:
            return False
        if client is not None:
            await client.close()
        return client is None

    def _taken(self, update: "Update") -> Overview:
        from sensor_tui.app.translate import Translator

        if self._translator is None:
            self._translator = Translator()
        overview = self._translator.take(update, self._latest)
        return replace(overview, embedded=self._services.started)

    def _tell(self, overview: Overview) -> None:
        self._latest = overview
        self._news.set()

    async def _let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            # also where whoever follows is cancelled twice: a socket that stays open is a leak
            await asyncio.shield(client.close())

    async def _wait(self, seconds: float) -> None:
        """Sleep, or until somebody has started a service."""
        waking = asyncio.ensure_future(self._look_again.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({waking, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            sleeping.cancel()

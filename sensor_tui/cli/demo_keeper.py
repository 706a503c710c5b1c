"""`python -m sensor_tui.cli.demo_keeper FOLDER PLAN KEEP`: everything behind the dashboard of a demo.

A process apart from the screen, so that a screen that is gone leaves nothing behind: standard input is the
leash, and once it ends the sensors, the service and the endpoint end too, and the folder goes unless KEEP is
`keep`. Where the keeper itself is killed, those end by leashes of their own: the endpoint and the service by
their standard input, the sensors, which outlive a service, by a lock that the keeper holds.

It writes one JSON document a line: how to reach the endpoint as soon as that is known, and at the end what
came of it.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from sensor_tui.cli.children import Child, ChildEnded, Children
from sensor_tui.cli.demo_parts import (
    Plan,
    configure,
    count_documents,
    endpoint_command,
    environment,
    planned,
    sync_command,
)
from sensor_tui.cli.demo_sweep import DEMO_MARK, LOCK, remains, sweep
from sensor_tui.cli.leash import hold
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.action import ActionKind, ActionOptions
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.service.attach import attach
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.request import SyncRequest

T = TypeVar("T")

log = logging.getLogger(__name__)

KEEP: Final = "keep"

_LOOK_SECONDS: Final = 0.1
_SYNC_LOOK_SECONDS: Final = 0.3
_UP_SECONDS: Final = 30.0
_DOWN_SECONDS: Final = 15.0
_SYNC_SECONDS: Final = 40.0
_GRACE_SECONDS: Final = 5.0
_HURRY_SECONDS: Final = 2.0
_CHUNK: Final = 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a demo; `open` are readings that were not uploaded any more, None where not known."""

    documents: int | None
    open: int | None
    problem: str = ""


def main() -> None:
    """Keep a demo up until standard input ends."""
    folder, plan = Path(sys.argv[1]), Plan(**json.loads(sys.argv[2]))
    asyncio.run(_Keeper(folder, plan, SystemClock()).run(keep=sys.argv[3] == KEEP))


class _Keeper:
    def __init__(self, folder: Path, plan: Plan, clock: Clock) -> None:
        self._folder = folder
        self._plan = plan
        self._clock = clock
        self._let_go = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self, *, keep: bool) -> None:
        """Until let go of; with a second signal what is left is not uploaded any more."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked)
        threading.Thread(target=_follow_leash, args=(loop, self._let_go), daemon=True).start()
        ended = await self._play()
        if not await asyncio.to_thread(sweep, self._folder, patience=_GRACE_SECONDS, grace=_GRACE_SECONDS):
            ended = Ended(ended.documents, ended.open, "Not every process of the demo could be ended")
        if not keep:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        _tell({"ended": asdict(ended)})

    def _asked(self) -> None:
        (self._hurry if self._let_go.is_set() else self._let_go).set()

    async def _play(self) -> Ended:
        """From the first process to the last; sensors that still run then end by their leash."""
        lock: int | None = None
        try:
            lock = hold(self._folder / LOCK)
            env = environment(os.environ) | {DEMO_MARK: str(self._folder)}
            async with Children(folder=self._folder, env=env) as children:
                return await self._keep(children)
        except SensorTuiError as error:
            return Ended(None, None, str(error))
        except Exception as error:
            log.exception("the demo failed")
            return Ended(None, None, f"{type(error).__name__}: {error}")
        finally:
            if lock is not None:
                os.close(lock)

    async def _keep(self, children: Children) -> Ended:
        endpoint = await children.start("endpoint", endpoint_command(self._plan))
        about = await _unless(self._let_go, endpoint.answer())
        if about is None:
            return Ended(0, 0)
        _, request = configure(self._folder, about)
        _tell({"endpoint": about["endpoint"], "key": about["key"], "data": str(request.root)})
        sync = await children.start("sync", sync_command(self._plan), {"COSMOS_KEY": about["key"]})
        problem = ""
        try:
            await self._start_sensors(children, sync, request)
            if await _unless(self._let_go, sync.process.wait()) is not None:
                problem = (await sync.ended()).message
        finally:
            await _unless(self._hurry, self._end(request, endpoint, sync))
            await sync.stop(_HURRY_SECONDS)
        if _is_gone(endpoint):
            problem = (await endpoint.ended()).message
        return Ended(await _documents(about), await self._open(request), problem)

    async def _start_sensors(self, children: Children, sync: Child, request: SyncRequest) -> None:
        """Let the service know the sensors, and start them; nothing where we were let go of meanwhile."""
        client = await self._service(children, sync, request)
        if client is None:
            return
        async with client:
            units = [
                (await client.add_unit(each.unit(self._plan, self._folder))).id
                for each in planned(self._plan)
            ]
            options = ActionOptions(prove=False, batch=len(units))
            await client.act(ActionKind.START, units, options)

    async def _service(self, children: Children, sync: Child, request: SyncRequest) -> ServiceClient | None:
        deadline = self._clock.monotonic() + _UP_SECONDS
        while not self._let_go.is_set():
            await children.check([sync])
            client = attach(request, self._clock)
            if client is not None:
                return client
            if self._clock.monotonic() > deadline:
                raise ChildEnded(f"The service did not answer within {_UP_SECONDS:.0f} s")
            await self._clock.sleep(_LOOK_SECONDS)
        return None

    async def _end(self, request: SyncRequest, endpoint: Child, sync: Child) -> None:
        """Stop the sensors, upload what they left, and stop the service."""
        from sensor_tui.service.control import stop_service

        if _is_gone(sync):
            return
        try:
            client = attach(request, self._clock)
            if client is not None:
                async with client:
                    await self._stop_sensors(client)
                    await self._upload_rest(client, endpoint, request)
            await stop_service(request, self._clock, drain=not _is_gone(endpoint))
        except SensorTuiError:
            pass  # it does not answer: the leash ends it
        await sync.stop(_SYNC_SECONDS)

    async def _open(self, request: SyncRequest) -> int | None:
        """Readings that were not uploaded, from the files themselves; None where sensors may still write."""
        from sensor_tui.service.status import look

        if await asyncio.to_thread(remains, request.root):
            return None
        try:
            return (await look(request, self._clock)).backlog
        except SensorTuiError:
            return None

    async def _stop_sensors(self, client: ServiceClient) -> None:
        units = [unit.id for unit in (await client.status()).units]
        if not units:
            return
        options = ActionOptions(drain=False, prove=False, grace=_GRACE_SECONDS, batch=len(units))
        run = await client.act(ActionKind.STOP, units, options)
        deadline = self._clock.monotonic() + _DOWN_SECONDS
        while self._clock.monotonic() < deadline:
            runs = {each.id: each for each in (await client.status()).actions}
            if run.id not in runs or runs[run.id].ended is not None:
                return
            await self._clock.sleep(_LOOK_SECONDS)

    async def _upload_rest(self, client: ServiceClient, endpoint: Child, request: SyncRequest) -> None:
        """Have everything uploaded, as the files say: the engine may not have seen the last readings yet."""
        from sensor_tui.service.status import look

        deadline = self._clock.monotonic() + _DOWN_SECONDS
        while self._clock.monotonic() < deadline and not _is_gone(endpoint):
            await client.sync()
            if (await look(request, self._clock)).backlog == 0:
                return
            await self._clock.sleep(_SYNC_LOOK_SECONDS)


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What came of the work; None where the event came first, and the work was broken off."""
    task, waiting = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        waiting.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


def _is_gone(child: Child) -> bool:
    return child.process.returncode is not None


async def _documents(about: Mapping[str, Any]) -> int | None:
    try:
        return await count_documents(about)
    except httpx.HTTPError:
        return None


def _follow_leash(loop: asyncio.AbstractEventLoop, let_go: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), _CHUNK):
        pass
    loop.call_soon_threadsafe(let_go.set)


def _tell(document: Mapping[str, Any]) -> None:
    try:
        print(json.dumps(document), flush=True)  # noqa: T201 - this is what it says to its parent
    except OSError:
        return  # the parent is gone


if __name__ == "__main__":
    main()

"""`python -m sensor_tui.cli.demo_keeper FOLDER PLAN`: everything behind the dashboard of a demo.

A process apart from the screen, so that a screen that is gone leaves nothing behind: standard input is the
leash, and once it ends the sensors, the service and the endpoint end too. It writes one JSON document a
line: how to reach the endpoint as soon as that is known, and at the end what came of it.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

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
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.action import ActionKind, ActionOptions
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.service.attach import attach
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.request import SyncRequest

_LOOK_SECONDS: Final = 0.1
_UP_SECONDS: Final = 30.0
_DOWN_SECONDS: Final = 15.0
_SYNC_SECONDS: Final = 40.0
_GRACE_SECONDS: Final = 5.0
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
    asyncio.run(_Keeper(folder, plan, SystemClock()).run())


class _Keeper:
    def __init__(self, folder: Path, plan: Plan, clock: Clock) -> None:
        self._folder = folder
        self._plan = plan
        self._clock = clock
        self._let_go = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._let_go.set)
        threading.Thread(target=_follow_leash, args=(loop, self._let_go), daemon=True).start()
        async with Children(folder=self._folder, env=environment(os.environ)) as children:
            try:
                ended = await self._keep(children)
            except SensorTuiError as error:
                ended = Ended(None, None, str(error))
        _tell({"ended": asdict(ended)})

    async def _keep(self, children: Children) -> Ended:
        endpoint = await children.start("endpoint", endpoint_command(self._plan))
        about = await endpoint.answer()
        _, request = configure(self._folder, about)
        _tell({"endpoint": about["endpoint"], "key": about["key"], "data": str(request.root)})
        sync = await children.start("sync", sync_command(self._plan), {"COSMOS_KEY": about["key"]})
        try:
            await self._start_sensors(children, sync, request)
            await self._let_go.wait()
        finally:
            left = await self._end(request, sync)
        documents = await count_documents(about)
        await endpoint.stop()
        return Ended(documents, left)

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

    async def _end(self, request: SyncRequest, sync: Child) -> int | None:
        """Stop the sensors, upload what they left, stop the service; the readings that are still open."""
        from sensor_tui.service.control import stop_service

        left = None
        try:
            client = attach(request, self._clock)
            if client is not None:
                async with client:
                    await self._stop_sensors(client)
                    left = await self._upload_rest(client)
            await stop_service(request, self._clock)
        except SensorTuiError:
            pass  # it does not answer: the leash ends it
        await sync.stop(_SYNC_SECONDS)
        return left

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

    async def _upload_rest(self, client: ServiceClient) -> int | None:
        deadline = self._clock.monotonic() + _DOWN_SECONDS
        backlog: int | None = None
        while self._clock.monotonic() < deadline:
            await client.sync()
            backlog = (await client.status()).backlog
            if not backlog:
                break
            await self._clock.sleep(_LOOK_SECONDS)
        return backlog


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

"""The client's calls that are about units."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, Final

from pydantic import TypeAdapter

from sensor_tui.model.action import ActionKind, ActionOptions, ActionRun, LoggedAction, Plan
from sensor_tui.model.unit import LogLine, Unit, UnitSpec
from sensor_tui.service.caller import Caller

_LINES: Final[TypeAdapter[list[LogLine]]] = TypeAdapter(list[LogLine])
_SILENCE_SECONDS: Final = 60.0


class FleetCalls(Caller):
    """Units, actions and logs; errors as Caller says, and FleetError."""

    async def add_unit(self, spec: UnitSpec) -> Unit:
        """Have the service know a process unit, without starting it; over the Unix socket only."""
        return await self.post(Unit, "/v1/units", asdict(spec))

    async def plan(
        self, kind: ActionKind, units: Sequence[str], options: ActionOptions | None = None
    ) -> Plan:
        """What an action would do."""
        return await self.post(Plan, "/v1/plan", _request(kind, units, options))

    async def act(
        self, kind: ActionKind, units: Sequence[str], options: ActionOptions | None = None
    ) -> ActionRun:
        """Begin an action; the events say how it goes on."""
        return await self.post(ActionRun, "/v1/actions", _request(kind, units, options))

    async def cancel(self, action: str) -> ActionRun:
        """Begin with no further unit of this action."""
        return await self.post(ActionRun, f"/v1/actions/{action}/cancel")

    async def action_log(self, limit: int = 100) -> list[LoggedAction]:
        """What was done of late, the newest first."""
        return await self.get(list[LoggedAction], "/v1/actions", {"limit": limit})

    async def logs(
        self,
        units: Sequence[str],
        *,
        since: float | None = None,
        tail: int | None = None,
        follow: bool = False,
    ) -> AsyncGenerator[list[LogLine], None]:
        """Lines of these units, of all where none is named, in batches; an empty one for every quiet while.

        Raises:
            httpx.HTTPError: the connection broke.
        """
        query: dict[str, Any] = {"unit": units_together(units), "follow": int(follow)}
        if since is not None:
            query["since"] = repr(since)
        if tail is not None:
            query["tail"] = tail
        async with aclosing(self.lines("/v1/logs", query, silence=_SILENCE_SECONDS)) as lines:
            async for line in lines:
                yield _LINES.validate_json(line)


def units_together(units: Iterable[str]) -> list[str]:
    """Ids of units, those of one runtime in one text, so that hundreds fit into an address."""
    runtimes: dict[str, list[str]] = {}
    for unit in units:
        runtime, _, name = unit.rpartition("/")
        runtimes.setdefault(runtime, []).append(name)
    return [f"{runtime}/{','.join(names)}" for runtime, names in runtimes.items()]


def units_named(text: str) -> list[str]:
    """The reverse of `units_together`, for one of its texts."""
    runtime, _, names = text.rpartition("/")
    return [f"{runtime}/{name}" for name in names.split(",")]


def _request(kind: ActionKind, units: Sequence[str], options: ActionOptions | None) -> dict[str, Any]:
    return {"kind": kind, "units": list(units), "options": asdict(options or ActionOptions())}

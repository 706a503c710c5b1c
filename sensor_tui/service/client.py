"""The one client of the service: commands, and the stream of events that mends itself."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

import httpx
from pydantic import SecretStr, TypeAdapter, ValidationError

from sensor_tui import __version__
from sensor_tui.errors import (
    ExitCode,
    OwnedElsewhere,
    SensorTuiError,
    ServiceError,
    StorageError,
    UsageError,
)
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.service.board import HEARTBEAT_SECONDS
from sensor_tui.service.mirror import Gap, Mirror
from sensor_tui.service.wire import (
    PROTOCOL,
    PROTOCOL_HEADER,
    VERSION_HEADER,
    Delta,
    Done,
    Event,
    Goodbye,
    HealthReport,
    Heartbeat,
    Letter,
    LetterFilter,
    LetterPage,
    LettersChanged,
    Problem,
    SensorReport,
    Snapshot,
    StatusReport,
    Throughput,
    Wire,
)

W = TypeVar("W", bound=Wire)

_ANSWER_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 2.0
_SILENCE_SECONDS: Final = 4 * HEARTBEAT_SECONDS
_LONGEST_PAUSE: Final = 5.0
_LONGEST_LINE: Final = 64 * 1024 * 1024
_EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Event)
_ERRORS: Final[Mapping[int, type[SensorTuiError]]] = {
    ExitCode.REJECTED: StorageError,
    ExitCode.USAGE: UsageError,
    ExitCode.SINK: ServiceError,
    ExitCode.OWNED: OwnedElsewhere,
}


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


class ServiceClient:
    """Speaks to one service, over its Unix socket or over TCP; use it as an async context manager.

    Every call raises ServiceError where the service does not answer or speaks another protocol, and
    what the service itself raised otherwise.
    """

    def __init__(
        self,
        socket: Path | None = None,
        *,
        url: str | None = None,
        token: SecretStr | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.where = str(socket) if socket is not None else str(url)
        self._clock = clock or SystemClock()
        headers = {PROTOCOL_HEADER: str(PROTOCOL), VERSION_HEADER: __version__}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=None if socket is None else str(socket)),
            base_url=url or "http://localhost",
            headers=headers,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def status(self) -> StatusReport:
        """Everything, now."""
        return await self._get(StatusReport, "/v1/status")

    async def health(self) -> HealthReport:
        """Whether readings flow; a service that is up and cannot send answers too."""
        return await self._get(HealthReport, "/healthcheck", fine=(200, 503))

    async def metrics(self) -> str:
        """Prometheus text."""
        return (await self._ask("GET", "/metrics")).text

    async def pause(self) -> Done:
        """Stop reading."""
        return await self._post(Done, "/v1/pause")

    async def resume(self) -> Done:
        """Read on."""
        return await self._post(Done, "/v1/resume")

    async def sync(self) -> Done:
        """Start a round now."""
        return await self._post(Done, "/v1/sync")

    async def drain(self, *, stop: bool = False, now: bool = False) -> Done:
        """Stop reading and wait for what is under way; with `stop` the service ends, with `now` at once."""
        return await self._post(Done, "/v1/drain", {"stop": stop, "now": now}, patient=True)

    async def letters(
        self, which: LetterFilter | None = None, *, offset: int = 0, limit: int = 100
    ) -> LetterPage:
        """A page of dead letters."""
        query = {} if which is None else which.model_dump(exclude_none=True)
        return await self._get(LetterPage, "/v1/deadletters", {**query, "offset": offset, "limit": limit})

    async def letter(self, letter_id: int) -> Letter:
        """One dead letter with its document."""
        return await self._get(Letter, f"/v1/deadletters/{letter_id}")

    async def retry(self, ids: Sequence[int] | None) -> LettersChanged:
        """Have dead letters read and sent again; all of them where None."""
        return await self._post(LettersChanged, "/v1/deadletters/retry", _choice(ids), patient=True)

    async def drop(self, ids: Sequence[int] | None) -> LettersChanged:
        """Forget dead letters; all of them where None."""
        return await self._post(LettersChanged, "/v1/deadletters/drop", _choice(ids), patient=True)

    async def throughput(self, since: str | None = None) -> Throughput:
        """History, after that time in ISO 8601."""
        return await self._get(Throughput, "/v1/throughput", {} if since is None else {"since": since})

    async def events(self) -> AsyncIterator[Update]:
        """Every change, for ever: reconnects, and goes on where it was or with a snapshot.

        Raises:
            ServiceError: the service speaks another protocol.
        """
        mirror, report, failures = Mirror(), None, 0
        while True:
            try:
                async for update in self._stream(mirror):
                    failures = 0
                    report = update.report or report
                    yield update if update.report is not None else _with(update, report)
                problem = "the service ended the stream"
            except Gap:
                mirror = Mirror()
                continue
            except httpx.HTTPError as error:
                problem = str(self._unanswered(error))
            failures += 1
            yield Update("lost", report, problem=problem)
            longest = min(_LONGEST_PAUSE, 0.1 * 2.0 ** min(failures, 10))
            await self._clock.sleep(random.uniform(longest / 2, longest))

    async def _stream(self, mirror: Mirror) -> AsyncIterator[Update]:
        query: dict[str, str] = {}
        if mirror.sequence is not None and mirror.instance is not None:
            query = {"since": str(mirror.sequence), "instance": mirror.instance}
        timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        async with self._http.stream("GET", "/v1/events", params=query, timeout=timeout) as response:
            self._check_protocol(response)
            if response.status_code != 200:  # noqa: PLR2004
                await response.aread()
                raise self._error_of(response)
            async for line in _lines(response):
                yield _update(mirror, _parsed(line, self.where))

    async def _get(
        self,
        model: type[W],
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        fine: tuple[int, ...] = (200,),
    ) -> W:
        response = await self._ask("GET", path, fine=fine, params=query)
        return self._model(model, response)

    async def _post(
        self, model: type[W], path: str, body: Mapping[str, Any] | None = None, *, patient: bool = False
    ) -> W:
        options: dict[str, Any] = {"json": body or {}}
        if patient:
            options["timeout"] = httpx.Timeout(None, connect=_CONNECT_SECONDS)
        return self._model(model, await self._ask("POST", path, **options))

    async def _ask(
        self, method: str, path: str, *, fine: tuple[int, ...] = (200,), **options: Any
    ) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unanswered(error) from error
        self._check_protocol(response)
        if response.status_code not in fine:
            raise self._error_of(response)
        return response

    def _model(self, model: type[W], response: httpx.Response) -> W:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise ServiceError(
                f"The service at {self.where} answered what cannot be understood",
                fix="Use the same version on both sides",
            ) from error

    def _check_protocol(self, response: httpx.Response) -> None:
        theirs = response.headers.get(PROTOCOL_HEADER)
        if theirs == str(PROTOCOL):
            return
        if theirs is None:
            raise ServiceError(f"What answers at {self.where} is not sensor-tui", fix="Check the address")
        version = response.headers.get(VERSION_HEADER, "unknown")
        raise ServiceError(
            f"The service at {self.where} is sensor-tui {version} with protocol {theirs};"
            f" this is {__version__} with protocol {PROTOCOL}",
            fix="Use the same version on both sides, or restart the service with this one",
        )

    def _error_of(self, response: httpx.Response) -> SensorTuiError:
        try:
            problem = Problem.model_validate_json(response.content)
        except ValidationError:
            return ServiceError(f"The service at {self.where} answered {response.status_code}")
        return _ERRORS.get(problem.exit_code, ServiceError)(problem.error, fix=problem.fix)

    def _unanswered(self, error: httpx.HTTPError) -> ServiceError:
        why = str(error) or type(error).__name__
        return ServiceError(
            f"The service at {self.where} does not answer: {why}",
            fix="Start it with 'sensor-tui service start'",
        )


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Lines of a body, whole, each no longer than a snapshot can be."""
    rest = bytearray()
    async for chunk in response.aiter_bytes():
        rest += chunk
        if b"\n" in chunk:
            *lines, tail = bytes(rest).split(b"\n")
            rest = bytearray(tail)
            for line in lines:
                yield line
        elif len(rest) > _LONGEST_LINE:
            raise httpx.RemoteProtocolError("an endless line")


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
    return Update(update.kind, report, update.changed, update.gone, update.problem)


def _choice(ids: Sequence[int] | None) -> dict[str, Any]:
    return {"all": True} if ids is None else {"ids": list(ids)}

"""Asking the service one thing at a time: its address, its protocol, and its errors."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import SecretStr, TypeAdapter, ValidationError

from sensor_tui import __version__
from sensor_tui.errors import (
    ExitCode,
    FleetError,
    OwnedElsewhere,
    SensorTuiError,
    ServiceError,
    StorageError,
    UsageError,
)
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.service import broken
from sensor_tui.service.wire import PROTOCOL, PROTOCOL_HEADER, VERSION_HEADER, Problem

T = TypeVar("T")

CONNECT_SECONDS: Final = 2.0

_ANSWER_SECONDS: Final = 30.0
_LONGEST_LINE: Final = 64 * 1024 * 1024
_OK: Final = 200
_ERRORS: Final[Mapping[int, type[SensorTuiError]]] = {
    ExitCode.REJECTED: StorageError,
    ExitCode.USAGE: UsageError,
    ExitCode.SINK: ServiceError,
    ExitCode.OWNED: OwnedElsewhere,
}
_KINDS: Final[Mapping[str, type[SensorTuiError]]] = {FleetError.title: FleetError}


class Caller:
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
        self.clock = clock or SystemClock()
        headers = {PROTOCOL_HEADER: str(PROTOCOL), VERSION_HEADER: __version__}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        self.http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=None if socket is None else str(socket)),
            base_url=url or "http://localhost",
            headers=headers,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=CONNECT_SECONDS),
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
        await self.http.aclose()

    async def lines(
        self, path: str, query: Mapping[str, Any] | None = None, *, silence: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Lines of an answer that goes on; ends where the service ends it.

        `silence` is how many seconds may pass without a byte. Raises httpx.HTTPError where the connection
        breaks, so that whoever reads can tell that from a refusal.
        """
        timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS)
        async with self.http.stream("GET", path, params=query, timeout=timeout) as response:
            self.check_protocol(response)
            if response.status_code != _OK:
                await response.aread()
                raise self.error_of(response)
            async with aclosing(_lines(response)) as lines:
                async for line in lines:
                    yield line

    async def get(
        self,
        model: type[T],
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        fine: tuple[int, ...] = (_OK,),
    ) -> T:
        """The answer to a question, as this type."""
        response = await self.ask("GET", path, fine=fine, params=query)
        return self._model(model, response)

    async def post(
        self, model: type[T], path: str, body: Mapping[str, Any] | None = None, *, patient: bool = False
    ) -> T:
        """What came of a command, as this type; `patient` where it may take as long as it likes."""
        options: dict[str, Any] = {"json": body or {}}
        if patient:
            options["timeout"] = httpx.Timeout(None, connect=CONNECT_SECONDS)
        return self._model(model, await self.ask("POST", path, **options))

    async def ask(
        self, method: str, path: str, *, fine: tuple[int, ...] = (_OK,), **options: Any
    ) -> httpx.Response:
        """A response that is fine."""
        try:
            response = await self.http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self.unanswered(error) from error
        self.check_protocol(response)
        if response.status_code not in fine:
            raise self.error_of(response)
        return response

    def _model(self, model: type[T], response: httpx.Response) -> T:
        try:
            return adapter(model).validate_json(response.content)
        except ValidationError as error:
            raise ServiceError(
                f"The service at {self.where} answered what cannot be understood",
                fix="Use the same version on both sides",
            ) from error

    def check_protocol(self, response: httpx.Response) -> None:
        """Raise ServiceError where the other side is none of ours, or of another protocol."""
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

    def error_of(self, response: httpx.Response) -> SensorTuiError:
        """What the service raised."""
        try:
            problem = Problem.model_validate_json(response.content)
        except ValidationError:
            return ServiceError(f"The service at {self.where} answered {response.status_code}")
        kind = _KINDS.get(problem.title) or _ERRORS.get(problem.exit_code, ServiceError)
        return kind(problem.error, fix=problem.fix)

    def unanswered(self, error: httpx.HTTPError) -> ServiceError:
        """The error for a service that does not answer."""
        return ServiceError(
            f"The service at {self.where} does not answer: {broken.why(error)}",
            fix="Start it with 'sensor-tui service start'",
        )


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes, None]:
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


def adapter(model: type[T]) -> TypeAdapter[T]:
    """What reads and writes values of this type, made once."""
    found = _ADAPTERS.get(model)
    if found is None:
        found = _ADAPTERS[model] = TypeAdapter(model)
    return found


_ADAPTERS: Final[dict[Any, TypeAdapter[Any]]] = {}

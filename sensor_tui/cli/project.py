"""A Docker project as commands see it: where it is, and the engine, the tool and the service it goes with."""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.options import DEFAULT_DATA_DIR
from sensor_tui.errors import SensorTuiError, UsageError

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.fleet.compose_tool import ComposeTool, Stack
    from sensor_tui.fleet.compose_tool_lines import Progress
    from sensor_tui.fleet.docker_host import DockerAddress
    from sensor_tui.fleet.project import Project
    from sensor_tui.fleet.project_engine import Engine, Survey
    from sensor_tui.service.embed import Embedding
    from sensor_tui.service.request import SyncRequest

P = ParamSpec("P")
T = TypeVar("T")

ENGINE_SECONDS: Final = 60.0
_WHICH_ENGINE: Final = frozenset(
    {"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project is: its data and state, its file, and the engine it is on."""

    settings: "Settings"
    root: Path
    """The data folder, which need not exist."""
    state: Path
    project: "Project"
    address: "DockerAddress"
    config: Path | None = None
    """The configuration file that was named."""
    remembered: bool = False
    """Whether its compose file is the one that was used last."""
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4, "engine"), repr=False, compare=False
    )

    @property
    def name(self) -> str:
        """Name of the project."""
        return self.project.name

    @property
    def request(self) -> "SyncRequest":
        """What its service uploads."""
        from sensor_tui.service.request import SyncRequest

        return SyncRequest(self.root, state_dir=self.settings.state_dir)

    @property
    def file(self) -> Path | None:
        """Its compose file, where that is known to be its own: another one may be in that place."""
        from sensor_tui.errors import StorageError
        from sensor_tui.fleet.compose_file import is_ours, present

        file = self.project.file
        if file is None or self.remembered:
            return file
        try:
            text = present(file)
        except StorageError:
            return None
        return file if text is not None and is_ours(text) else None

    @property
    def stack(self) -> "Stack | None":
        """Its compose file, where it is there."""
        from sensor_tui.fleet.compose_tool import Stack

        file = self.file
        return Stack(file, self.name) if file is not None and file.is_file() else None

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call that blocks, in a thread of our own."""
        work: Callable[[], T] = partial(call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    async def engine(self, *, timeout: float = ENGINE_SECONDS) -> "Engine":  # noqa: ASYNC109 - of its calls
        """Its engine, connected; raises FleetError in one line where it does not answer."""
        from sensor_tui.fleet.project_engine import Engine

        return await self.ask(Engine, self.address, timeout=timeout)

    async def survey(self, engine: "Engine") -> "Survey":
        """What that engine has of it; raises FleetError where it does not answer."""
        return await self.ask(engine.survey, self.name, file=self.file, root=self.root)

    async def tool(self, secrets: Mapping[str, str] | None = None) -> "ComposeTool":
        """The Compose tool, for that engine; `secrets` are variables that its file refers to.

        Raises:
            FleetError: there is none.
        """
        from sensor_tui.fleet.compose_tool import find_tool

        own = {name: value for name, value in os.environ.items() if name not in _WHICH_ENGINE}
        return await find_tool(own | self.address.environment() | dict(secrets or {}))

    def embedding(self, session: Session, *, interval: float | None = None) -> "Embedding":
        """Its service, which may not run yet."""
        from sensor_tui.cli.dashboard import service_options
        from sensor_tui.model.clock import SystemClock
        from sensor_tui.service.embed import Embedding

        options = service_options(session, self.request, self.config)
        options += [] if interval is None else [f"--interval={interval:g}"]
        return Embedding(self.request, options, SystemClock())

    def remember(self) -> None:
        """Make it the one that was used last, which is the one whose containers the service looks after.

        Raises:
            StorageError: the state folder cannot be written.
        """
        from sensor_tui.fleet.project import remember

        remember(self.state, replace(self.project, file=self.file))

    async def unsent(self, found: "Survey") -> int | None:
        """Readings of its sensors that are nowhere else yet; None where that is not known."""
        from sensor_tui.fleet import labels
        from sensor_tui.model.clock import SystemClock
        from sensor_tui.service.status import status

        wanted = {each.labels.get(labels.SENSOR) for each in found.containers}
        if not self.root.is_dir():
            return 0
        try:
            report = await status(self.settings, self.request, SystemClock())
        except SensorTuiError:
            return None
        counts = [each.backlog for each in report.sensors if each.sensor_id in wanted]
        return None if None in counts else sum(count or 0 for count in counts)

    async def record(self, action: str, target: str, result: str) -> None:
        """Write a line of the action log; that it cannot be written is said, and no more."""
        from sensor_tui.cli.output import say
        from sensor_tui.errors import StorageError
        from sensor_tui.model.clock import SystemClock
        from sensor_tui.service.server import user_name
        from sensor_tui.storage.history import OperatorAction
        from sensor_tui.storage.ledger import Ledger

        clock = SystemClock()
        entry = OperatorAction(clock.now(), user_name(), action, target, result)
        try:
            async with Ledger(self.state, clock=clock) as ledger:
                await ledger.record_action(entry)
        except StorageError as error:
            say(f"Not written to the action log: {error.message}")


def place_of(session: Session, options: Mapping[str, Any]) -> Place:
    """The project that is meant: the one named or configured, else the one used last.

    Raises:
        ConfigError: the configuration, or an engine it names, cannot be used.
        UsageError: there is no such engine, or the name cannot be one.
    """
    from sensor_tui.cli.setup import prepare

    overrides = {"state_dir": options["state_dir"]}
    settings = prepare(session, options["config_path"], overrides, quietest="WARNING").settings
    root = (options["data_dir"] or settings.data_dir or DEFAULT_DATA_DIR).absolute()
    return place_for(settings, root, options)


def place_for(
    settings: "Settings", root: Path, options: Mapping[str, Any], *, output: Path | None = None
) -> Place:
    """The project of that data folder; `output` is its file where that is known.

    What was used last stands in for what neither options nor configuration say.
    """
    from sensor_tui.cli.fleet_setup import state_for
    from sensor_tui.fleet.project import Project, check_name, remembered

    state = state_for(root, settings.state_dir)
    last = remembered(state)
    given = settings.fleet.model_fields_set
    usual = settings.fleet.project if last is None or "project" in given else last.name
    name = check_name(options["project_name"] or usual)
    known = last is not None and last.name == name
    asked = options.get("host")
    host = asked if asked is not None or last is None or not known else last.host
    address = _address(settings, host, asked=asked is not None)
    past = last.file if last is not None and known else None
    own = None if "compose_output" in given else past
    file = output or own or settings.fleet.compose_output.absolute()
    project = Project(name, file, address.name)
    return Place(settings, root, state, project, address, options["config_path"], remembered=file == past)


def _address(settings: "Settings", host: str | None, *, asked: bool) -> "DockerAddress":
    """The engine of that name or address; the first where none is named, or it is not there any more."""
    from sensor_tui.fleet.docker_host import docker_addresses

    found = docker_addresses(settings.fleet.hosts)
    if host is not None:
        for each in found:
            if host in {each.name, each.url}:
                return each
        if asked:
            names = ", ".join(each.name for each in found)
            raise UsageError(f"there is no engine '{host}'", fix=f"Known are: {names}; see fleet.hosts")
    return found[0]


class Story:
    """Says every step of every unit once, as plain lines on standard error."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._told: set[tuple[str, str]] = set()

    def tell(self, progress: "Progress") -> None:
        """Take what a Compose tool says."""
        from sensor_tui.fleet.compose_tool_lines import service_name

        name = progress.name
        if progress.kind == "container":
            name = service_name(name, self._project)
        self.say(name if progress.kind == "container" else f"{progress.kind} {name}", progress.step)

    def say(self, name: str, step: str) -> None:
        """Take what became of something."""
        from sensor_tui.cli.output import say

        if (name, step) not in self._told:
            self._told.add((name, step))
            say(f"{name}: {step}")

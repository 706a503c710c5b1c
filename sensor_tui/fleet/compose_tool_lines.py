"""What Compose tools print: progress per container and network, and why something could not be done.

Two dialects are read. docker-compose 1.29 writes `Creating x ... done`, and its errors as
`ERROR: for x  Cannot start service y: …`; Compose v2 writes ` Container x  Started` and
`Error response from daemon: …`. All of it is as others wrote it, and hostile until shown as plain text.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sensor_tui.errors import FleetError

_LONGEST: Final = 400
"""Characters of a message of somebody else's that are shown."""

_OLD: Final = re.compile(
    r"(?P<doing>Creating|Recreating|Starting|Stopping|Removing|Restarting)"
    r"(?: (?P<kind>network|volume))? \"?(?P<name>[^\s\"]+)\"?"
    r"(?: with .+|\s+\.\.\.\s*(?P<end>done|error)?)?"
)
_UP_TO_DATE: Final = re.compile(r"(?P<name>\S+) is up-to-date")
_PULLING: Final = re.compile(r"Pulling (?P<name>\S+) \((?P<image>\S+)\)\.\.\.")
_NEW: Final = re.compile(
    r"\s*(?P<kind>Container|Network|Volume|Image) (?P<name>\S+)\s+(?P<step>[A-Z]\w*)\b.*"
)
_DONE: Final = {
    "Creating": "created",
    "Recreating": "recreated",
    "Starting": "started",
    "Stopping": "stopped",
    "Removing": "removed",
    "Restarting": "restarted",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of one container or network: `creating`, `created`, `started`, …, `running`, `error`."""

    kind: str
    """`container`, `network`, `volume` or `image`."""
    name: str
    step: str


def progress(line: str) -> Progress | None:
    """What a line of either dialect says about one thing; None where it says something else."""
    line = line.rstrip()
    if found := _OLD.fullmatch(line):
        doing, end = found["doing"], found["end"]
        step = "error" if end == "error" else _DONE[doing] if end == "done" else doing.lower()
        if found["kind"] is not None:
            step = _DONE[doing]  # it says so once, and waits
        return Progress(found["kind"] or "container", found["name"], step)
    if found := _UP_TO_DATE.fullmatch(line):
        return Progress("container", found["name"], "running")
    if found := _PULLING.fullmatch(line):
        return Progress("image", found["image"], "pulling")
    if found := _NEW.fullmatch(line):
        return Progress(found["kind"].lower(), found["name"], found["step"].lower())
    return None


def service_name(container: str, project: str) -> str:
    """The service a container belongs to, from the name that Compose gave it: `p_x_1` and `p-x-1` are `x`."""
    found = re.fullmatch(rf"(?:[0-9a-f]{{12}}_)?{re.escape(project)}([_-])(.+)\1\d+", container)
    return found[2] if found else container


@dataclass(frozen=True, slots=True)
class _Known:
    """A message that is recognised: what it means, and what to do."""

    pattern: re.Pattern[str]
    told: Callable[[re.Match[str]], str]
    fix: str


def _known(pattern: str, told: Callable[[re.Match[str]], str], fix: str) -> _Known:
    return _Known(re.compile(pattern, re.IGNORECASE), told, fix)


_CHANGED_FIX: Final = "'sensor-tui cleanup' removes it, then start again"
_IMAGE_FIX: Final = "Build and push it with 'sensor-tui build --tag VERSION --push', or give --allow-local"
_FILE_FIX: Final = "Mend it, or let 'sensor-tui compose --force' write it anew"

_PROBLEMS: Final = (
    _known(
        r"endpoint (\S+) .*Bind for (\S+) failed: port is already allocated",
        lambda found: f"{found[1]} cannot start: port {found[2]} is taken by another container",
        "Stop what uses it ('docker ps' shows ports), or publish another port",
    ),
    _known(
        r"endpoint (\S+) .*listen (?:tcp|udp)\d? (\S+?): bind: address already in use",
        lambda found: f"{found[1]} cannot start: port {found[2]} is taken by a process of that host",
        "Stop what uses it, or publish another port",
    ),
    _known(
        r"(?:Bind for (\S+) failed: port is already allocated|ports are not available: .*?(\S+:\d+))",
        lambda found: f"port {found[1] or found[2]} is taken",
        "Stop what uses it ('docker ps' shows ports of containers), or publish another port",
    ),
    _known(
        r"container name \"/?([^\"\s]+)\" is already in use by container \"?([0-9a-f]{12})",
        lambda found: f"the name {found[1]} is taken by container {found[2]}",
        "Rename or remove that container ('docker rename', 'docker rm'), then start again",
    ),
    _known(
        r"pull access denied for ([^\s,]+)",
        lambda found: f"the registry has no image {found[1]}, or wants a login",
        f"Log in with 'docker login'. {_IMAGE_FIX}",
    ),
    _known(
        r"(?:manifest for (\S+) not found|failed to resolve reference \"([^\"]+)\".*not found"
        r"|No such image: (\S+))",
        lambda found: f"there is no image {found[1] or found[2] or found[3]}",
        _IMAGE_FIX,
    ),
    _known(
        r"(?:unauthorized|no basic auth credentials|denied: .*(?:permission|scopes))",
        lambda _: "the registry refuses us",
        "Log in with 'docker login REGISTRY'",
    ),
    _known(
        r"Get \"?https?://([^/\"\s]+)/v2/[^:]*: (.+)",
        lambda found: f"the registry {found[1]} cannot be reached: {found[2]}",
        "Mend the connection, or use images of this engine with --allow-local",
    ),
    _known(
        r"(?:Couldn't find env file: (.+)|env file (.+) not found)",
        lambda found: f"the file of variables {found[1] or found[2]} is missing",
        "Write it, with the key of the account in it, readable by its owner alone",
    ),
    _known(
        r"required variable (\S+) is missing a value",
        lambda found: f"the compose file needs the variable {found[1]}, which is not set",
        "Set it in the environment, or in .env beside the compose file",
    ),
    _known(
        r"Missing mandatory value for .*?\$\{(\w+)",
        lambda found: f"the compose file needs the variable {found[1]}, which is not set",
        "Set it in the environment, or in .env beside the compose file",
    ),
    _known(
        r"(?:PermissionError\(13|permission denied while trying to connect)",
        lambda _: "no permission to use the Docker engine",
        "Become a member of the group 'docker', or ask whoever looks after this machine",
    ),
    _known(
        r"(?:Cannot connect to the Docker daemon|Couldn't connect to Docker daemon"
        r"|Error while fetching server API version|error during connect)",
        lambda _: "the Docker engine does not answer",
        "Start it ('systemctl start docker'), or set DOCKER_HOST to where it is",
    ),
    _known(
        r"could not find an available, non-overlapping IPv4 address pool",
        lambda _: "the engine has no address range left for another network",
        "'docker network prune' removes networks that nobody uses",
    ),
    _known(
        r"network \"?(\S+?)\"? (?:needs to be recreated|was found but has incorrect|exists but was not)",
        lambda found: f"the network {found[1]} is there already, and made otherwise",
        _CHANGED_FIX,
    ),
    _known(
        r"no space left on device",
        lambda _: "the disk of the engine is full",
        "Make room: 'docker system df' shows what uses it",
    ),
    _known(
        r"for (\S+)\s.*exec: \"?([^\":]+)\"?: (?:executable file not found|stat .*no such file)",
        lambda found: f"{found[1]} cannot start: its image has no command {found[2]}",
        "Use an image of a sensor: fleet.images.sensor",
    ),
    _known(
        r"(?:bind source path does not exist: (\S+)|creating mount source path '([^']+)')",
        lambda found: f"the folder {found[1] or found[2]} cannot be mounted",
        "Create it on the engine's host, owned by the user the container runs as",
    ),
    _known(
        r"Read timed out|context deadline exceeded|request canceled",
        lambda _: "the Docker engine took too long",
        "Look at its load, raise COMPOSE_HTTP_TIMEOUT, then start again",
    ),
)
_INVALID: Final = re.compile(
    r"(?:The Compose file .* is invalid because:"
    r"|(?:yaml\.\w+\.\w+|yaml|validating [^:]+|services\.\S+): ?(?P<why>.*)"
    r"|(?P<v2>services\.\S+ .*(?:additional propert|must be|is not allowed|invalid).*))",
    re.IGNORECASE,
)


def problem(lines: Sequence[str], *, file: str) -> FleetError:
    """Why a Compose tool gave up, as one line, from what it printed. `file` is the compose file."""
    for number, line in enumerate(lines):
        if found := _INVALID.match(line.strip()):
            why = found["why"] or found["v2"] or ""
            why = why if found["v2"] else " ".join([why, *map(str.strip, lines[number + 1 : number + 3])])
            return FleetError(f"the compose file {file} is not valid: {_short(why)}", fix=_FILE_FIX)
    for known in _PROBLEMS:
        for line in lines:
            if found := known.pattern.search(line):
                return FleetError(_short(known.told(found)), fix=known.fix)
    return FleetError(_short(_last(lines)), fix="'sensor-tui logs' and 'docker ps -a' may say more")


def _last(lines: Iterable[str]) -> str:
    """The line that says most: the first error, else the last line that is no progress."""
    told = [line.strip() for line in lines if line.strip() and progress(line) is None]
    error = next((line for line in told if re.match(r"(?:ERROR: |Error\b)", line)), None)
    text = error or next((line for line in reversed(told)), "the Compose tool failed, and did not say why")
    return re.sub(r"^(?:ERROR: (?:for \S+\s+)?|Error response from daemon: )", "", text)


def _short(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

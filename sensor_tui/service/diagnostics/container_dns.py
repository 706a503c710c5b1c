"""Whether a container resolves the name of the endpoint, and what its name servers say to it directly."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sensor_tui.errors import FleetError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.model.unit import Role, UnitState
from sensor_tui.service.diagnostics.context import Context, Finding, failed, fine, skipped, warning
from sensor_tui.service.diagnostics.dns import name_servers
from sensor_tui.service.diagnostics.dns_inside import CONFIGURATION, NO_SUCH_NAME, has_way_out, servers_in
from sensor_tui.service.diagnostics.engines import Engines, Look
from sensor_tui.service.diagnostics.reach import is_address
from sensor_tui.service.diagnostics.words import some

if TYPE_CHECKING:
    from sensor_tui.fleet.docker_probe import Probe, Ran
    from sensor_tui.fleet.docker_unit import Container

SECONDS: Final = 14.0
"""The program inside gives up well before that."""
EMBEDDED: Final = "127.0.0.11"
"""Docker's own name server, in every network but the default one."""
OPEN_UDP: Final = (
    "Allow outbound UDP 53 from this host to the name servers (for example 1.1.1.1 and 1.0.0.1), or give"
    ' containers others: "dns": ["1.1.1.1"] in /etc/docker/daemon.json, then restart the Docker daemon'
)

_BLOCKED: Final = "outbound UDP 53 is blocked for containers (host firewall, NSG)"
_OTHER_SERVERS: Final = (
    "Give containers the name servers of the host, which know it (a private zone?): `dns` in"
    " /etc/docker/daemon.json, then restart the Docker daemon"
)
_LOOPBACK: Final = ("127.", "::1", "localhost")
_HOST_FILES: Final = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
"""Where Docker looks for the host's name servers; the second stands behind a stub of systemd."""
_PROXIES: Final = frozenset({"HTTPS_PROXY", "https_proxy"})
_PYTHON: Final = ("python3", "python")
_SHELL: Final = (
    "cat /etc/resolv.conf 2>/dev/null; echo ==; cat /proc/net/route 2>/dev/null; echo ==;"
    ' if command -v getent >/dev/null 2>&1; then echo getent; getent hosts "$0";'
    ' elif command -v nslookup >/dev/null 2>&1; then echo nslookup; nslookup "$0"; fi'
)
"""Name servers, routes, the tool there was and what it said, with `==` between them; `$0` is the name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen from inside. `asked` is what each name server said, where it could be asked."""

    place: str
    servers: Sequence[str] = ()
    addresses: Sequence[str] = ()
    reason: str = ""
    asked: Sequence[dict[str, Any]] = field(default=())
    known: bool = True
    """Whether anything in the container could be asked."""
    way_out: bool = True
    """Whether its network leads anywhere."""


async def container_dns(context: Context, engines: Engines) -> Finding:
    """Whether the name of the endpoint leads to an address inside a container too."""
    look, inside = await _chosen(engines)
    host = _host_of(context, inside)
    if not host:
        return skipped("no endpoint is configured")
    if is_address(host) or host.startswith(_LOOPBACK):
        return skipped(f"{host} needs no name server")
    if inside is not None and _PROXIES & inside.unit.environment.keys():
        return skipped(f"{inside.unit.name} goes through a proxy, which resolves {host}")
    if look is not None and inside is not None:
        seen = await _within(engines, look, inside, host)
    else:
        image = await _image(context, engines) if context.write else None
        home = await engines.home()
        if image is None or home is None or home.probe is None:
            more = "; --write looks from a container that is made for it" if not context.write else ""
            return skipped(f"no container of {engines.project} is up to look from{more}")
        seen = await _made_for_it(engines, home.probe, image, host)
    found = await _judged(context, host, seen)
    if found.verdict is CheckVerdict.FAILED and not await _matters(context, engines):
        return warning(
            f"{found.evidence}; this machine uploads, so it matters to no container now", found.remedy
        )
    return found


async def _matters(context: Context, engines: Engines) -> bool:
    """Whether containers upload."""
    if context.settings().fleet.uploaders == "containers":
        return True
    return any(each.unit.role is Role.UPLOADER for look in await engines.looks() for each in look.containers)


async def _chosen(engines: Engines) -> "tuple[Look | None, Container | None]":
    """A container to look from, and its engine: an uploader, else any that is up."""
    every = [
        (look, each)
        for look in await engines.looks()
        for each in look.containers
        if each.unit.state is UnitState.RUNNING
    ]
    every.sort(key=lambda pair: (pair[1].unit.role is not Role.UPLOADER, pair[1].unit.name))
    return every[0] if every else (None, None)


def _host_of(context: Context, container: "Container | None") -> str:
    """The name it is about: of the container's own endpoint where it has one, else of ours."""
    own = "" if container is None else container.unit.environment.get("COSMOS_ENDPOINT", "")
    for text in (own, context.settings().cosmos.endpoint or ""):
        try:
            host = urlsplit(text).hostname
        except ValueError:
            continue
        if host:
            return host
    return ""


async def _image(context: Context, engines: Engines) -> str | None:
    """An image of the project that its engine has."""
    from sensor_tui.service.diagnostics.docker import wanted_images

    home = await engines.home()
    if home is None or home.probe is None:
        return None
    probe = home.probe
    wanted, _ = await wanted_images(context, engines)
    for image in wanted:
        if await engines.ask(partial(probe.has_image, image)):
            return image
    return None


async def _within(engines: Engines, look: Look, container: "Container", host: str) -> Seen:
    probe = look.probe
    assert probe is not None
    given = await engines.ask(partial(probe.name_servers, container))
    others = given or ([] if look.address.socket is None else _servers_of_host())
    place = f"container {container.unit.name}"
    seen = await _asked(engines, partial(probe.run, container), place, host, others)
    if seen.known or seen.servers:
        return seen
    text = await engines.ask(partial(probe.read, container, CONFIGURATION))
    return replace(seen, servers=servers_in(text))


async def _made_for_it(engines: Engines, probe: "Probe", image: str, host: str) -> Seen:
    run = partial(probe.run_once, image, project=engines.project)
    return await _asked(engines, run, f"a container made of {image}", host, [])


async def _asked(
    engines: Engines, run: "Callable[[Sequence[str]], Ran]", place: str, host: str, others: Sequence[str]
) -> Seen:
    """Look with Python where there is one, else with the shell's tools."""
    program = files("sensor_tui.service.diagnostics").joinpath("dns_inside.py").read_text("utf-8")
    for python in _PYTHON:
        command = [python, "-I", "-S", "-c", program, host, *others]
        ran = await engines.ask(partial(run, command), seconds=SECONDS)
        if not ran.missing:
            return _by_python(place, ran.output)
    ran = await engines.ask(partial(run, ["/bin/sh", "-c", _SHELL, host]), seconds=SECONDS)
    return Seen(place, known=False) if ran.missing else _by_shell(place, ran.output)


def _by_python(place: str, output: bytes) -> Seen:
    for line in reversed(output.decode("utf-8", "replace").splitlines()):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and {"servers", "addresses", "reason", "asked"} <= told.keys():
            asked = [each for each in told["asked"] if isinstance(each, dict)]
            way_out = told.get("way_out") is not False
            return Seen(
                place, told["servers"], told["addresses"], str(told["reason"]), asked, way_out=way_out
            )
    last = output.decode("utf-8", "replace").strip().splitlines()[-1:]
    raise FleetError(
        f"{place}: the resolver did not run: {last[0] if last else 'it said nothing'}",
        fix="See whether programs can be run in it: docker exec",
    )


def _by_shell(place: str, output: bytes) -> Seen:
    head, _, rest = output.decode("utf-8", "replace").partition("==\n")
    routes, _, tail = rest.partition("==\n")
    servers = servers_in(head)
    tool, _, said = tail.partition("\n")
    if not tool:
        return Seen(place, servers, known=False)
    if tool == "getent":
        found = [line.split()[0] for line in said.splitlines() if line.split()]
    else:  # nslookup: the first address is the name server's own
        _, _, answer = said.partition("\n\n")
        found = [line.split()[-1] for line in answer.splitlines() if line.startswith("Address")]
    addresses = [each for each in found if is_address(each)]
    reason = "" if addresses else f"{tool} finds no address"
    return Seen(place, servers, addresses, reason, way_out=not routes or has_way_out(routes))


async def _judged(context: Context, host: str, seen: Seen) -> Finding:
    """The verdict, with the cause where the name does not resolve inside."""
    told = _told(seen)
    if not seen.known:
        return warning(
            f"{seen.place} has no python3, getent or nslookup: whether it resolves {host} and whether"
            f" its name servers answer over UDP 53 could not be checked; {told}",
            f"Look from its network as root: nsenter --net --target PID nslookup {host}",
        )
    if seen.addresses:
        evidence = f"{seen.place} resolves {host} to {', '.join(some(seen.addresses, 3))}"
        silent = [
            each for each in seen.asked if not each.get("answered") and each.get("server") in seen.servers
        ]
        return warning(f"{evidence}; {told}", OPEN_UDP) if silent else fine(evidence)
    addresses, reason = await context.resolve(host)
    start = f"{seen.place} does not resolve {host} ({seen.reason})"
    if not addresses:
        return failed(
            f"{start}, and neither does this host ({reason}); {told}",
            "Mend that first, see the check 'dns': containers use the host's name servers unless told others",
        )
    cause, remedy = _cause(seen)
    return failed(f"{start}, this host does ({addresses[0]}): {cause}; {told}", remedy)


def _cause(seen: Seen) -> tuple[str, str]:
    """Why a name that the host knows does not resolve inside, and what to do."""
    if not seen.servers or not seen.way_out:
        return (
            "its network leads nowhere (`none`, or an internal one)",
            "Connect it to a network that does: docker network connect NETWORK CONTAINER",
        )
    if any(each.get("code") == NO_SUCH_NAME for each in seen.asked):
        return "the container's name servers do not know the name", _OTHER_SERVERS
    if not seen.asked:
        return f"probably {_BLOCKED}; there is no Python in it to ask its name servers directly", OPEN_UDP
    if any(each.get("records") for each in seen.asked):
        return "a name server that answers nothing makes it wait for too long", OPEN_UDP
    # Docker's own name server is inside: that it answers says nothing of the way out.
    outer = [each for each in seen.asked if each.get("server") != EMBEDDED]
    if any(each.get("answered") for each in outer):
        return "its name servers answer, and give no address", OPEN_UDP
    return _BLOCKED, OPEN_UDP


def _told(seen: Seen) -> str:
    """Every name server, and what it said."""
    asked = {str(each.get("server")): str(each.get("said")) for each in seen.asked}
    servers = list(dict.fromkeys([*map(str, seen.servers), *asked]))
    told = [f"name server {each}{f': {asked[each]}' if each in asked else ''}" for each in servers]
    return "; ".join(told) or "it has no name server"


def _servers_of_host() -> list[str]:
    """What Docker's own name server asks in turn, for an engine of this machine."""
    for path in _HOST_FILES:
        if found := [each for each in name_servers(path) if not each.startswith(_LOOPBACK)]:
            return found
    return []

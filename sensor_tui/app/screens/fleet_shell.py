"""A shell in a container, on the operator's own terminal."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from typing import Final

from sensor_tui.app import format as fmt
from sensor_tui.app.base import Look
from sensor_tui.model.unit import HostState, Unit

_SHELL: Final = "command -v bash >/dev/null && exec bash; exec sh"
_LOCAL: Final = frozenset({"local", "localhost"})


def host_of(unit: Unit, hosts: Iterable[HostState]) -> HostState | None:
    """The engine that runs a unit, as last seen."""
    return next((each for each in hosts if (each.host, each.runtime) == (unit.host, unit.runtime)), None)


def refusal(unit: Unit, look: Look, host: HostState | None) -> str | None:
    """Why there is no shell for a unit, and what to do; None where there is one."""
    name, place = fmt.plain(unit.name, limit=60), fmt.plain(unit.host, limit=60)
    inside = fmt.plain(unit.container or unit.name, limit=60)
    known = unit.host in {*_LOCAL, socket.gethostname()} or (host is not None and bool(host.address))
    reasons = (
        (not look.shell, "There is no shell in a browser. Open the dashboard in a terminal for one."),
        (look.read_only, "A shell can change anything, and this dashboard is read-only."),
        (unit.runtime != "docker", f"{name} is a process: only containers have a shell. See its log with l."),
        (host is not None and not host.reachable, f"{place} does not answer, so there is no way in."),
        (not unit.state.up, f"{name} does not run ({unit.state}). Start it first with s."),
        (not known, f"{name} is on {place}. Open its shell there: docker exec -it {inside} sh"),
        (
            shutil.which("docker") is None,
            "There is no docker command on this machine. Install the Docker client for shells.",
        ),
    )
    return next((words for applies, words in reasons if applies), None)


def shell_command(unit: Unit, host: HostState | None) -> list[str]:
    """What runs the shell; the name stands after `--`, whatever it is."""
    container = unit.container or unit.name
    where = ["--host", host.address] if host is not None and host.address else []
    return ["docker", *where, "exec", "--interactive", "--tty", "--", container, "sh", "-c", _SHELL]


def shell_environment(host: HostState | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Its environment: with the certificates of its host, and nothing that leads to another one."""
    if host is None or not host.address:
        return dict(environment)
    kept = {name: value for name, value in environment.items() if not name.startswith("DOCKER_")}
    kept |= {name: environment[name] for name in ("DOCKER_CONFIG",) if name in environment}
    if host.certificates:
        kept |= {"DOCKER_CERT_PATH": host.certificates, "DOCKER_TLS_VERIFY": "1"}
    return kept


def open_shell(unit: Unit, host: HostState | None) -> int:
    """Run a shell in the container until it is left; its exit code. The terminal has to be free."""
    environment = shell_environment(host, os.environ)
    return subprocess.run(shell_command(unit, host), check=False, env=environment).returncode  # noqa: S603

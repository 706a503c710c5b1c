"""A shell in a container, on the operator's own terminal."""

import shutil
import socket
import subprocess
from typing import Final

from sensor_tui.app import format as fmt
from sensor_tui.app.base import Look
from sensor_tui.model.unit import Unit

_SHELL: Final = "command -v bash >/dev/null && exec bash; exec sh"
_LOCAL: Final = frozenset({"local", "localhost"})


def refusal(unit: Unit, look: Look) -> str | None:
    """Why there is no shell for a unit, and what to do; None where there is one."""
    name, host = fmt.plain(unit.name, limit=60), fmt.plain(unit.host, limit=60)
    reasons = (
        (not look.shell, "There is no shell in a browser. Open the dashboard in a terminal for one."),
        (look.read_only, "A shell can change anything, and this dashboard is read-only."),
        (unit.runtime != "docker", f"{name} is a process: only containers have a shell. See its log with l."),
        (not unit.state.up, f"{name} does not run ({unit.state}). Start it first with s."),
        (
            unit.host not in {*_LOCAL, socket.gethostname()},
            f"{name} is on {host}. Open its shell there: docker exec -it {name} sh",
        ),
        (
            shutil.which("docker") is None,
            "There is no docker command on this machine. Install the Docker client for shells.",
        ),
    )
    return next((words for applies, words in reasons if applies), None)


def open_shell(unit: Unit) -> int:
    """Run a shell in the container until it is left; its exit code. The terminal has to be free."""
    command = ["docker", "exec", "--interactive", "--tty", "--", unit.name, "sh", "-c", _SHELL]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - the name stands after `--`

"""Which Docker engines there are, and a client for one of them."""

import os
import re
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from sensor_tui.errors import ConfigError
from sensor_tui.fleet.docker_context import (
    DEFAULT,
    Context,
    chosen_context,
    docker_folder,
    load_context,
)

if TYPE_CHECKING:
    import docker

DEFAULT_URL: Final = "unix:///var/run/docker.sock"
TIMEOUT_SECONDS: Final = 10.0

_FIX: Final = "Write unix:///path, ssh://user@host, tcp://host:port, or the name of a Docker context"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9_.:@-]+")
_TLS_PORT: Final = 2376
_PORT: Final = 2375


@dataclass(frozen=True, slots=True)
class Certificates:
    """A folder with `ca.pem`, `cert.pem` and `key.pem`, those that there are; `verify` the engine's own."""

    folder: Path
    verify: bool = True

    def file(self, name: str) -> str | None:
        """Path of one of them."""
        path = self.folder / name
        return str(path) if path.is_file() else None


@dataclass(frozen=True, slots=True)
class DockerAddress:
    """One Docker engine. `name` is the host it is shown as; no two of a list share one."""

    name: str
    url: str
    tls: Certificates | None = None
    expected: bool = True
    """Whether somebody named it; an engine at the default place need not be there at all."""

    @property
    def scheme(self) -> str:
        """`unix`, `ssh` or `tcp`."""
        return self.url.partition("://")[0]

    @property
    def socket(self) -> str | None:
        """Path of the socket of an engine of this machine."""
        return self.url.removeprefix("unix://") if self.scheme == "unix" else None

    def environment(self) -> dict[str, str]:
        """Variables that make the docker command, and Compose, speak to this engine."""
        variables = {"DOCKER_HOST": self.url}
        if self.tls is not None:
            variables["DOCKER_CERT_PATH"] = str(self.tls.folder)
            variables["DOCKER_TLS_VERIFY" if self.tls.verify else "DOCKER_TLS"] = "1"
        return variables


def docker_addresses(
    hosts: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> list[DockerAddress]:
    """The engines named, by address or context, or else the one that the docker command would speak to.

    Args:
        hosts: `unix://`, `ssh://` and `tcp://` addresses and names of contexts.
        environment: where `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`, `DOCKER_CERT_PATH` and
            `DOCKER_TLS_VERIFY` are looked up; this process's where None.

    Raises:
        ConfigError: one of them is no address and no context.
    """
    environment = os.environ if environment is None else environment
    own = _of_docker(environment) if not hosts else None
    found = [own] if own is not None else [_address(host, environment) for host in hosts]
    unique = list({(each.url, each.tls): each for each in found}.values())
    return _named(unique, environment)


def connect(address: DockerAddress, *, timeout: float = TIMEOUT_SECONDS) -> "docker.DockerClient":
    """A client of an engine that answers; close it. Blocks for `timeout` seconds at most, or a little more.

    Raises:
        FleetError: it cannot be reached; the message says why and what to do.
    """
    from sensor_tui.fleet.docker_client import open_client

    return open_client(address, timeout)


def _of_docker(environment: Mapping[str, str]) -> DockerAddress:
    """What the docker command would speak to."""
    given = environment.get("DOCKER_HOST")
    if given:
        return _address(given, environment)
    chosen = chosen_context(environment)
    if chosen != DEFAULT:
        return _address(chosen, environment)
    return DockerAddress("", DEFAULT_URL, expected=False)


def _address(text: str, environment: Mapping[str, str]) -> DockerAddress:
    """An address, or a context's; its name is made later where it is empty."""
    text = text.strip()
    if "://" not in text:
        return (
            DockerAddress("", DEFAULT_URL)
            if text == DEFAULT
            else _of_context(load_context(text, environment))
        )
    url = _checked(text)
    tls = None
    if url.startswith("tcp://") and (
        environment.get("DOCKER_TLS_VERIFY") or environment.get("DOCKER_CERT_PATH")
    ):
        given = environment.get("DOCKER_CERT_PATH")
        tls = Certificates(Path(given) if given else docker_folder(environment))
    return DockerAddress("", url, tls)


def _of_context(context: Context) -> DockerAddress:
    url = _checked(context.url)
    tls = None
    if url.startswith("tcp://") and context.certificates is not None:
        tls = Certificates(context.certificates, verify=context.verify)
    return DockerAddress(_PLAIN.sub("-", context.name), url, tls)


def _checked(url: str) -> str:
    """The address as it is used; raises ConfigError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{_safe(url)} is no address of a Docker engine", fix=_FIX) from None
    problem = _problem(parts)
    if problem:
        raise ConfigError(f"{_safe(url)}: {problem}", fix=_FIX)
    if parts.scheme == "unix":
        return f"unix://{os.path.normpath('/' + (parts.netloc + parts.path).lstrip('/'))}"
    if parts.scheme == "tcp" and port is None:
        return f"tcp://{parts.netloc.rstrip(':')}:{_PORT}"
    return url.rstrip("/")


def _problem(parts: SplitResult) -> str:
    if parts.scheme not in {"unix", "ssh", "tcp"}:
        return f"engines are not spoken to by {parts.scheme}://"
    if parts.query or parts.fragment or any(ord(letter) <= ord(" ") for letter in parts.geturl()):
        return "there is more in it than an address"
    if parts.scheme == "unix":
        return "" if parts.netloc or parts.path.strip("/") else "there is no path"
    if not parts.hostname or parts.hostname.startswith("-") or (parts.username or "").startswith("-"):
        return "there is no host"
    if parts.password is not None:
        return "a password does not belong there, use keys"
    return "a path does not belong there" if parts.scheme == "tcp" and parts.path.strip("/") else ""


def _safe(url: str) -> str:
    """The address without a password in it."""
    return re.sub(r"(?<=://)[^/@]*:[^/@]*@", "***@", url)


def _named(found: Sequence[DockerAddress], environment: Mapping[str, str]) -> list[DockerAddress]:
    """Names of their own: contexts keep theirs, this machine's engine has its name, others their host's."""
    here = socket.gethostname()
    sockets = [each for each in found if not each.name and each.socket is not None]
    own = _own_socket(sockets, environment)
    named: list[DockerAddress] = []
    for each in found:
        if each.name or each.socket is None:
            named.append(each if each.name else replace(each, name=urlsplit(each.url).hostname or each.url))
        else:
            named.append(replace(each, name=here if each is own else f"{here}:{_place(Path(each.socket))}"))
    # The process runtime of this machine has its name already; another engine does not take it.
    counts = Counter(each.name for each in named)
    taken = {name for name, count in counts.items() if count == 1}
    for index, each in enumerate(named):
        if counts[each.name] == 1:
            continue
        number, name = 1, each.name
        while name in taken:
            number += 1
            name = f"{each.name}-{number}"
        taken.add(name)
        named[index] = replace(each, name=name)
    return named


def _own_socket(sockets: Sequence[DockerAddress], environment: Mapping[str, str]) -> DockerAddress | None:
    """The socket that is shown as this machine: the docker command's own, else the only one."""
    try:
        usual = _of_docker(environment).socket
    except ConfigError:
        usual = None
    for each in sockets:
        if usual is not None and os.path.realpath(str(each.socket)) == os.path.realpath(usual):
            return each
    return sockets[0] if len(sockets) == 1 else None


def _place(path: Path) -> str:
    """What tells this socket from others of its machine."""
    stem = path.stem if path.stem not in {"docker", ""} else path.parent.name
    return _PLAIN.sub("-", stem) or "docker"

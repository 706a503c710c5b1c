"""Clients of the Docker SDK; the one module that loads it."""

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import docker
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

from sensor_tui.fleet.docker_errors import told
from sensor_tui.fleet.docker_tunnel import Tunnel

if TYPE_CHECKING:
    from sensor_tui.fleet.docker_host import DockerAddress

_THREADS = 16


class _Connection(UnixHTTPConnection):
    """Leaves no socket open where nobody listens."""

    def connect(self) -> None:
        """Connect; raises OSError."""
        made = socket.socket(socket.AF_UNIX)
        try:
            made.settimeout(self.timeout)
            made.connect(self.unix_socket)
        except BaseException:
            made.close()
            raise
        self.sock = made


class _Pool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:
        return _Connection(self.base_url, self.socket_path, cast("Any", self.timeout))


class _Adapter(UnixHTTPAdapter):
    def get_connection(self, url: Any, proxies: Any = None) -> Any:  # noqa: ARG002 - the SDK's interface
        """The pool for a socket; one for each client."""
        with self.pools.lock:
            pool = self.pools.get(url)
            if pool is None:
                pool = self.pools[url] = _Pool(url, self.socket_path, self.timeout, maxsize=_THREADS)
        return pool


class _Api(docker.APIClient):
    """Without what the environment says of HTTP.

    A bundle named there would replace the engine's own certificates, and a proxy is not for engines.
    """

    def mount(self, prefix: str | bytes, adapter: Any) -> None:
        """Put our own way to sockets in the place of the SDK's."""
        if type(adapter) is UnixHTTPAdapter:
            adapter = _Adapter(adapter.socket_path, adapter.timeout, max_pool_size=_THREADS)
        super().mount(prefix, adapter)

    @property
    def trust_env(self) -> bool:
        """Always False."""
        return False

    @trust_env.setter
    def trust_env(self, given: bool) -> None:
        """Stays as it is, whatever a session begins with."""


class EngineClient(docker.DockerClient):
    """A client that ends its tunnel when it is closed."""

    def __init__(self, **options: Any) -> None:
        self.api = _Api(**options)

    tunnel: Tunnel | None = None

    def close(self) -> None:
        """Let go of all connections."""
        try:
            super().close()
        finally:
            if self.tunnel is not None:
                self.tunnel.close()


def open_client(address: "DockerAddress", timeout: float) -> EngineClient:
    """A client of an engine that has answered; raises FleetError."""
    tunnel: Tunnel | None = None
    try:
        url = address.url
        if address.scheme == "ssh":
            tunnel = Tunnel(address.url)
            url = tunnel.open(timeout)
        elif address.socket is not None:
            _try_socket(address.socket, timeout)
        about: dict[str, Any] = {"timeout": timeout, "max_pool_size": _THREADS, **_tls(address)}
        client = EngineClient(base_url=url, version="auto", **about)
        client.tunnel = tunnel
    except BaseException as error:
        if tunnel is not None:
            tunnel.close()
        if not isinstance(error, (DockerException, OSError, ValueError)):
            raise
        raise told(error, address) from error
    return client


def _tls(address: "DockerAddress") -> dict[str, Any]:
    if address.tls is None:
        return {}
    files = address.tls
    certificate, key = files.file("cert.pem"), files.file("key.pem")
    return {
        "tls": TLSConfig(
            client_cert=(certificate, key) if certificate and key else None,
            ca_cert=files.file("ca.pem"),
            verify=files.verify,
        )
    }


def _try_socket(path: str, timeout: float) -> None:
    """Raise OSError at once where nobody listens: cheaper, and clearer, than what the SDK makes of it."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout)
        probe.connect(path)
        with suppress(OSError):
            probe.shutdown(socket.SHUT_RDWR)

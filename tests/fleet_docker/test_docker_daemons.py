"""Engines that go away and come back, hang, refuse, or are spoken to by TLS and ssh."""

import asyncio
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from sensor_tui.errors import FleetError
from sensor_tui.fleet import docker_watch
from sensor_tui.fleet.docker_host import DEFAULT_URL, Certificates, DockerAddress, connect, docker_addresses
from sensor_tui.model.unit import UnitState
from tests.fleet_docker.conftest import SECONDS, Box, PrivateDaemon


async def test_a_daemon_that_is_restarted_is_dimmed_and_right_again_within_five_seconds(daemon, watch):
    box = Box(daemon.client(), "restarted")
    name = box.make(script="echo one; trap 'exit 0' TERM; while :; do sleep 0.05; done")
    other = box.make("other")
    watched = await watch(box.project, daemon.address)
    unit = watched.unit(name)
    stream = watched.runtime.logs(unit.id, follow=True)
    assert [line.text for line in await anext(stream)] == ["one"]

    box.client.close()
    await asyncio.to_thread(daemon.stop)
    away = await watched.unit_is(name, lambda unit: unit.state is UnitState.UNKNOWN, seconds=2)
    host = watched.runtime.host()
    assert not host.reachable
    assert "\n" not in host.reason
    assert str(daemon.socket) in host.reason
    assert (away.city, away.image, away.started_at) == (unit.city, unit.image, unit.started_at)
    assert "was running" in away.reason
    assert host.units == 2
    with pytest.raises(FleetError, match=r"docker\.sock"):
        await watched.runtime.stop(unit.id, grace=1)
    # What happens meanwhile is not told by any event.
    os.kill(watched.unit(other).pid, signal.SIGKILL)

    await asyncio.to_thread(daemon.start)
    began = time.monotonic()
    await watched.unit_is(name, lambda unit: unit.state is UnitState.RUNNING, seconds=5)
    assert time.monotonic() - began < 5
    await watched.unit_is(other, lambda unit: unit.state is UnitState.FAILED)
    assert watched.runtime.host().reachable
    await watched.runtime.restart(unit.id, grace=1)
    lines = []
    async with asyncio.timeout(SECONDS):
        while not lines:
            lines += await anext(stream)
    assert [line.text for line in lines] == ["one"]
    await stream.aclose()


async def test_two_daemons_are_two_hosts_and_one_of_them_away_is_nothing_to_the_other(
    daemon, watch, tmp_path
):
    second = PrivateDaemon()
    try:
        second.start()
        addresses = docker_addresses([daemon.address, second.address], {})
        assert len({each.name for each in addresses}) == 2
        boxes = [Box(each.client(), "two") for each in (daemon, second)]
        names = [box.make() for box in boxes]
        one, two = [await watch("two", address) for address in addresses]
        assert one.id(names[0]) != two.id(names[1])
        for box in boxes:
            box.client.close()
        await asyncio.to_thread(second.kill)
        await two.until(lambda: not two.runtime.host().reachable, seconds=2)
        assert one.unit(names[0]).state is UnitState.RUNNING
        await one.runtime.stop(one.id(names[0]), grace=1)
        assert one.unit(names[0]).state is UnitState.STOPPED
    finally:
        second.remove()


async def test_a_daemon_that_hangs_is_noticed_and_does_not_hold_up_the_end(daemon, watch, monkeypatch):
    monkeypatch.setattr(docker_watch, "PING_SECONDS", 0.3)
    monkeypatch.setattr(docker_watch, "CALL_SECONDS", 0.5)
    box = Box(daemon.client(), "hangs")
    name = box.make()
    box.client.close()
    watched = await watch(box.project, daemon.address)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        await watched.unit_is(name, lambda unit: unit.state is UnitState.UNKNOWN)
        assert "in time" in watched.runtime.host().reason
        began = time.monotonic()
        await watched.runtime.close()
        assert time.monotonic() - began < docker_watch.CLOSE_SECONDS + 1
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


async def test_an_engine_that_is_not_there_at_first_is_said_so_and_found_later(watch, tmp_path):
    daemon = PrivateDaemon()
    watched = await watch("late", daemon.address)
    host = watched.runtime.host()
    assert (host.reachable, host.seen, watched.runtime.list()) == (False, None, [])
    assert "no Docker engine answers" in host.reason
    try:
        await asyncio.to_thread(daemon.start)
        await watched.until(lambda: watched.runtime.host().reachable, seconds=5)
    finally:
        daemon.remove()


async def test_an_engine_that_nobody_expects_is_not_missed(watch, tmp_path):
    address = DockerAddress("here", f"unix://{tmp_path}/nothing.sock", expected=False)
    watched = await watch("none", address)
    assert (watched.runtime.host().reachable, watched.runtime.host().reason) == (False, "")


@pytest.mark.parametrize("what", ["nothing", "file", "deaf"])
def test_a_socket_that_cannot_be_used_is_told_in_one_line(tmp_path, what):
    path = tmp_path / "docker.sock"
    if what == "file":
        path.write_text("")
    elif what == "deaf":
        _leave_socket(path)
    (address,) = docker_addresses([f"unix://{path}"], {})
    with pytest.raises(FleetError, match="no Docker engine answers at unix://") as caught:
        connect(address, timeout=1)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def _leave_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")
def test_who_may_not_use_the_socket_is_told_what_to_do():
    with tempfile.TemporaryDirectory(prefix="h3-", dir="/tmp") as folder:
        path = Path(folder) / "docker.sock"
        _leave_socket(path)
        Path(folder).chmod(0o755)
        path.chmod(0o600)
        told = _told_to_nobody(path)
    assert f"no permission on the Docker socket {path}" in told
    assert "Add nobody to the group 'docker' and log in again, or use sudo" in told
    assert "\n" not in told


def _told_to_nobody(path: Path) -> str:
    """What a user who may not use the socket is told."""
    # What is asked for is loaded first: nobody may not be able to read it.
    code = (
        "import os, sys\n"
        "import sensor_tui.fleet.docker_client\n"
        "from sensor_tui.errors import FleetError\n"
        "from sensor_tui.fleet.docker_host import connect, docker_addresses\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: connect(docker_addresses([sys.argv[1]], {})[0], timeout=1)\n"
        "except FleetError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"unix://{path}"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def tls_daemon(tmp_path):
    """An engine that also listens on loopback, for those it knows; its port."""
    authority = trustme.CA()
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("operator@example.org")
    for certificate, name in ((server, "server"), (client, "client")):
        folder = tmp_path / name
        folder.mkdir()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    daemon = PrivateDaemon()
    files = tmp_path / "server"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        daemon.given = listener
        daemon.arguments = (
            "-H", "fd://", "--tlsverify", f"--tlscacert={files}/ca.pem", f"--tlscert={files}/cert.pem",
            f"--tlskey={files}/key.pem",
        )  # fmt: skip
        port = listener.getsockname()[1]
        try:
            daemon.start()
            yield daemon, port
        finally:
            daemon.remove()


async def test_an_engine_is_spoken_to_by_tls_and_only_by_those_it_knows(tls_daemon, watch, tmp_path):
    daemon, port = tls_daemon
    box = Box(daemon.client(), "tls")
    name = box.make(script="echo hello; trap 'exit 0' TERM; while :; do sleep 0.05; done")
    url = f"tcp://127.0.0.1:{port}"
    (address,) = docker_addresses([url], {"DOCKER_CERT_PATH": str(tmp_path / "client")})
    watched = await watch(box.project, address)
    assert watched.unit(name).state is UnitState.RUNNING
    assert (watched.unit(name).host, address.environment()["DOCKER_TLS_VERIFY"]) == ("127.0.0.1", "1")

    stream = watched.runtime.logs(watched.id(name), follow=True)
    assert [line.text for line in await anext(stream)] == ["hello"]
    assert await anext(stream) == []
    (thread,) = [each for each in threading.enumerate() if each.name == f"log {watched.id(name)}"]
    await stream.aclose()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()
    box.get(name).kill()
    box.client.close()
    await watched.unit_is(name, lambda unit: unit.state is UnitState.FAILED, seconds=2)

    stranger = tmp_path / "stranger"
    stranger.mkdir()
    other = trustme.CA()
    other.cert_pem.write_to_path(stranger / "ca.pem")
    for wrong in (Certificates(stranger), None):
        with pytest.raises(FleetError) as caught:
            await asyncio.to_thread(connect, DockerAddress("x", url, wrong), timeout=3)
        assert "\n" not in str(caught.value)
        assert url in str(caught.value)
        assert ("TLS" in str(caught.value)) or wrong is None


@pytest.fixture
def ssh_port(tmp_path, monkeypatch):
    """A server of this user's own on loopback, and an ssh that knows it."""
    if (sshd := shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        pytest.skip("sshd is missing: install openssh-server")
    if os.environ.get("DOCKER_HOST", DEFAULT_URL) != DEFAULT_URL:
        pytest.skip("ssh leads to the engine at the usual place, and this one is elsewhere")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name]
        subprocess.run(command, check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nPermitRootLogin yes\n"
    )
    public = (tmp_path / "host.pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {public}")
    (tmp_path / "ssh_config").write_text(
        f"IdentityFile {tmp_path}/user\nIdentitiesOnly yes\nUserKnownHostsFile {tmp_path}/known\n"
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {tmp_path}/ssh_config "$@"\n')
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (tmp_path / "sshd.log").open("wb") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=log)
        deadline = time.monotonic() + SECONDS
        while b"listening" not in (tmp_path / "sshd.log").read_bytes():
            assert time.monotonic() < deadline
            assert server.poll() is None
            time.sleep(0.02)
        yield port
        server.terminate()
        server.wait()


def _tunnels(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"ssh") and f"{folder}/sensor-tui-".encode() in b" ".join(words):
                    found.append(int(entry.name))
    return found


async def test_an_engine_elsewhere_is_reached_by_ssh_again_and_again(box, watch, ssh_port, tmp_path):
    name = box.make(script="echo hello; trap 'exit 0' TERM; while :; do sleep 0.05; done")
    user = getpass.getuser()
    (address,) = docker_addresses([f"ssh://{user}@127.0.0.1:{ssh_port}"], {})
    watched = await watch(box.project, address)
    assert watched.runtime.host().reachable, watched.runtime.host().reason
    assert watched.unit(name).state is UnitState.RUNNING
    stream = watched.runtime.logs(watched.id(name), follow=True)
    assert [line.text for line in await anext(stream)] == ["hello"]

    (pid,) = _tunnels(tmp_path)
    os.kill(pid, signal.SIGKILL)
    await watched.unit_is(name, lambda unit: unit.state is UnitState.UNKNOWN, seconds=2)
    await watched.unit_is(name, lambda unit: unit.state is UnitState.RUNNING, seconds=5)
    box.get(name).kill()
    await watched.unit_is(name, lambda unit: unit.state is UnitState.FAILED, seconds=2)
    await watched.runtime.close()
    assert _tunnels(tmp_path) == []
    assert list(tmp_path.glob("sensor-tui-*")) == []
    assert [batch async for batch in stream if batch] == []


def test_what_ssh_says_is_told_in_one_line(ssh_port, tmp_path):
    (tmp_path / "known").write_text("")
    (address,) = docker_addresses([f"ssh://127.0.0.1:{ssh_port}"], {})
    with pytest.raises(FleetError, match="ssh says: Host key verification failed") as caught:
        connect(address, timeout=5)
    assert "\n" not in str(caught.value)


def test_a_tunnel_ends_with_the_process_that_opened_it(ssh_port, tmp_path):
    code = (
        "import os, signal, sys\n"
        "from sensor_tui.fleet.docker_tunnel import Tunnel\n"
        "Tunnel(sys.argv[1]).open(10)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    user = getpass.getuser()
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", code, f"ssh://{user}@127.0.0.1:{ssh_port}"], check=False, env=environment
    )
    assert list(tmp_path.glob("sensor-tui-*"))
    deadline = time.monotonic() + 5
    while _tunnels(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.02)

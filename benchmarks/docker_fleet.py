"""Two hundred containers on an engine of its own: listing, and statistics beside `docker stats`."""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
from docker.errors import DockerException

from benchmarks.common import ROOT, Line, cpu_seconds, cpu_seconds_of
from sensor_tui.fleet import labels
from sensor_tui.fleet.docker import DockerRuntime
from sensor_tui.fleet.docker_host import docker_addresses
from sensor_tui.model.clock import SystemClock
from tests.support.docker import busybox_image

UNITS = 200
SECONDS = 15
PROJECT = "bench"


def measure() -> list[Line]:
    """CPU of the engine and of us, once a second for all units; nothing where there is no dockerd."""
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        return [Line("needs dockerd, and root to start one", "not measured")]
    with _engine() as (folder, pid):
        _containers(folder)
        idle = _during(pid, lambda: time.sleep(SECONDS))
        ours = _ours(folder, pid)
        theirs, client = _stats(folder, pid)
    engine, peer = max(0.0, ours["engine"] - idle), max(0.001, theirs - idle)
    return [
        Line(
            f"{UNITS} containers listed after open", f"{ours['listed']:.2f} s", "≤ 2 s", ours["listed"] <= 2
        ),
        Line("engine with nobody asking", f"{idle:.2f} % of a core"),
        Line("engine, statistics of all each second: ours", f"{engine:.2f} % of a core more"),
        Line("engine, `docker stats`", f"{peer:.2f} % of a core more"),
        Line("engine, ours to `docker stats`", f"{engine / peer:.3f}", "≤ 1/10", engine <= peer / 10),
        Line("client: ours", f"{ours['client']:.2f} % of a core"),
        Line("client: `docker stats`", f"{client:.2f} % of a core"),
    ]


@contextmanager
def _engine() -> Iterator[tuple[Path, int]]:
    """An engine in a network and a folder of its own; the folder and its process."""
    folder = Path(tempfile.mkdtemp(prefix="dbench-", dir="/tmp"))
    command = [
        "unshare", "--net", "dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec",
        "--pidfile", folder / "pid", "-H", f"unix://{folder}/docker.sock", "--bridge=none",
        "--iptables=false",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 40
        while not (folder / "docker.sock").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield folder, process.pid
    finally:
        with suppress(DockerException, OSError):
            client = _client(folder)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda each: each.remove(force=True), client.containers.list(all=True)))
            client.close()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
            if (place := line.split()[1]).startswith(f"{folder}/"):
                subprocess.run(["umount", "-l", place], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _client(folder: Path) -> docker.DockerClient:
    return docker.DockerClient(base_url=f"unix://{folder}/docker.sock", timeout=60)


def _containers(folder: Path) -> None:
    client = _client(folder)
    image = busybox_image(client)

    def make(number: int) -> None:
        tags = {labels.PROJECT: PROJECT, labels.ROLE: "sensor", labels.SENSOR: f"LON_{number:06d}"}
        command = ["sh", "-c", "while :; do sleep 1; done"]
        name = f"sensor-{number:03d}"
        client.containers.run(image, command, name=name, detach=True, network_mode="none", labels=tags)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(UNITS)))
    client.close()
    time.sleep(5)


def _cpu(pid: int) -> float:
    """CPU time of the engine and of its containerd; not of what keeps the containers."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += (task / "children").read_text(encoding="utf-8").split()
    return sum(map(cpu_seconds_of, {pid, *map(int, children)}))


def _during(pid: int, work) -> float:
    """Per cent of a core that the engine takes meanwhile."""
    cpu, began = _cpu(pid), time.monotonic()
    work()
    return (_cpu(pid) - cpu) / (time.monotonic() - began) * 100


def _ours(folder: Path, pid: int) -> dict[str, float]:
    """Our runtime in a process of its own, as the service has it."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.docker_fleet", str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        listed = json.loads(process.stdout.readline())
        engine = _during(pid, lambda: time.sleep(SECONDS))
        process.stdin.close()
        return {"listed": listed, "engine": engine, "client": json.loads(process.stdout.readline())}


def _stats(folder: Path, pid: int) -> tuple[float, float]:
    """`docker stats` of all, its text thrown away."""
    with subprocess.Popen(
        ["docker", "-H", f"unix://{folder}/docker.sock", "stats", "--format", "{{.CPUPerc}} {{.MemUsage}}"],
        stdout=subprocess.DEVNULL,
    ) as process:
        time.sleep(3)
        before = cpu_seconds_of(process.pid)
        engine = _during(pid, lambda: time.sleep(SECONDS))
        client = (cpu_seconds_of(process.pid) - before) / SECONDS * 100
        process.send_signal(signal.SIGINT)
    return engine, client


async def _watch(folder: Path) -> None:
    clock = SystemClock()
    (address,) = docker_addresses([f"unix://{folder}/docker.sock"])
    runtime = DockerRuntime(address, clock, project=PROJECT, data_root=folder)
    began = clock.monotonic()
    await runtime.open()
    await runtime.settled()
    units = [unit.id for unit in runtime.list() if unit.state.up]
    assert len(units) == UNITS
    sys.stdout.write(f"{clock.monotonic() - began}\n")
    sys.stdout.flush()
    over = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    await runtime.stats(units)
    cpu, began = cpu_seconds(), clock.monotonic()
    while not over.done():
        assert len(await runtime.stats(units)) == UNITS
        await asyncio.wait({over}, timeout=1)
    used = (cpu_seconds() - cpu) / (clock.monotonic() - began) * 100
    sys.stdout.write(f"{used}\n")
    await runtime.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    asyncio.run(_watch(parser.parse_args().folder))

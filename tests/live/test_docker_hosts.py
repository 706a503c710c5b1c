"""The dashboard over two engines: what is on each, and what is said while one of them is away."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor_tui.fleet import labels
from sensor_tui.model.overview import Link
from sensor_tui.model.unit import UnitState
from tests.support.components import require_component
from tests.support.docker import Daemon, busybox_image

from .stage import Stage

PROJECT = "twohosts"
BACK_SECONDS = 5.0
SEEN_SECONDS = 2.0


@pytest.fixture(scope="module")
def engines() -> Iterator[list[Daemon]]:
    """Two engines of our own with two containers each."""
    require_component("dockerd")
    folder = Path(tempfile.mkdtemp(prefix="two", dir="/tmp"))
    both = [Daemon(folder / name) for name in ("a", "b")]
    try:
        for number, engine in enumerate(both):
            engine.start()
            for city in ("London", "Manila"):
                run(engine, f"sensor-{city.lower()}-{number}", city)
        yield both
    finally:
        for engine in both:
            engine.remove()
        shutil.rmtree(folder, ignore_errors=True)


def run(engine: Daemon, name: str, city: str) -> None:
    """A container of the project that does nothing, and says so."""
    client = engine.client()
    try:
        client.containers.run(
            busybox_image(client),
            ["sh", "-c", "echo here; while :; do sleep 1; done"],
            name=name,
            detach=True,
            init=True,
            network_mode="none",
            labels={labels.PROJECT: PROJECT, labels.ROLE: "sensor", labels.CITY: city},
        )
    finally:
        client.close()


@pytest.mark.component("dockerd")
@pytest.mark.timeout(150)
async def test_an_engine_goes_away_and_comes_back_and_the_other_does_not_notice(engines, look_at):
    first, second = engines
    with Stage(serve=False) as stage:
        hosts = ", ".join(engine.address for engine in engines)
        with stage.config.open("a") as file:
            file.write(f"fleet: {{project: {PROJECT}, hosts: [{hosts}]}}\n")
        await stage.start()
        async with look_at(stage) as live:
            await live.link(Link.LIVE)

            def states(engine):
                names = {host.host for host in live.overview.hosts if host.runtime == "docker"}
                mine = [name for name in names if name.endswith(engine.socket.parent.name)] or sorted(names)
                return {unit.state for unit in live.overview.units.values() if unit.host == mine[0]}

            await live.until(lambda: len(live.overview.units) == 4)
            assert states(first) == states(second) == {UnitState.RUNNING}
            await live.see(r"4/4 up")

            first.kill()
            await live.until(lambda: UnitState.UNKNOWN in {u.state for u in live.overview.units.values()})
            gone = {unit.host for unit in live.overview.units.values() if unit.state is UnitState.UNKNOWN}
            assert len(gone) == 1
            assert len(live.overview.units) == 4
            away = next(host for host in live.overview.hosts if host.host in gone)
            assert not away.reachable
            assert away.reason
            await live.see(r"2/4 up")
            await live.see("unreachable")
            run(second, "sensor-lima-9", "Lima")
            await live.until(lambda: len(live.overview.units) == 5, within=SEEN_SECONDS)

            first.start()
            await live.until(
                lambda: {unit.state for unit in live.overview.units.values()} == {UnitState.RUNNING},
                within=BACK_SECONDS,
            )
            await live.see(r"5/5 up")
            await live.lose("unreachable")
        await stage.stop()

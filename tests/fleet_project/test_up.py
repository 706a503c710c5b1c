"""Bringing a project up, with a Compose tool and an engine made up here: what is told, kept and removed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli import project_up
from sensor_tui.cli.project_start import checks_of, tell_plan
from sensor_tui.cli.project_up import Plan, check, outdated, remove_left_over, up
from sensor_tui.errors import FleetError
from sensor_tui.fleet import labels
from sensor_tui.fleet.compose import render
from sensor_tui.fleet.project_engine import Container, Survey
from sensor_tui.fleet.spec import FleetSpec, Images, fleet_spec
from sensor_tui.model.city import City

IMAGE = "r/sensor-tui:v1"


def spec(folder: Path, rate: float = 1.0, **further: Any) -> FleetSpec:
    return fleet_spec(
        project="p",
        cities=[City("London", 51.5, -0.1), City("Rome", 41.9, 12.5)],
        sensors_per_city=1,
        max_cities=further.pop("max_cities", 2),
        images=Images(IMAGE, IMAGE),
        readings_per_second=rate,
        anomaly_probability=0.0,
        upload_interval=30.0,
        archive_format="parquet",
        data_root=folder / "data",
        archive_root=folder / "archive",
        user="1:1",
        **further,
    )


def container(service: str, state: str = "running", image: str = IMAGE) -> Container:
    named = {labels.PROJECT: "p", labels.COMPOSE_SERVICE: service}
    return Container(f"id {service}", f"p_{service}_1", service, state, "", image, named)


class World:
    """Place, tool and engine in one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = "p"
        self.address = self.project = self.settings = self.cosmos = self
        self.file = folder / "docker-compose.yml"
        self.endpoint: str | None = None
        self.asked: list[bool | None] = []
        self.gone: list[str] = []
        self.problems: list[str] = []

    def plan(self, fleet: FleetSpec, before: FleetSpec | None = None) -> Plan:
        me: Any = self
        return Plan(me, fleet, render(fleet), me, local=True, before=render(before) if before else "")

    async def ask(self, call: Any, *args: Any, **options: Any) -> Any:
        return call(*args, **options)

    async def up(self, stack: Any, tell: Any, *, recreate: bool | None) -> None:
        self.asked.append(recreate)

    def remove(self, found: Survey, *, grace: float, tell: Any) -> list[str]:
        assert not found.networks
        self.gone += [each.service for each in found.containers]
        return self.problems


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return World(tmp_path)


async def test_what_is_up_is_not_made_anew_but_by_a_reset(world: Any, tmp_path: Path, capsys: Any) -> None:
    plan = world.plan(spec(tmp_path, rate=2.0), before=spec(tmp_path))
    found = Survey("p", (container("sensor-london-1"), container("sensor-rome-1", "exited")))

    await up(plan, world, found, recreate=False)
    assert "left as they are: sensor-london-1, sensor-rome-1. 'sensor-tui reset'" in capsys.readouterr().err
    await up(plan, world, found, recreate=True)
    assert capsys.readouterr().err == ""
    down = replace(found, ours=tuple(replace(each, state="exited") for each in found.ours))
    await up(plan, world, down, recreate=False)
    assert "left as they are" not in capsys.readouterr().err

    gone = replace(down, ours=(*down.ours, container("gone")))
    await up(plan, world, gone, recreate=False)

    assert world.asked == [False, True, None, None]


def test_which_units_have_older_settings(world: Any, tmp_path: Path) -> None:
    found = Survey("p", (container("sensor-london-1"), container("gone")))
    grown = world.plan(spec(tmp_path), before=spec(tmp_path, max_cities=1))

    assert outdated(grown, found) == []
    assert outdated(world.plan(spec(tmp_path)), found) == []
    assert outdated(world.plan(spec(tmp_path, rate=3.0), before=spec(tmp_path)), found) == ["sensor-london-1"]
    rebuilt = Survey("p", (container("sensor-london-1", image="sha256:0"),))
    assert outdated(grown, rebuilt) == ["sensor-london-1"]


def test_a_dry_run_says_what_is_kept_and_what_goes(world: Any, tmp_path: Path, capsys: Any) -> None:
    plan = world.plan(spec(tmp_path, rate=2.0), before=spec(tmp_path))
    foreign = container("foreign")
    found = Survey("p", (container("sensor-london-1"), container("gone")), foreign=(foreign,))

    tell_plan(plan, found, "start", as_json=False)
    told = capsys.readouterr().out
    assert "1 unit to start" in told
    assert told.endswith("left as they are: sensor-london-1\n")

    tell_plan(plan, found, "reset", as_json=False)
    told = capsys.readouterr().out
    assert "2 units to start" in told
    assert told.endswith("No longer in the fleet, and removed: p_gone_1\n")


async def test_a_reset_removes_what_is_its_own_and_nothing_else(world: Any, tmp_path: Path) -> None:
    orphan, foreign = container("by-hand"), container("foreign")
    found = Survey("p", (container("sensor-london-1"), container("gone")), (orphan,), (foreign,))

    await remove_left_over(world.plan(spec(tmp_path)), world, found, grace=1.0)

    assert world.gone == ["gone", "by-hand"]
    world.problems = ["gone: in use"]
    with pytest.raises(FleetError, match="could not all be removed: gone: in use"):
        await remove_left_over(world.plan(spec(tmp_path)), world, found, grace=1.0)


async def test_a_project_of_another_data_folder_is_not_taken_over(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_up, "build_images", None)
    one = container("sensor-london-1")
    named = {**one.labels, labels.DATA: "London/LON_1"}
    theirs = replace(one, labels=named, folders=frozenset({"/theirs/London/LON_1"}))

    with pytest.raises(FleetError, match=r"that of another data folder \(/theirs\): p_sensor-london-1_1"):
        await check(world.plan(spec(tmp_path)), world, Survey("p", foreign=(theirs,)), {})


def test_the_endpoint_is_checked_where_it_is_known_here(world: Any, tmp_path: Path) -> None:
    uploading = world.plan(spec(tmp_path, uploaders=True))

    assert set(checks_of(world.plan(spec(tmp_path)))) - set(checks_of(uploading)) == {
        *("endpoint", "dns", "connect", "clock", "key"),
        *("database", "container", "partition-key", "throughput", "write"),
    }
    assert "disk" in checks_of(uploading)
    world.endpoint = "https://here"
    assert "endpoint" in checks_of(uploading)

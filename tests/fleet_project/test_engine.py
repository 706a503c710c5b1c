"""A project on a real engine: what belongs to it and what does not, how it fares, and its end."""

import json
import subprocess
import time

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet import labels
from sensor_tui.fleet.compose_tool import Stack
from sensor_tui.fleet.docker_host import docker_addresses
from sensor_tui.fleet.project_engine import Engine


@pytest.fixture
def engine(world):
    with Engine(docker_addresses()[0]) as made:
        yield made


def compose_up(stack: Stack) -> None:
    command = ["docker-compose", "-f", stack.file, "-p", stack.project, "up", "-d"]
    subprocess.run(command, check=True, capture_output=True)


def silent(name: str, step: str) -> None:
    """Nobody wants to know."""


def test_everything_of_a_project_goes_and_nothing_else(world, engine, tmp_path):
    """Orphans too, and without its file; neighbours, and those of the same name from elsewhere, stay."""
    plain = world.service()
    del plain["labels"]
    compose_up(world.write({"one": world.service(), "by-hand": plain}))
    neighbour = world.client.containers.run(
        world.image, ["sh", "-c", "sleep 600"], detach=True, network_mode="none", name=f"{world.project}-n"
    )
    other = tmp_path / "other.yml"
    other.write_text(json.dumps({"version": "3.8", "services": {"foreign": plain}}))
    compose_up(Stack(other, world.project))
    world.stack.file.unlink()
    told: list[tuple[str, str]] = []
    try:
        found = engine.survey(world.project)

        assert [each.service for each in found.ours] == ["one"]
        assert [each.service for each in found.orphans] == ["by-hand"]
        assert [each.service for each in found.foreign] == ["foreign"]
        assert found.networks == ()

        assert engine.remove(found, grace=1, tell=lambda *what: told.append(what)) == []
        assert world.containers() == {"foreign": "running"}
        neighbour.reload()
        assert neighbour.status == "running"
        assert ("one", "removed") in told

        world.client.containers.get(found.foreign[0].id).remove(force=True)
        rest = engine.survey(world.project)
        assert [each.name for each in rest.networks] == [f"{world.project}_default"]
        assert engine.remove(rest, grace=1, tell=silent) == []
        assert engine.survey(world.project).empty
        assert engine.remove(rest, grace=1, tell=silent) == []
    finally:
        neighbour.remove(force=True)


def test_a_network_in_use_stays_and_is_said(world, engine):
    compose_up(world.write({"one": world.service()}))
    guest = world.client.containers.run(
        world.image, ["sleep", "600"], detach=True, network=f"{world.project}_default"
    )
    try:
        problems = engine.remove(engine.survey(world.project), grace=1, tell=silent)

        assert len(problems) == 1
        assert f"{world.project}_default" in problems[0]
        assert "active endpoints" in problems[0]
        guest.reload()
        assert guest.status == "running"
    finally:
        guest.remove(force=True)


def test_who_is_in_the_way(world, engine, tmp_path):
    def run(name, **options):
        return world.client.containers.create(
            world.image, ["sleep", "600"], name=f"{world.project}-{name}", network_mode="none", **options
        )

    ours = run("ours", labels={labels.PROJECT: world.project})
    taken = run("taken")
    place = run("place", labels={labels.COMPOSE_PROJECT: world.project, labels.COMPOSE_SERVICE: "one"})
    writer = run(
        "writer",
        labels={labels.PROJECT: "other"},
        volumes={str(tmp_path): {"bind": "/app/data", "mode": "rw"}},
    )
    try:
        asked = {
            "names": {ours.name, taken.name, "nobody"},
            "services": {"one"},
            "folders": {str(tmp_path)},
        }
        found = {each.name for each in engine.clashes(world.project, **asked)}
        assert found == {taken.name, place.name}

        writer.start()
        found = {each.name for each in engine.clashes(world.project, **asked)}
        assert found == {taken.name, place.name, writer.name}
    finally:
        for each in (ours, taken, place, writer):
            each.remove(force=True)


def test_how_containers_fare(world, engine):
    """One is up, one ended, one ends again and again, one is not well."""
    check = {"test": ["CMD", "false"], "interval": "0.1s", "retries": 1, "timeout": "5s"}
    compose_up(
        world.write(
            {
                "up": world.service(),
                "ended": world.service("echo hello; echo no such city >&2; exit 3"),
                "again": world.service("exit 4", restart="always"),
                "ill": world.service(healthcheck=check),
                "elsewhere": world.service(),
            }
        )
    )
    names = {"up", "ended", "again", "ill"}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        fates = {
            each.container.service: each for each in engine.fates(world.project, services=names, began={})
        }
        if all(fates[name].ended for name in ("ended", "again", "ill")):
            break

    assert set(fates) == names
    assert (fates["up"].ready, fates["up"].ended) == (True, "")
    assert fates["ended"].ended == "it ended, with exit code 3"
    assert sorted(fates["ended"].lines) == ["hello", "no such city"]
    assert fates["again"].ended.startswith("it ends again and again")
    assert fates["ill"].ended == "its health check fails"
    assert not any(fates[name].ready for name in ("ended", "again", "ill"))

    found = engine.survey(world.project)
    assert engine.stop(found.containers, grace=0, tell=silent) == []
    assert set(world.containers().values()) == {"exited"}
    began = engine.restarts(found.containers)
    assert max(began.values()) > 0


def test_an_engine_that_is_away_is_one_line(tmp_path):
    address = docker_addresses([f"unix://{tmp_path}/none.sock"])[0]

    with pytest.raises(FleetError, match="no Docker engine answers"):
        Engine(address)

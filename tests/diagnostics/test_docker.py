"""Engines as they are said to be, on looks made elsewhere; real ones are in the broken set-ups."""

from types import SimpleNamespace

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet.docker_host import DockerAddress
from sensor_tui.fleet.docker_probe_compose import composed
from sensor_tui.model.check import CheckVerdict
from sensor_tui.service.diagnostics import docker
from sensor_tui.service.diagnostics.engines import Look


def looks(*found, wanted="", installed=True):
    async def ask():
        return list(found)

    return SimpleNamespace(installed=installed, why_wanted=wanted, project="p", looks=ask)


def look(name, *, version="24.0.7", api="1.43"):
    probe = SimpleNamespace(version=version, api_version=api)
    return Look(DockerAddress(name, f"ssh://{name}"), probe)


def away(name):
    return Look(DockerAddress(name, f"ssh://{name}"), problem=FleetError(f"{name} is off", fix="Turn it on"))


async def test_an_engine_of_long_ago():
    found = await docker.engine(None, looks(look("a"), look("b", version="19.03.1", api="1.40")))
    assert (found.verdict, "too old for statistics of containers: b" in found.evidence) == (
        CheckVerdict.WARNING,
        True,
    )
    assert "20.10" in found.remedy


async def test_one_of_several_that_is_away():
    found = await docker.engine(None, looks(look("a"), away("b"), wanted="fleet.hosts names it"))
    assert found.verdict is CheckVerdict.FAILED
    assert "a: Docker 24.0.7" in found.evidence
    assert "b: b is off" in found.evidence
    assert found.remedy == "Turn it on"


async def test_where_nobody_needs_one():
    found = await docker.engine(None, looks(away("a")))
    assert (found.verdict, "Turn it on" in found.evidence) == (CheckVerdict.SKIPPED, True)
    for check in (docker.engine, docker.compose):
        assert (await check(None, looks(installed=False))).verdict is CheckVerdict.SKIPPED


def test_services_of_a_compose_file(tmp_path):
    path = tmp_path / "docker-compose.yml"
    path.write_text("services:\n  a: {image: 'x:v1'}\n  b: {build: .}\n  c:\n")
    assert composed(path) == {"a": "x:v1", "b": "", "c": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [", "is not valid YAML: line"),
        ("- a\n", "has no services"),
        ("services: 3\n", "no compose file"),
    ],
)
def test_compose_files_that_are_none(tmp_path, text, words):
    path = tmp_path / "docker-compose.yml"
    path.write_text(text)
    with pytest.raises(FleetError, match=words):
        composed(path)
    with pytest.raises(FleetError, match="cannot be read"):
        composed(tmp_path / "none.yml")

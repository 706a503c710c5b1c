"""Set-ups that are broken, each in one way: the check that finds it names the cause, and what to do."""

import json
import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest

from sensor_tui.fleet import labels
from sensor_tui.model.check import Check, CheckVerdict
from tests.diagnostics import broken_docker, broken_endpoint, broken_files, broken_names
from tests.diagnostics.broken import FAILED, OTHER_KEY, SETUPS, WARNING, Ground
from tests.diagnostics.broken_names import CONTAINER, NAME, inside, name_server
from tests.support.components import require_component
from tests.support.docker import base_image

MODULES = (broken_files, broken_endpoint, broken_docker, broken_names)
"""They enter their set-ups into the table."""


@pytest.fixture
async def ground(request, emulator):
    async with AsyncExitStack() as stack:
        yield Ground(request, emulator, stack)


@pytest.mark.parametrize("name", list(SETUPS))
async def test_the_cause_is_named(name, ground, check):
    setup = SETUPS[name]
    for component in setup.components:
        require_component(component)
    options = await setup.make(ground)
    found: Check = await check(setup.check, **options)
    assert found.verdict is setup.verdict, found
    for words in setup.evidence:
        assert words in found.evidence
    for words in setup.remedy:
        assert words in found.remedy
    assert OTHER_KEY not in str(found)


@pytest.mark.component(*CONTAINER)
async def test_a_container_behind_a_proxy_needs_no_name(ground, check):
    image, proxy = base_image(ground.project.client), {"HTTPS_PROXY": "http://proxy.example:3128"}
    ground.project.make("a-uploader", image=image, command=["sleep", "600"], environment=proxy)
    found = await check("container-dns", **await inside(ground))
    assert (found.verdict, "goes through a proxy" in found.evidence) == (CheckVerdict.SKIPPED, True)


@pytest.mark.component("docker")
async def test_uploaders_in_containers_stand_in_for_a_service(check, project, sensor):
    sensor()
    assert (await check("service")).verdict is WARNING
    project.make("uploader-1", labels={labels.ROLE: "uploader"})
    found = await check("service")
    assert (found.verdict, "containers upload (1)" in found.evidence) == (CheckVerdict.OK, True)


@pytest.mark.component(*CONTAINER)
async def test_a_name_server_that_knows_the_name(ground, check):
    """The other side of the blocked ones: nothing is said where there is nothing to say."""
    options = await name_server(ground, "knows")
    found = await check("container-dns", **options)
    assert found.verdict is CheckVerdict.OK, found
    assert f"a-uploader resolves {NAME} to 10.1.2.3" in found.evidence


@pytest.mark.component(*CONTAINER)
async def test_a_look_from_a_container_that_is_made_for_it(ground, check, project):
    """Only where something may be written, and nothing of it is left."""
    project.expect("sensor-1", base_image(project.client))
    options = await inside(ground)
    found = await check("container-dns", **options)
    assert (found.verdict, "--write" in found.evidence) == (CheckVerdict.SKIPPED, True)
    found = await check("container-dns", write=True, **options)
    assert found.verdict is FAILED
    assert "a container made of" in found.evidence
    assert "name server" in found.evidence
    left = project.client.containers.list(all=True, filters={"label": f"sensor-tui.probe={project.name}"})
    assert left == []


# what a user may not do


def verdict_of(ran: Any, name: str) -> dict[str, Any]:
    (found,) = [each for each in json.loads(ran.stdout)["checks"] if each["name"] == name]
    return dict(found)


def test_a_file_that_may_not_be_read(sensor, as_nobody, open_folder):
    path = open_folder / "London" / "closed.db"
    path.parent.mkdir()
    path.write_bytes(sensor("A").read_bytes())
    path.chmod(0)
    (open_folder / "state").mkdir()
    (open_folder / "state").chmod(0o777)
    given = ("--data-dir", open_folder, "--state-dir", open_folder / "state")
    ran = as_nobody("diagnostics", "--json", "--only", "files", *given)
    found = verdict_of(ran, "files")
    assert (ran.returncode, found["verdict"]) == (1, "failed")
    assert "London/closed.db" in found["evidence"]
    assert "permission" in found["evidence"].lower()


def test_an_archive_that_may_not_be_written(as_nobody, open_folder):
    (open_folder / "archive").mkdir(mode=0o755)
    config = open_folder / "sensor-tui.yaml"
    config.write_text(json.dumps({"archive": {"path": str(open_folder / "archive"), "format": "CSV"}}))
    ran = as_nobody("diagnostics", "--json", "--only", "archive", "--config", config)
    found = verdict_of(ran, "archive")
    assert (ran.returncode, found["verdict"]) == (1, "failed")
    assert f"the archive {open_folder}/archive cannot be written: this user may not" in found["evidence"]
    assert "chown" in found["remedy"]


def test_a_lock_of_the_archive_that_may_not_be_taken(as_nobody, open_folder):
    city = open_folder / "archive" / "London"
    city.mkdir(parents=True)
    for folder in (city.parent, city):
        folder.chmod(0o777)
    (city / ".LON_123456.parquet.lock").touch(mode=0o600)
    config = open_folder / "sensor-tui.yaml"
    config.write_text(json.dumps({"archive": {"path": str(city.parent), "format": "CSV"}}))
    ran = as_nobody("diagnostics", "--json", "--only", "archive", "--config", config)
    found = verdict_of(ran, "archive")
    assert (ran.returncode, found["verdict"]) == (1, "failed")
    assert ".LON_123456.parquet.lock" in found["evidence"]
    assert "a lock that this user may not take" in found["evidence"]


def test_an_engine_that_may_not_be_used(as_nobody, open_folder):
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(open_folder / "docker.sock"))
        (open_folder / "docker.sock").chmod(0o600)
        engine.listen()
        config = open_folder / "sensor-tui.yaml"
        config.write_text(json.dumps({"fleet": {"hosts": [f"unix://{open_folder}/docker.sock"]}}))
        ran = as_nobody("diagnostics", "--json", "--only", "docker", "--config", config)
    found = verdict_of(ran, "docker")
    assert (ran.returncode, found["verdict"]) == (1, "failed")
    assert "no permission on the Docker socket" in found["evidence"]
    assert "to the group 'docker'" in found["remedy"]

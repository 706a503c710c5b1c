"""Compose tools: which one is there, what it does, and how it is ended."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet.compose_tool import ComposeTool, Stack, find_tool
from sensor_tui.fleet.compose_tool_lines import Progress
from tests.support.components import plugin_environment, require_component


def script(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


async def gone(group: int) -> None:
    """Wait until nothing of a process group is left; who is killed may be a zombie for a moment."""
    with suppress(ProcessLookupError):
        while True:
            os.killpg(group, 0)
            await asyncio.sleep(0.01)


@pytest.fixture
def tools(tmp_path):
    """A folder that is all of $PATH, and the environment that says so."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder, {"PATH": str(folder)}


async def test_the_plugin_is_preferred(tools):
    folder, environment = tools
    script(folder, "docker", 'test "$1 $2" = "compose version" && echo 2.29.1')
    script(folder, "docker-compose", "echo 1.29.2")

    tool = await find_tool(environment)

    assert (tool.name, tool.version) == ("docker compose", "2.29.1")


async def test_without_the_plugin_it_is_docker_compose(tools):
    folder, environment = tools
    script(folder, "docker", "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1")
    script(folder, "docker-compose", "echo 1.29.2")

    tool = await find_tool(environment)

    assert (tool.name, tool.version) == ("docker-compose", "1.29.2")


@pytest.mark.parametrize("body", [None, "exit 0", "echo nonsense", "exit 127"])
async def test_no_tool_that_works_is_one_line(tools, body):
    folder, environment = tools
    if body is not None:
        script(folder, "docker-compose", body)

    with pytest.raises(FleetError, match="no Compose tool was found") as caught:
        await find_tool(environment)

    assert "docker-compose-plugin" in caught.value.fix


async def test_a_tool_that_cannot_be_run(tools):
    folder, environment = tools
    path = folder / "docker-compose"
    path.write_text("#!/nowhere/at/all\n")
    path.chmod(0o755)

    with pytest.raises(FleetError, match="no Compose tool"):
        await find_tool(environment)
    with pytest.raises(FleetError, match="cannot be run"):
        await ComposeTool((str(path),), "1", environment).config(Stack(Path("x"), "p"))


async def test_v2_tells_how_it_goes_and_what_is_wrong(tools, tmp_path):
    folder, environment = tools
    script(
        folder,
        "docker",
        'echo "$@" > "$OUT"; echo "$COMPOSE_IGNORE_ORPHANS $COMPOSE_PROFILES" >> "$OUT"\n'
        "echo ' Container p-one-1  Creating' >&2\necho ' Container p-one-1  Created' >&2\n"
        "echo 'Error response from daemon: No such image: h/x:v1' >&2\nexit 1",
    )
    told: list[Progress] = []
    given = environment | {"OUT": str(tmp_path / "out"), "COMPOSE_PROFILES": "other"}
    tool = ComposeTool(("docker", "compose"), "2.29.1", given)

    with pytest.raises(FleetError, match="there is no image h/x:v1"):
        await tool.up(Stack(tmp_path / "f.yml", "p"), told.append)

    assert [each.step for each in told] == ["creating", "created"]
    asked, orphans = (tmp_path / "out").read_text().splitlines()
    assert asked == f"compose --ansi never -f {tmp_path}/f.yml -p p up -d --no-build"
    assert orphans == "1 "


@pytest.mark.parametrize(
    ("recreate", "further"), [(None, ""), (True, " --force-recreate"), (False, " --no-recreate")]
)
async def test_what_is_made_anew_and_that_nothing_is_removed(tools, tmp_path, recreate, further):
    """Compose would take whatever has the name of the project for its own."""
    folder, environment = tools
    script(folder, "docker-compose", 'echo "$@" > "$OUT"; echo "$COMPOSE_IGNORE_ORPHANS" >> "$OUT"')
    tool = ComposeTool(("docker-compose",), "1", environment | {"OUT": str(tmp_path / "out")})

    await tool.up(Stack(Path("f"), "p"), lambda _: None, recreate=recreate)

    asked, orphans = (tmp_path / "out").read_text().splitlines()
    assert asked == f"--ansi never -f f -p p up -d --no-build{further}"
    assert orphans == "1"


async def test_lines_without_end_and_bytes_that_are_no_text(tools):
    folder, environment = tools
    script(
        folder,
        "docker-compose",
        "i=0; while [ $i -lt 3000 ]; do printf 'xxxxxxxxxx\\377\\377'; i=$((i+1)); done; exit 3",
    )

    with pytest.raises(FleetError) as caught:
        await ComposeTool(("docker-compose",), "1", environment).config(Stack(Path("f"), "p"))

    assert len(caught.value.message) == 400


@pytest.mark.parametrize("trap", ["exit 0", ""])
async def test_cancelling_ends_it_and_all_it_started(tools, tmp_path, monkeypatch, trap):
    """The second one does not listen to signals; what it started does not either."""
    monkeypatch.setattr("sensor_tui.fleet.compose_tool._INTERRUPT_SECONDS", 5.0 if trap else 0.05)
    monkeypatch.setattr("sensor_tui.fleet.compose_tool._TERMINATE_SECONDS", 0.05)
    folder, environment = tools
    pids = tmp_path / "pids"
    inner = f"trap '{trap}' INT TERM; echo $$ > {pids}; echo ' Container p-one-1  Creating'"
    loop = "while :; do /bin/sleep 0.05; done"
    child = "" if trap else f"(trap '' INT TERM; {loop}) &"
    script(folder, "docker-compose", f"{inner}\n{child}\n{loop}")
    begun = asyncio.Event()
    tool = ComposeTool(("docker-compose",), "1", environment)
    task = asyncio.ensure_future(tool.up(Stack(Path("f"), "p"), lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 20)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.wait_for(gone(int(pids.read_text())), 20)


@pytest.fixture(params=["docker-compose", "docker compose"])
def tool(request, environment):
    """Each of the two that there are."""
    require_component(
        {"docker-compose": "docker-compose", "docker compose": "docker-compose-v2"}[request.param]
    )
    return ComposeTool(tuple(request.param.split()), "", {**environment, **plugin_environment()})


async def test_up_and_stop_on_a_real_engine(world, tool):
    stack = world.write({"one": world.service(), "two": world.service()})
    told: list[Progress] = []

    await tool.config(stack)
    await tool.up(stack, told.append)

    assert world.containers() == {"one": "running", "two": "running"}
    assert {each.step for each in told if each.kind == "container"} >= {"creating", "created"}

    told.clear()
    await tool.stop(stack, told.append, grace=5)

    assert world.containers() == {"one": "exited", "two": "exited"}
    assert {each.step for each in told} == {"stopping", "stopped"}

    world.write({"one": world.service()})
    await tool.up(stack, told.append, recreate=True)

    assert world.containers() == {"one": "running", "two": "exited"}


async def test_a_taken_port_and_a_missing_image_on_a_real_engine(world, tool):
    ports = {"ports": ["127.0.0.1:28471:80"]}

    with pytest.raises(FleetError, match=r"port 127\.0\.0\.1:28471 is taken") as caught:
        await tool.up(
            world.write({"one": world.service(**ports), "two": world.service(**ports)}), lambda _: None
        )
    assert caught.value.fix
    assert sorted(world.containers().values()) == ["created", "running"]

    with pytest.raises(FleetError, match="localhost:1 cannot be reached"):
        await tool.up(world.write({"one": world.service(image="localhost:1/nothing:v1")}), lambda _: None)
    with pytest.raises(FleetError, match=r"is not valid: (Unsupported config option|.* is not allowed)"):
        await tool.config(world.write({"one": world.service(nonsense=1)}))

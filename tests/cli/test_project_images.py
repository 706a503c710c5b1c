"""Which images a project uses that may be built here, and building them."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sensor_tui.cli import project_up
from sensor_tui.cli.project_images import build_images, named, obtain
from sensor_tui.errors import UsageError
from sensor_tui.fleet import images
from sensor_tui.fleet.images import ImageError, last_built
from sensor_tui.fleet.project_engine import Survey
from sensor_tui.fleet.spec import Images

OWN, OTHER = "ghcr.io/us/sensor-tui:v1", "ghcr.io/them/cosmos-uploader:v7"
OPTIONS = {"tag": None, "tagged": True, "rebuild": True}


@dataclass(frozen=True)
class Spec:
    """As much of a fleet as is needed here."""

    images: Images


@dataclass
class Place:
    """As much of a place as is needed here."""

    state: Path

    @property
    def address(self) -> Any:
        return self

    name = "here"

    async def ask(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return await asyncio.to_thread(call, *args, **options)


def names(sensor: str, uploader: str | None, **options: Any) -> tuple[str, str | None]:
    spec: Any = Spec(Images(sensor, uploader))
    found = named(spec, OPTIONS | options).images
    return found.sensor, found.uploader


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, OWN),
        ({"tag": "v20250601"}, "ghcr.io/us/sensor-tui:v20250601"),
        ({"tagged": False}, "ghcr.io/us/sensor-tui:local"),
        ({"tag": "latest"}, OWN),
    ],
)
def test_the_version_that_is_asked_for_is_that_of_our_own_image(options: Any, expected: str) -> None:
    assert names(OWN, None, **options) == (expected, None)
    assert names(OWN, OTHER, **options) == (expected, OTHER)


@pytest.mark.parametrize("options", [{"tag": "v1", "tagged": False}, {"tag": "not a tag"}])
def test_what_cannot_be_a_version_is_refused(options: Any) -> None:
    with pytest.raises(UsageError):
        names(OWN, None, **options)


async def test_ours_is_built_and_remembered_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    monkeypatch.setattr(images, "build", lambda address, image, *, say: built.append(image))
    place: Any = Place(tmp_path)
    spec: Any = Spec(Images(OTHER, OWN))

    await build_images(place, spec, OPTIONS | {"rebuild": False})
    assert (built, last_built(tmp_path)) == ([], None)

    await build_images(place, spec, OPTIONS)
    assert (built, last_built(tmp_path)) == ([OWN], "v1")

    local: Any = Spec(Images("ghcr.io/us/sensor-tui:local"))
    await build_images(place, local, OPTIONS)
    assert last_built(tmp_path) == "v1"


@pytest.mark.parametrize(
    ("local", "dry_run", "pulled"),
    [(False, False, [OWN, OTHER]), (False, True, []), (True, False, []), (True, True, [])],
)
async def test_what_runs_is_what_the_registry_has_unless_the_engines_own_will_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    local: bool,
    dry_run: bool,
    pulled: list[str],
) -> None:
    done: list[Any] = []

    def check(images: Any, address: Any, *, allow_local: bool) -> None:
        done.append((tuple(images), allow_local))

    def pull(address: Any, image: str, *, say: Callable[[str], None]) -> None:
        say(f"layers of {image}")
        done.append(image)

    monkeypatch.setattr(images, "check_images", check)
    monkeypatch.setattr(images, "pull", pull)
    place: Any = Place(tmp_path)

    await obtain(place, [OWN, OTHER], local=local, dry_run=dry_run)

    assert done == [((OWN, OTHER), local), *pulled]
    told = capsys.readouterr().err.splitlines()
    assert told == [line for image in pulled for line in (f"Pulling {image} to here", f"layers of {image}")]


async def test_images_are_obtained_before_a_project_is_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(images: Any, address: Any, *, allow_local: bool) -> None:
        assert not allow_local

    def pull(address: Any, image: str, *, say: Callable[[str], None]) -> None:
        raise ImageError(f"{image} cannot be pulled")

    monkeypatch.setattr(images, "check_images", check)
    monkeypatch.setattr(images, "pull", pull)
    plan: Any = SimpleNamespace(
        place=Place(tmp_path), spec=Spec(Images(OWN)), local=False, file=tmp_path / "docker-compose.yml"
    )
    engine: Any = None

    with pytest.raises(ImageError, match="cannot be pulled"):
        await project_up.check(plan, engine, Survey("demo"), OPTIONS | {"dry_run": False})


async def test_a_build_that_fails_says_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(address: Any, image: str, *, say: Any) -> None:
        raise ImageError("there is no base", fix="Name another")

    monkeypatch.setattr(images, "build", fail)
    place: Any = Place(tmp_path)
    spec: Any = Spec(Images(OWN))

    with pytest.raises(ImageError, match="there is no base") as caught:
        await build_images(place, spec, OPTIONS)

    assert caught.value.fix == "Name another; --no-rebuild uses the image that is there"


async def test_a_build_that_is_interrupted_ends_with_its_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def build(address: Any, image: str, *, say: Callable[[str], None]) -> None:
        begun.set()
        try:
            while True:
                say("a step")
        finally:
            ended.set()

    monkeypatch.setattr(images, "build", build)
    place: Any = Place(tmp_path)
    spec: Any = Spec(Images(OWN))
    task = asyncio.ensure_future(build_images(place, spec, OPTIONS))
    assert await asyncio.to_thread(begun.wait, 20)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(ended.wait, 20)

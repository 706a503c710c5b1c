"""`sensor-tui build`: the name our image goes by."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.fleet import images
from sensor_tui.fleet.images import Built, build_command

Run = Callable[..., Any]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What an engine is asked for."""
    found: list[tuple[str, str]] = []

    def build(address: Any, image: str, *, base: str, say: Any) -> Built:
        found.append(("build", image))
        return Built(image, "sha256:1", 2, 1)

    def push(address: Any, image: str, *, say: Any) -> str:
        found.append(("push", image))
        return ""

    monkeypatch.setattr(images, "build", build)
    monkeypatch.setattr(images, "push", push)
    return found


@pytest.mark.parametrize(
    ("uploader", "options", "image"),
    [
        (None, [], "example.org/us/sensor-tui:v1"),
        ("cosmos-uploader", [], "example.org/us/sensor-tui:v1"),
        ("ghcr.io/them/cosmos-uploader:v7", [], "example.org/us/sensor-tui:v1"),
        ("team/sensor-tui:v7", [], "example.org/us/team/sensor-tui:v1"),
        ("cosmos-uploader", ["--name", "other"], "example.org/us/other:v1"),
    ],
)
def test_our_image_is_pushed_under_a_name_of_ours(
    run: Run, done: list[tuple[str, str]], uploader: str | None, options: list[str], image: str
) -> None:
    named = "" if uploader is None else f", images: {{uploader: '{uploader}'}}"
    Path("sensor-tui.yaml").write_text(f"fleet: {{registry: example.org/us{named}}}\n")

    result = run("build", "--tag", "v1", "--push", *options)

    assert (result.code, result.out) == (0, f"{image}\n"), result.err
    assert done == [("build", image), ("push", image)]


@pytest.mark.parametrize("uploader", ["cosmos-uploader", "team/sensor-tui", "ghcr.io/them/sensor-tui"])
@pytest.mark.parametrize("image", ["example.org/us/sensor-tui:v1", "example.org/us/team/sensor-tui:v1"])
def test_the_command_that_is_named_for_a_missing_image_makes_that_very_one(
    run: Run, done: list[tuple[str, str]], uploader: str, image: str
) -> None:
    Path("sensor-tui.yaml").write_text(f"fleet: {{images: {{uploader: '{uploader}'}}}}\n")

    result = run(*build_command(image).split()[1:])

    assert (result.code, result.out) == (0, f"{image}\n"), result.err
    assert done == [("build", image), ("push", image)]

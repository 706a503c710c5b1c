"""Names of images, and the policy that each has a version."""

import pytest

from sensor_tui.errors import StorageError, UsageError
from sensor_tui.fleet.images import (
    ImageError,
    build_command,
    check_tag,
    is_versioned,
    last_built,
    parse_image,
    policy_problem,
    reference,
    remember_built,
    version,
)
from sensor_tui.fleet.images_registry import _registry

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("asked", "environment", "built", "tag", "warned"),
    [
        ("v1", "v2", "v3", "v1", ""),
        (None, "v2", "v3", "v2", ""),
        (None, None, "v3", "v3", ""),
        (None, None, None, "v0.9.0", ""),
        (" v1 ", None, None, "v1", ""),
        ("latest", None, None, "v0.9.0", "--uploader-tag asks for 'latest'"),
        ("latest", "v2", "v3", "v2", "--uploader-tag asks for 'latest'"),
        ("LATEST", None, "v3", "v3", "--uploader-tag asks for 'LATEST'"),
        ("", None, "v3", "v3", "--uploader-tag asks for no version"),
        (None, "latest", "v3", "v3", "UPLOADER_TAG asks for 'latest'"),
        (
            "latest",
            "latest",
            None,
            "v0.9.0",
            "--uploader-tag asks for 'latest' and UPLOADER_TAG asks for 'latest'",
        ),
    ],
)
def test_every_image_gets_a_version(asked, environment, built, tag, warned):
    found = version(asked=asked, environment=environment, last_built=built, package="0.9.0")
    assert found.tag == tag
    assert found.warning.startswith(warned)
    assert bool(found.warning) is bool(warned)
    if warned:
        assert found.warning.endswith(f"using {tag} instead")


def test_the_version_of_a_working_copy_can_be_a_tag():
    assert version(asked=None, environment=None, last_built=None, package="1.0+dev").tag == "v1.0-dev"


@pytest.mark.parametrize("tag", ["a b", "-v1", ".v1", "v1/2", "v" * 129, "vé", "v1\n"])
def test_what_docker_would_not_take_is_refused_with_its_origin(tag):
    with pytest.raises(UsageError, match="--tag: "):
        check_tag(tag, "--tag")


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag", "digest"),
    [
        ("busybox", "", "busybox", "", ""),
        ("bacalhau-project/sensor:v1", "", "bacalhau-project/sensor", "v1", ""),
        ("ghcr.io/bacalhau-project/sensor:v1", "ghcr.io", "bacalhau-project/sensor", "v1", ""),
        ("127.0.0.1:5000/a/b__c:v1", "127.0.0.1:5000", "a/b__c", "v1", ""),
        ("localhost/x", "localhost", "x", "", ""),
        ("[::1]:5000/x:v1", "[::1]:5000", "x", "v1", ""),
        (f"ghcr.io/x:v1@{DIGEST}", "ghcr.io", "x", "v1", DIGEST),
    ],
)
def test_names_are_taken_apart_and_put_together_again(text, registry, path, tag, digest):
    name = parse_image(text)
    assert (name.registry, name.path, name.tag, name.digest) == (registry, path, tag, digest)
    assert str(name) == text


@pytest.mark.parametrize(
    "text", ["", "UPPER", "a//b", "x:", "x:a b", "x@sha256:12", "-x", "x" * 256, "a\x1b[31mb", "ghcr.io/Up/x"]
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(UsageError, match="not the name of an image"):
        parse_image(text)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("ghcr.io/x/sensor-tui:v1", None),
        ("127.0.0.1:5000/sensor-tui", "no version"),
        ("sensor-tui:latest", "version 'latest'"),
        ("sensor-tui:Latest", "version 'Latest'"),
        (f"sensor-tui@{DIGEST}", None),
        (DIGEST, None),
        ("what is this", None),
    ],
)
def test_an_image_without_a_version_of_its_own_is_flagged(image, problem):
    assert policy_problem(image) == problem


@pytest.mark.parametrize(
    ("registry", "name", "image", "warned"),
    [
        ("ghcr.io/p", "sensor-tui", "ghcr.io/p/sensor-tui:v7", False),
        ("ghcr.io/p/", "sensor:v2", "ghcr.io/p/sensor:v2", False),
        ("ghcr.io/p", "sensor:latest", "ghcr.io/p/sensor:v7", True),
        ("ghcr.io/p", "other.org:5000/q/sensor", "other.org:5000/q/sensor:v7", False),
        ("ghcr.io/p", f"sensor@{DIGEST}", f"ghcr.io/p/sensor@{DIGEST}", False),
        ("", "sensor", "sensor:v7", False),
    ],
)
def test_a_configured_name_becomes_a_full_one(registry, name, image, warned):
    found = reference(registry, name, "v7")
    assert found.image == image
    assert bool(found.warning) is warned
    assert policy_problem(found.image) is None


@pytest.mark.parametrize(
    ("image", "command"),
    [
        (
            "ghcr.io/p/sensor-tui:v1",
            "sensor-tui build --registry ghcr.io/p --name sensor-tui --tag v1 --push",
        ),
        (
            "127.0.0.1:5000/x/y/sensor-tui:v1",
            "sensor-tui build --registry 127.0.0.1:5000/x/y --name sensor-tui --tag v1 --push",
        ),
        ("sensor-tui:latest", "sensor-tui build --name sensor-tui --push"),
    ],
)
def test_the_command_that_builds_an_image(image, command):
    assert build_command(image) == command


@pytest.mark.parametrize(
    ("image", "fix"),
    [
        ("ghcr.io/p/sensor-tui:v1", f"Build it with: {build_command('ghcr.io/p/sensor-tui:v1')}"),
        ("ghcr.io/p/cosmos-uploader:v1", "Build it with its own build script, and push it"),
    ],
)
def test_a_missing_image_comes_with_what_builds_it(image, fix):
    def ask():
        with _registry(image, "be found in", local=", or do without"):
            raise ImageError("manifest unknown")

    with pytest.raises(ImageError, match=r"is not in ghcr\.io") as caught:
        ask()
    assert caught.value.fix == f"{fix}, or do without"


def test_the_version_built_last_is_remembered(tmp_path):
    state = tmp_path / "data" / ".sensor-tui"
    assert last_built(state) is None
    remember_built(state, "v1")
    remember_built(state, "v2")
    assert last_built(state) == "v2"
    assert [path.name for path in state.iterdir()] == ["built-image-tag"]
    (state / "built-image-tag").write_text("latest\n")
    assert last_built(state) is None
    (state / "built-image-tag").write_bytes(b"\xff\x00")
    assert last_built(state) is None


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="v1 cannot be remembered"):
        remember_built(tmp_path / "file", "v1")


def test_only_a_version_counts_as_one():
    assert is_versioned("v1")
    assert not is_versioned(" latest ")
    assert not is_versioned("")

"""What the image is built from."""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import sensor_tui
from sensor_tui.fleet import images_context
from sensor_tui.fleet.images import DEFAULT_BASE, HEALTH_COMMAND, ImageError
from sensor_tui.fleet.images_base import Python, fetch_packages, own_python
from sensor_tui.fleet.images_context import (
    folder_items,
    installed_items,
    needed,
    product_items,
    write_context,
)
from sensor_tui.fleet.images_stream import follow
from sensor_tui.resources import resource_dir


@pytest.fixture(scope="module")
def context():
    written = io.BytesIO()
    write_context(written, [*installed_items(needed()), *product_items()])
    return written


def test_the_same_sources_make_the_same_context(context):
    again = io.BytesIO()
    write_context(again, [*product_items(), *installed_items(needed())])
    assert hashlib.sha256(again.getvalue()).digest() == hashlib.sha256(context.getvalue()).digest()


def test_it_holds_what_runs_and_nothing_of_this_machine(context):
    context.seek(0)
    home = str(Path(sensor_tui.__file__).resolve().parents[1]).encode()
    with tarfile.open(fileobj=context) as tar:
        names = tar.getnames()
        assert {member.uid for member in tar} == {0, 10001}
        assert {member.mtime for member in tar} == {315532800}
        for member in tar:
            content = tar.extractfile(member)
            assert content is None or member.name.endswith(".so") or home not in content.read(), member.name
    assert len(names) == len(set(names))
    tops = {name.split("/")[1] for name in names if name.startswith("packages/")}
    assert {"aiohttp", "pydantic", "click", "yaml", "tzdata", "azure"} <= tops
    assert tops.isdisjoint({"textual", "docker", "plotext", "pygments", "pip", "pytest", "sensor_tui"})
    assert "product/sensor_tui/simulator/run.py" in names
    assert "product/sensor_tui/_resources/fixtures/cities.yaml" in names
    assert not [name for name in names if "/app/" in name and name.startswith("product")]
    assert not [name for name in names if name.endswith((".pyc", "/RECORD", "direct_url.json", ".env"))]


def test_of_pyarrow_only_what_parquet_needs_is_in_it(context, tmp_path):
    context.seek(0)
    with tarfile.open(fileobj=context) as tar:
        members = [member for member in tar if member.name.startswith("packages/pyarrow/")]
        tar.extractall(tmp_path, members, filter="data")
    assert sum(member.size for member in members) < 115_000_000
    large = [member.name for member in members if member.size > 5000]
    assert not [name for name in large if re.search("flight|/tests/|/include/|_s3", name)]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pyarrow as pa, pyarrow.parquet as pq\n"
        "table = pa.table({'id': ['a', 'b'], 's': [{'min': 1.5}, None]})\n"
        "pq.write_table(table, sys.argv[2], compression='zstd', use_dictionary=['id'])\n"
        "with pq.ParquetFile(sys.argv[2]) as file: print(file.read_row_group(0).equals(table))\n"
        "print('numpy' in sys.modules)\n"
    )
    command = [sys.executable, "-I", "-S", "-c", code, tmp_path / "packages", tmp_path / "x.parquet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "True\nFalse\n", done.stderr


def test_an_image_can_be_made_where_pyarrow_is_missing(monkeypatch):
    monkeypatch.setattr(images_context, "find_spec", lambda _: None)
    assert not images_context.archives_parquet()
    assert "pyarrow" not in {package.name for package in needed()}
    monkeypatch.undo()
    assert images_context.archives_parquet()
    assert "pyarrow" in {package.name for package in needed()}


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(ImageError, match="no-such-package is not installed here"):
        needed(["no-such-package"])


def test_the_image_checks_itself_as_compose_does_and_names_the_same_base():
    text = (resource_dir("compose") / "Dockerfile").read_text()
    found = re.search(r"HEALTHCHECK[^\[]*CMD (\[.*\])", text)
    assert found is not None
    assert ("CMD", *json.loads(found[1])) == HEALTH_COMMAND
    assert f"ARG BASE={DEFAULT_BASE}\n" in text
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


INTEL = Python(3, 12, ".cpython-312-x86_64-linux-gnu.so", "x86_64", "2.36")
ARM = Python(3, 12, ".cpython-312-aarch64-linux-gnu.so", "arm64", "2.31")
ALPINE = Python(3, 13, ".cpython-313-x86_64-linux-musl.so", "x86_64")


@pytest.mark.parametrize(
    ("python", "newest", "oldest"),
    [
        (INTEL, "manylinux_2_36_x86_64", "manylinux1_x86_64"),
        (ARM, "manylinux_2_31_aarch64", "manylinux1_aarch64"),
        (ALPINE, "musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    ],
)
def test_wheels_are_looked_for_by_platform(python, newest, oldest):
    platforms = list(python.platforms())
    assert (platforms[0], platforms[-1]) == (newest, oldest)
    assert not python.fits(own_python())
    assert own_python().fits(own_python())


def test_what_an_engine_tells_becomes_lines_and_one_error():
    said: list[str] = []
    facts = follow(
        [
            {"stream": "Step 1/2 : FROM x\n"},
            {"stream": " ---> 0123\n"},
            {"status": "Pushing", "id": "ab", "progress": "[=> ]"},
            {"status": "Pushed", "id": "ab"},
            {"status": "v1: digest: sha256:12"},
            {"aux": {"ID": "sha256:34"}},
            {"stream": "\x1b[31mred\x07\n"},
        ],
        said.append,
    )
    assert facts == {"ID": "sha256:34"}
    assert said == ["Step 1/2 : FROM x", "ab: Pushed", "v1: digest: sha256:12", "[31mred"]
    with pytest.raises(ImageError, match="no space left"):
        follow([{"errorDetail": {"message": "no space left"}}], said.append)
    with pytest.raises(ImageError, match=r"^it does not work$"):
        follow([{"stream": "it does not work\n"}, {"error": "RUN returned a non-zero code: 1"}], said.append)


def test_wheels_for_another_python_are_fetched_and_unpacked(tmp_path, monkeypatch):
    package = distribution("click")
    facts = f"click-{package.version}.dist-info"
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    kind = "cp312-cp312-manylinux_2_17_aarch64"
    with zipfile.ZipFile(shelf / f"click-{package.version}-{kind}.whl", "w") as wheel:
        wheel.writestr("click/__init__.py", "made = 'for another'\n")
        wheel.writestr("click/tests.pyi", "")
        about = f"Metadata-Version: 2.1\nName: click\nVersion: {package.version}\n"
        wheel.writestr(f"{facts}/METADATA", about)
        wheel.writestr(f"{facts}/WHEEL", f"Wheel-Version: 1.0\nTag: {kind}\n")
        wheel.writestr(f"{facts}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    fetch_packages([package], ARM, tmp_path / "packages")
    assert sorted(item.name for item in folder_items(tmp_path / "packages")) == [
        f"packages/{facts}/METADATA",
        f"packages/{facts}/WHEEL",
        "packages/click/__init__.py",
    ]

"""Compose files on disk."""

import os
import stat
from pathlib import Path

import pytest

from sensor_tui.errors import StorageError, UsageError
from sensor_tui.fleet.compose import render
from sensor_tui.fleet.compose_file import Written, difference, is_ours, is_untouched, write_compose
from tests.fleet_compose.fleets import fleet

FILE = Path("docker-compose.yml")
TEXT = render(fleet())
OTHER = render(fleet(seed=1))


def test_a_new_file_is_written_as_the_umask_wants_it() -> None:
    before = os.umask(0o027)
    try:
        assert write_compose(FILE, TEXT, force=False) is Written.NEW
    finally:
        os.umask(before)
    assert FILE.read_text(encoding="utf-8") == TEXT
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o640
    assert list(Path().iterdir()) == [FILE]


def test_the_same_file_is_left_alone() -> None:
    write_compose(FILE, TEXT, force=False)
    os.utime(FILE, ns=(1, 1))
    for force in (False, True):
        assert write_compose(FILE, TEXT, force=force) is Written.SAME
    assert FILE.stat().st_mtime_ns == 1


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (OTHER, "was made from other settings"),
        (OTHER.replace("restart: unless-stopped", "restart: always"), "was edited"),
        ("services: {}\n", "was not made by sensor-tui"),
        ("", "was not made by sensor-tui"),
    ],
)
def test_another_file_is_overwritten_only_by_force(there: str, told: str) -> None:
    FILE.write_text(there, encoding="utf-8")
    FILE.chmod(0o604)
    with pytest.raises(UsageError, match=told) as caught:
        write_compose(FILE, TEXT, force=False)
    assert "--force" in caught.value.fix
    assert FILE.read_text(encoding="utf-8") == there
    assert write_compose(FILE, TEXT, force=True) is Written.REPLACED
    assert FILE.read_text(encoding="utf-8") == TEXT
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o604


def test_for_its_own_use_a_file_of_ours_is_made_again_unless_it_was_edited() -> None:
    FILE.write_text(OTHER, encoding="utf-8")
    assert write_compose(FILE, TEXT, force=False, replace_own=True) is Written.REPLACED
    FILE.write_text(OTHER + "# mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match="edited"):
        write_compose(FILE, TEXT, force=False, replace_own=True)


def test_whose_a_file_is() -> None:
    assert is_untouched(TEXT)
    assert is_ours(TEXT.replace("unless-stopped", "always"))
    assert not is_untouched(TEXT.replace("unless-stopped", "always"))
    assert not is_untouched(TEXT.replace("\n", "\r\n"))
    assert not is_ours("services: {}\n")
    assert not is_untouched("")


def test_a_link_stays_one() -> None:
    real = Path("real.yml")
    real.write_text(OTHER, encoding="utf-8")
    FILE.symlink_to(real)
    write_compose(FILE, TEXT, force=True)
    assert FILE.is_symlink()
    assert real.read_text(encoding="utf-8") == TEXT


def test_what_would_change_is_a_diff() -> None:
    assert difference(FILE, "a\n").splitlines() == ["--- /dev/null", f"+++ {FILE}", "@@ -0,0 +1 @@", "+a"]
    FILE.write_text("a\nb", encoding="utf-8")
    assert difference(FILE, "a\nc\n").splitlines() == [
        f"--- {FILE}", f"+++ {FILE}", "@@ -1,2 +1,2 @@", " a", "-b", "\\ No newline at end of file", "+c",
    ]  # fmt: skip
    assert difference(FILE, "a\nb") == ""
    FILE.write_bytes(b"\xff\xfe\n")
    assert "+a" in difference(FILE, "a\n")


@pytest.mark.parametrize("place", ["missing/file.yml", ".", "/dev/null"])
def test_where_no_file_can_be_is_said_in_one_line(place: str) -> None:
    with pytest.raises(StorageError) as caught:
        write_compose(Path(place), TEXT, force=True)
    assert place in str(caught.value)
    assert "--output" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_write_that_fails_leaves_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.write_text(OTHER, encoding="utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_compose(FILE, TEXT, force=True)
    assert FILE.read_text(encoding="utf-8") == OTHER
    assert list(Path().iterdir()) == [FILE]

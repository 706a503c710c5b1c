import contextlib
import grp
import os
import socket
import stat

import pytest

from sensor_tui.errors import ConfigError, OwnedElsewhere, ServiceError
from sensor_tui.service.sockets import LONGEST_PATH, POINTER, SOCKET, claim, find_socket, holder, is_live


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def long_state(short_path):
    return short_path / ("x" * 90) / "data" / ".sensor-tui"


def test_the_socket_is_for_its_owner_alone(short_path):
    before = os.umask(0o022)
    os.umask(before)
    claimed = claim(short_path / "state")
    try:
        assert claimed.path == short_path / "state" / SOCKET
        assert mode(claimed.path) & 0o077 == 0
        assert mode(short_path / "state") & 0o077 == 0
        assert is_live(claimed.path)
        assert find_socket(short_path / "state") == claimed.path
        now = os.umask(before)
        assert now == before
    finally:
        claimed.release()


def test_releasing_leaves_no_socket(short_path):
    claimed = claim(short_path)
    claimed.release()
    claimed.release()

    assert find_socket(short_path) is None
    assert holder(short_path) is None


def test_a_group_may_use_the_socket(short_path):
    group = grp.getgrgid(os.getgid()).gr_name
    claimed = claim(short_path / "state", group=group)
    try:
        assert mode(claimed.path) == 0o660
        assert claimed.path.stat().st_gid == os.getgid()
        assert mode(short_path / "state") & 0o077 == 0o010
    finally:
        claimed.release()


def test_an_unknown_group_is_named(short_path):
    with pytest.raises(ConfigError, match="no-such-group"):
        claim(short_path, group="no-such-group")
    claim(short_path).release()


def test_a_long_path_is_put_into_the_runtime_folder(long_state, monkeypatch, short_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    claimed = claim(long_state)
    try:
        assert claimed.path.parent == short_path / "sensor-tui"
        assert mode(claimed.path.parent) == 0o700
        assert len(os.fsencode(claimed.path)) <= LONGEST_PATH
        assert find_socket(long_state) == claimed.path
    finally:
        claimed.release()
    assert not (long_state / POINTER).exists()


def test_without_a_runtime_folder_there_is_one_of_ours(long_state, monkeypatch, short_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("sensor_tui.service.sockets._SHARED", short_path)
    claimed = claim(long_state)
    try:
        assert claimed.path.parent == short_path / f"sensor-tui-{os.getuid()}"
    finally:
        claimed.release()


def test_a_runtime_folder_that_others_may_write_is_refused(long_state, monkeypatch, short_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("sensor_tui.service.sockets._SHARED", short_path)
    folder = short_path / f"sensor-tui-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(ServiceError, match="alone"):
        claim(long_state)


def test_a_runtime_folder_that_is_a_link_is_refused(long_state, monkeypatch, short_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("sensor_tui.service.sockets._SHARED", short_path)
    (short_path / "elsewhere").mkdir(mode=0o700)
    (short_path / f"sensor-tui-{os.getuid()}").symlink_to(short_path / "elsewhere")

    with pytest.raises(ServiceError, match="alone"):
        claim(long_state)


def test_the_socket_of_a_dead_service_is_replaced(short_path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(short_path / SOCKET))
    dead.close()
    assert not is_live(short_path / SOCKET)

    claimed = claim(short_path)
    try:
        assert is_live(claimed.path)
    finally:
        claimed.release()


def test_a_second_service_is_told_who_is_first(short_path):
    claimed = claim(short_path)
    try:
        with pytest.raises(OwnedElsewhere, match=f"process {os.getpid()}"):
            claim(short_path)
        assert holder(short_path)["pid"] == os.getpid()
        assert is_live(claimed.path)
    finally:
        claimed.release()


def test_a_live_socket_is_respected_even_without_its_lock(short_path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(str(short_path / SOCKET))
        other.listen()

        with pytest.raises(OwnedElsewhere, match="answers"):
            claim(short_path)

        assert (short_path / SOCKET).exists()


@pytest.mark.parametrize(
    "text", ["", "relative/path", "/nowhere/at/all.sock", "/etc/passwd", "/" + "x" * 5000, "/tmp/\x00"]
)
def test_a_pointer_that_leads_nowhere_is_no_service(short_path, text):
    (short_path / POINTER).write_text(text)

    assert find_socket(short_path) is None


def test_a_pointer_that_is_no_text_is_no_service(short_path):
    (short_path / POINTER).write_bytes(b"\xff\xfe\x00")

    assert find_socket(short_path) is None


def test_a_folder_that_cannot_be_made_is_named(short_path):
    (short_path / "file").write_text("")

    with pytest.raises(ServiceError, match="file"):
        claim(short_path / "file" / "state")

"""Where a copy goes when there is tmux, a deaf terminal, or too much of it."""

import os
import stat

import pytest

from sensor_tui.app import clipboard


async def test_inside_tmux_its_buffer_is_loaded(tmp_path):
    tool = tmp_path / "tmux"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncat > {tmp_path}/text\n')
    tool.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path}:{path}"
    try:
        how = await clipboard.copy("größe\n", lambda _: pytest.fail("OSC 52"), {"TMUX": "/tmp/x,1,0"})
    finally:
        os.environ["PATH"] = path
    assert "tmux load-buffer" in how
    assert (tmp_path / "args").read_text() == "load-buffer -w -\n"
    assert (tmp_path / "text").read_text() == "größe\n"


@pytest.mark.parametrize(
    ("length", "environment"),
    [(clipboard.OSC52_LIMIT + 1, {}), (10, {"TERM": "linux"}), (10, {"TMUX": "x"})],
)
async def test_what_no_clipboard_takes_goes_to_a_file(tmp_path, monkeypatch, length, environment):
    monkeypatch.setenv("PATH", str(tmp_path))
    where = {"XDG_RUNTIME_DIR": str(tmp_path), **environment}
    how = await clipboard.copy("x" * length, lambda _: pytest.fail("OSC 52"), where)
    path = tmp_path / clipboard.FILE
    assert str(path) in how
    assert path.stat().st_size == length
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

"""`e` on a container of a real engine, in a real terminal: the shell has the screen, and gives it back."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client
from tests.support.docker_product import running
from tests.support.tmux import Tmux

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.fixture
def container() -> Iterator[str]:
    require_component("docker")
    require_component("tmux")
    client = engine_client()
    name = f"st-shell-{uuid4().hex[:6]}"
    try:
        with running(client, busybox_image(client), ["sleep", "600"], name=name):
            yield name
    finally:
        client.close()


def test_a_shell_has_the_terminal_and_gives_it_back(container: str) -> None:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    # DOCKER_HOST leads nowhere: the unit's own host is what counts
    env = {"PATH": os.environ["PATH"], "HOME": "/tmp", "TERM": "xterm-256color", "LANG": "C.UTF-8",
           "PYTHONPATH": str(ROOT), "DOCKER_HOST": "unix:///nowhere.sock"}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="sts", dir="/tmp") as folder, Tmux(Path(folder)) as tmux:
        tmux.run([sys.executable, str(HERE / "shell_app.py"), container, address], env)
        tmux.see(container)
        tmux.keys("e")
        tmux.see(r"(?m)^/ #")
        tmux.type("echo it is $((40+2)) in $(cat /etc/hostname)")
        tmux.keys("Enter")
        tmux.see(r"it is 42 in [0-9a-f]{12}")
        tmux.type("exit 3")
        tmux.keys("Enter")
        tmux.see(r"code\s+3")
        assert container in tmux.screen()
        tmux.keys("q")
        tmux.see(r"ENDED 0")

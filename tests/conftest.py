"""What every test gets: isolation from the machine's own configuration, and the marker for components."""

import logging
import os
import signal

import pytest

from tests.support.components import require_component

# a shell that runs tests in the background has them ignore Ctrl-C, and what they start as well
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_OURS = ("COSMOS_", "SENSOR_", "UPLOAD_", "ARCHIVE_", "CONFIG_FILE", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
KEPT = ("SENSOR_TUI_REQUIRE", "SENSOR_TUI_NODE_MODULES", "SENSOR_TUI_BASE", "SENSOR_TUI_COMPOSE_PLUGIN")


@pytest.fixture(autouse=True)
def _no_foreign_configuration(monkeypatch, tmp_path_factory):
    for name in list(os.environ):
        if name.startswith(_OURS) and name not in KEPT:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))


@pytest.fixture(autouse=True)
def _own_log_level():
    """A command called inside a test sets the product's log level; the next test must not hear less."""
    yield
    logging.getLogger("sensor_tui").setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _components(request):
    for marker in request.node.iter_markers("component"):
        for name in marker.args:
            require_component(name)

"""What loads what."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["sensor_tui.sync", "sensor_tui.sync.sinks.cosmos", "sensor_tui.sync.sinks.cosmos.options"]
)
def test_neither_azure_nor_aiohttp_is_loaded(module):
    code = f"import sys, {module}; print([m for m in ('azure', 'aiohttp') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_sink_is_made_without_the_sdk():
    code = (
        "import sys\n"
        "from pydantic import SecretStr\n"
        "from sensor_tui.model.clock import SystemClock\n"
        "from sensor_tui.sync.sinks.cosmos.options import CosmosOptions\n"
        "from sensor_tui.sync.sinks.cosmos.sink import CosmosSink\n"
        "CosmosSink(CosmosOptions(endpoint='https://a', key=SecretStr('a2V5')), SystemClock())\n"
        "print('azure.cosmos' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"

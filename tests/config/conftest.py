"""Writing a configuration, loading it in a folder of its own, and reading what is refused."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.config import Loaded, load
from sensor_tui.errors import ConfigError

Load = Callable[..., Loaded]
Refusal = Callable[..., list[str]]

NAME = "sensor-tui.yaml"


@pytest.fixture
def key() -> str:
    """An account key made up for the tests."""
    return base64.b64encode(b"an account key made up for tests, sixty-four bytes long, no more").decode()


@pytest.fixture
def data() -> Path:
    return Path(__file__).parent / "data"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = NAME) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def read(tmp_path: Path, write: Callable[..., Path]) -> Load:
    """Load a text as the file of a folder that holds nothing else; the environment holds what is given."""

    def read(
        text: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
        path: Path | None = None,
    ) -> Loaded:
        if text is not None:
            write(text)
        return load(path, env={"HOME": str(tmp_path), **(env or {})}, overrides=overrides, cwd=tmp_path)

    return read


@pytest.fixture
def refusal(read: Load) -> Refusal:
    """The lines of the error a configuration gives."""

    def refusal(*args: Any, **kwargs: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(*args, **kwargs)
        assert caught.value.exit_code == 2
        return str(caught.value).splitlines()

    return refusal

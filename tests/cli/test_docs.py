"""The manual of the commands."""

from pathlib import Path

from sensor_tui.cli.docs import manual
from sensor_tui.cli.main import COMMANDS, EXIT_CODES

MANUAL = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_manual_is_up_to_date() -> None:
    assert MANUAL.read_text(encoding="utf-8") == manual(), (
        "make it anew: .venv/bin/python -m sensor_tui.cli.docs docs/commands.md"
    )


def test_the_manual_has_every_command_and_exit_code() -> None:
    text = manual()
    for name in COMMANDS:
        assert f"## sensor-tui {name}\n" in text
    for code in EXIT_CODES:
        assert f"| {code} | " in text
    assert "--no-drain" in text
    assert "### sensor-tui deadletters retry\n" in text

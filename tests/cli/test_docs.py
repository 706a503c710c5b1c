"""The manual of the commands, and the examples that it and `--help` show."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import pytest

from sensor_tui.cli import docs
from sensor_tui.cli.docs import commands, manual, parts
from sensor_tui.cli.docs_man import escaped, pages
from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.main import COMMANDS, EXIT_CODES, PROGRAM, root

MANUAL = Path(__file__).parents[2] / "docs" / "commands.md"
MACROS = {"TH", "SH", "TP", "B", "PP", "nf", "fi", "RS", "RE", "br"}


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


def leaves() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its path."""
    for command, context in commands():
        if isinstance(command, click.Group):
            yield from ((inner.command_path, part) for part, inner in parts(command, context))
        else:
            yield context.command_path, command


def words_of(example: str) -> list[str]:
    """What the program gets of an example, without what the shell does before and after."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = list(lexer)
    assert PROGRAM in words, example
    return list(takewhile(lambda word: not set(word) <= set("|&;<>()"), words[words.index(PROGRAM) + 1 :]))


def parse(words: list[str]) -> str:
    """Parse a command line as the program does, run nothing, and give back the command's path."""
    session = Session()
    context = root.make_context(PROGRAM, [*words], obj=session)
    command: click.Command = root
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None
        assert found is not None
        command = found
        context = found.make_context(name, rest, parent=context, obj=session)
    return context.command_path


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of examples need not be there."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: Path(value))


def test_every_command_has_examples_that_its_help_shows(run: Callable[..., Any]) -> None:
    without = [path for path, command in leaves() if not getattr(command, "examples", ())]
    assert without == []
    shown = run("monitor", "--help").out
    for path, command in leaves():
        if path == f"{PROGRAM} monitor":
            assert isinstance(command, Command)
            assert all(f"  {example}\n" in shown for example in command.examples)


@pytest.mark.usefixtures("no_files")
def test_every_example_can_be_given_like_that() -> None:
    wrong = {}
    for path, command in leaves():
        for example in getattr(command, "examples", ()):
            try:
                told = parse(words_of(example))
            except (click.ClickException, click.exceptions.Exit) as error:
                wrong[example] = str(error)
            else:
                if told != path:
                    wrong[example] = f"is about {told}, not {path}"
    assert wrong == {}


@pytest.mark.usefixtures("no_files")
@pytest.mark.parametrize(
    "example",
    [
        "sensor-tui fly",
        "sensor-tui monitor --fly",
        "sensor-tui monitor --by moon",
        "sensor-tui deadletters show",
        "sensor-tui status data",
        "sensor-tui completion tcsh | tee x",
    ],
)
def test_an_example_that_cannot_be_given_is_found(example: str) -> None:
    with pytest.raises(click.ClickException):
        parse(words_of(example))


def test_pages_for_man() -> None:
    found = pages()
    assert found.keys() == {"sensor-tui.1", *(f"sensor-tui-{name}.1" for name in COMMANDS)}
    for name, text in found.items():
        assert text.endswith("\n")
        lines = text.splitlines()
        assert lines[0].startswith(f'.TH "{escaped(name.removesuffix(".1").upper())}" 1 ')
        assert lines[1] == ".SH NAME"
        requests = {line[1:].split(" ")[0] for line in lines if line.startswith(".")}
        assert requests <= MACROS
        assert not any(line.startswith("'") for line in lines)
        assert set(re.findall(r"\\(.)", text)) <= set("-&ef("), name
    for word in ("\\-\\-interval", "\\-\\-by", ".SH EXAMPLES", "sensor\\-tui monitor \\-\\-plain"):
        assert word in found["sensor-tui-monitor.1"]
    assert "COSMOS_KEY_FILE" in found["sensor-tui.1"]


def test_text_is_never_a_request() -> None:
    assert escaped(".sensor-tui") == "\\&.sensor\\-tui"
    assert escaped("'a' \\n") == "\\&'a' \\en"


def test_pages_are_what_groff_takes(tmp_path: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed (apt-get install groff)")
    docs_main("--man", str(tmp_path / "man"))
    files = sorted((tmp_path / "man").iterdir())
    assert len(files) == len(COMMANDS) + 1
    for file in files:
        done = subprocess.run(
            [groff, "-man", "-ww", "-z", "-K", "utf8", "-T", "utf8", str(file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def docs_main(*arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["docs", *arguments])
        docs.main()


def test_where_the_manual_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs_main(str(tmp_path / "commands.md"))
    assert (tmp_path / "commands.md").read_text(encoding="utf-8") == manual()
    docs_main()
    assert capsys.readouterr().out == manual()

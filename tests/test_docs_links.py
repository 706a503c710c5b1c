"""What README and documents point at is there, and every command they show can be given like that."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import click
import pytest

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.main import PROGRAM, root
from tests.support.pictures import LARGEST, PICTURES, draw, steady

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "themes" / "README.md"]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\]\(([^)\s]+)\)")
INLINE = re.compile(r"`(sensor-tui(?: [^`]+)?)`")
MAKE = re.compile(r"\bmake ([a-z]+)\b")


def pages():
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def anchors(page):
    """What a heading is called in a link."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page):
    for target in TARGET.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        assert found.is_relative_to(ROOT), f"{page.name}: {target} leads out of the repository"
        if anchor:
            assert anchor in anchors(found), f"{page.name}: {target}"


def command_lines(text):
    """Commands of ours in fences and in running text, as words, without what the shell does with them."""
    blocks = [block.split("\n", 1)[1].rsplit("\n", 1)[0] for block in FENCE.findall(text)]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").split("\n")]
    for line in (*lines, *INLINE.findall(FENCE.sub("", text))):
        found = re.match(rf"(?:ssh .* )?({PROGRAM}(?:\s.*)?)$", line.strip(), re.DOTALL)
        if found is not None:
            lexer = shlex.shlex(found[1], posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            yield list(takewhile(lambda word: not set(word) <= set("|&;<>"), lexer))


def problem_of(line):
    """Why a command line cannot be given like that; None where it can. Nothing is run."""
    words = line[1:]
    if any(word == "COMMAND" or word.startswith("[") for word in words):
        return None  # it speaks of any command, or of how one is written
    command, context = root, click.Context(root, info_name=PROGRAM, obj=Session())
    try:
        root.parse_args(context, [*words])
        words = [*context._protected_args, *context.args]
        while isinstance(command, click.Group) and words:
            name, found, words = command.resolve_command(context, words)
            assert name is not None
            assert found is not None
            command, context = found, click.Context(found, parent=context, info_name=name, obj=Session())
            if isinstance(command, click.Group):
                if not words:
                    return None
                command.parse_args(context, [*words])
                words = [*context._protected_args, *context.args]
        _parse(command, context, words)
    except click.exceptions.Exit:
        return None
    except click.exceptions.NoArgsIsHelpError:
        return None
    except click.ClickException as error:
        return error.format_message()
    return None


def _parse(command, context, words):
    """Names and values of options; files need not exist, and arguments may be left out in running text."""
    parser = command.make_parser(context)
    values, left, order = parser.parse_args(args=list(words))
    for option in command.get_params(context):
        if isinstance(option, click.Option) and option in order and option.name in values:
            kind = option.type
            if isinstance(kind, click.Choice | click.types.IntParamType | click.types.FloatParamType):
                given = values[option.name]
                for value in given if isinstance(given, list) else [given]:
                    if value is not True:
                        kind.convert(value, option, context)
    if left:
        raise click.UsageError(f"Got unexpected arguments {' '.join(left)}")


@pytest.mark.parametrize("page", pages())
def test_commands_can_be_given(page):
    problems = {
        " ".join(line): problem
        for line in command_lines(page.read_text(encoding="utf-8"))
        if (problem := problem_of(line)) is not None
    }
    assert problems == {}


@pytest.mark.parametrize(
    "line",
    [
        "sensor-tui fly",
        "sensor-tui sync --contiguous",
        "sensor-tui units paint",
        "sensor-tui --start nowhere",
        "sensor-tui stop --batch many",
        "sensor-tui status data",
    ],
)
def test_commands_that_cannot_be_given_are_found(line):
    assert problem_of(line.split())


def test_commands_are_found_in_fences_and_in_text():
    text = (
        "Call `sensor-tui status --watch 5`.\n\n```\nsensor-tui sync \\\n  --json | jq .  # twice\nls\n```\n"
    )
    assert list(command_lines(text)) == [
        ["sensor-tui", "sync", "--json"],
        ["sensor-tui", "status", "--watch", "5"],
    ]


@pytest.mark.parametrize("page", pages())
def test_targets_of_make_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = [name for found in re.findall(r"`(make [^`]+)`|^(make .+)$", text, re.MULTILINE) for part in found
             for name in MAKE.findall(part)]  # fmt: skip
    assert set(named) <= targets


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_pictures_are_there_and_small(picture):
    path = ROOT / "docs" / "pictures" / f"{picture.name}.svg"
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= LARGEST
    assert steady(text, picture.name) == text
    assert "url(http" not in text
    assert "@font-face" not in text


def test_every_picture_is_shown_somewhere():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in TARGET.findall(page.read_text(encoding="utf-8"))
        if target.endswith(".svg")
    }
    assert shown == {path.resolve() for path in ROOT.glob("docs/pictures/*.svg")}


async def test_a_picture_is_the_same_every_time():
    picture = next(picture for picture in PICTURES if picture.name == "diagnostics")
    first = await draw(picture)
    assert first == await draw(picture)
    assert "What&#160;to&#160;do" in first

"""Everything the operators of the two earlier systems know by name has its place, and the place is there."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.main import COMMANDS, PROGRAM, root
from sensor_tui.config import catalogue, load, values
from sensor_tui.service.diagnostics import list_checks
from sensor_tui.simulator.environment import from_environment

PAGE = Path(__file__).parents[1] / "docs" / "coming-from.md"
NAMES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("coming_from_names.yaml").read_text(encoding="utf-8")
)
WITHOUT_PLACE = ("later", "documentation only", "not needed", "accepted, without use")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
KEY = re.compile(r"[a-z_]+(?:\.[a-z_]+)*")
OPTION = re.compile(r"--[a-z][a-z-]*")
SENSOR_VARIABLES = {
    "SENSOR_ID": "LON_000001",
    "SENSOR_LOCATION": "London",
    "SENSOR_LATITUDE": "51.5",
    "SENSOR_LONGITUDE": "-0.12",
    "SENSOR_INTERVAL": "2",
    "PRESERVE_EXISTING_DB": "false",
    "SENSOR_WAL": "true",
}
"""Variables of a sensor's container, with a value that changes what it is."""
OTHER_VARIABLES = {
    "SENSOR_TUI_CONFIG",
    "CONFIG_FILE",
    "IDENTITY_FILE",
    "MONITORING_ENABLED",
    "MONITORING_PORT",
}
"""Variables that name a file, or have no use; checked one by one below."""


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    there: str
    here: str
    note: str

    @property
    def names(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.there)

    @property
    def places(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.here)


def rows_of(text: str) -> list[Row]:
    """Rows of the tables in a part of the page, without headings."""
    found = []
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| there "):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            assert len(cells) == 3, line
            found.append(Row(*cells))
    return found


TEXT = PAGE.read_text(encoding="utf-8")
ROWS = {
    title: rows_of(part)
    for title, part in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
}


def command_of(path: list[str]) -> click.Command:
    command: click.Command = root
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        command = found
    return command


def options_of(command: click.Command) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


def with_option(document: str, program: str, option: str) -> list[Row]:
    """Rows about an option: `program` is their first name, the option one after it."""
    return [row for row in ROWS[document] if row.names[:1] == [program] and option in row.names[1:]]


def named(document: str, name: str) -> list[Row]:
    return [row for row in ROWS[document] if name in row.names]


def listed(kind: str) -> Iterator[tuple[str, Any]]:
    for document, kinds in NAMES.items():
        yield from ((document, entry) for entry in kinds.get(kind, ()))


def test_the_page_has_the_documents_and_no_other() -> None:
    assert list(ROWS) == list(NAMES)


@pytest.mark.parametrize(("document", "name"), listed("commands"))
def test_a_command_is_called_as_before(document: str, name: str) -> None:
    assert name in COMMANDS
    assert any(row.places == [f"{PROGRAM} {name}"] for row in named(document, name))


@pytest.mark.parametrize(
    ("document", "command", "option"),
    [
        (document, command, option)
        for document, kinds in NAMES.items()
        for command, options in kinds.get("options", {}).items()
        for option in options
    ],
)
def test_an_option_is_one_of_the_same_command(document: str, command: str, option: str) -> None:
    assert option in options_of(command_of([command]))
    (row,) = with_option(document, command, option)
    assert row.here.startswith(f"`{PROGRAM} {command} ")


@pytest.mark.parametrize(
    ("program", "ours", "option"),
    [
        (program, ours, option)
        for kind, program, ours in (
            ("uploader options", "dotnet run", "sync"),
            ("query options", "uv run query.py", "query"),
        )
        for _, option in listed(kind)
    ],
)
def test_an_option_of_another_program_is_one_here(program: str, ours: str, option: str) -> None:
    assert option in options_of(command_of([ours]))
    (row,) = with_option("Cosmos uploader", program, option)
    assert row.here.startswith(f"`{PROGRAM} {ours} ")
    assert option in row.here


@pytest.mark.parametrize(("document", "name"), listed("environment"))
def test_a_variable_is_read_or_said_not_to_be(document: str, name: str) -> None:
    (row,) = named(document, name)
    known = name in catalogue.ENVIRONMENT or name in SENSOR_VARIABLES or name in OTHER_VARIABLES
    assert known is not row.here.startswith(("later", "documentation only"))
    key = catalogue.ENVIRONMENT.get(name)
    if key is not None:
        assert key in (*row.places, *re.findall(r"`([^`]+)`", row.note))


@pytest.mark.parametrize("name", SENSOR_VARIABLES)
def test_a_variable_of_a_sensor_changes_the_sensor(name: str) -> None:
    place = {"SENSOR_LATITUDE": "1", "SENSOR_LONGITUDE": "2"} if "ITUDE" in name else {}  # they go together
    assert from_environment(place | {name: SENSOR_VARIABLES[name]}) != from_environment(place)


def test_variables_that_name_a_file_or_have_no_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    identity = tmp_path / "identity.json"
    identity.write_text('{"id": "ROM_000001"}')
    assert from_environment({"IDENTITY_FILE": str(identity)}).sensor.id == "ROM_000001"
    config = tmp_path / "some.yaml"
    config.write_text("region: Rome\n")
    for name in ("SENSOR_TUI_CONFIG", "CONFIG_FILE"):
        assert load(None, env={name: str(config)}, cwd=tmp_path).settings.region == "Rome"
    with caplog.at_level("INFO"):
        from_environment({"MONITORING_ENABLED": "true", "MONITORING_PORT": "8080"})
    assert caplog.text.count("has no use here") == 2


@pytest.mark.parametrize(("document", "key"), listed("keys"))
def test_a_key_is_known_under_the_name_it_has_here(document: str, key: str) -> None:
    row = next(iter(named(document, key)))
    if key in catalogue.RETIRED:
        assert row.here == "accepted, without use"
        return
    assert catalogue.leaf(key) is not None
    if key not in {*catalogue.inputs(), *row.names} or key in catalogue.ALIASES:
        assert catalogue.canonical(key) in row.places
    assert catalogue.canonical(key) in (*row.places, *re.findall(r"`([^`]+)`", row.note), *row.names)


def test_all_keys_together_load(tmp_path: Path) -> None:
    """A file with every key that was found in the field, but for other names of the same one."""
    document: dict[str, Any] = {}
    older = {
        "processing.schematize",
        "processing.sanitize",
        "processing.aggregate",
        "performance.sleep_interval",
    }
    for key, value in NAMES["Names and decisions"]["keys"].items():
        if key in catalogue.ALIASES or key in older:
            continue
        *sections, name = key.split(".")
        place = document
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    path = tmp_path / "cosmos-config.yaml"
    path.write_text(yaml.safe_dump(document))
    loaded = load(path, env={}, cwd=tmp_path)
    assert loaded.settings.performance.upload_interval_seconds == 30
    assert loaded.settings.processing.processors == ("Schematize", "Sanitize")
    assert loaded.settings.cities[0].name == "London"
    for key in ("cosmos.connection.mode", "cosmos.resource_group", "cosmos.performance.protocol"):
        assert any(key in notice for notice in loaded.notices), key


@pytest.mark.parametrize("key", [key for key in NAMES["Names and decisions"]["keys"] if "." in key])
def test_each_key_loads_alone(key: str, tmp_path: Path) -> None:
    value: Any = NAMES["Names and decisions"]["keys"][key]
    for name in reversed(key.split(".")):
        value = {name: value}
    if key == "processing.sanitize":
        value["processing"]["schematize"] = True
    path = tmp_path / "cosmos-config.yaml"
    path.write_text(yaml.safe_dump(value))
    assert load(path, env={}, cwd=tmp_path).settings


@pytest.mark.parametrize(("key", "value"), NAMES["Names and decisions"]["defaults"].items())
def test_a_default_is_what_it_was_decided_to_be(key: str, value: Any, tmp_path: Path) -> None:
    found: Any = load(None, env={}, cwd=tmp_path).settings
    for name in key.split("."):
        found = getattr(found, name)
    assert found == (Path(value) if isinstance(found, Path) else value)


def test_clean_names_cleanup() -> None:
    assert "'cleanup'" in (command_of(["clean"]).help or "")


@pytest.mark.parametrize(
    ("processor", "alias"),
    [
        (name, alias)
        for name, aliases in NAMES["Names and decisions"]["processors"].items()
        for alias in aliases
    ],
)
def test_a_processor_is_known_by_all_its_names(processor: str, alias: str) -> None:
    assert values.processor(alias) == values.processor(alias.upper()) == processor
    (row,) = named("Names and decisions", alias)
    assert processor in row.names


@pytest.mark.parametrize(("document", "name"), listed("names"))
def test_a_name_has_a_row(document: str, name: str) -> None:
    assert named(document, name)


@pytest.mark.parametrize(("document", "behaviour"), listed("behaviours"))
def test_a_behaviour_has_a_row(document: str, behaviour: str) -> None:
    assert any(row.there == behaviour for row in ROWS[document])


def test_nothing_is_in_the_tables_that_no_document_names() -> None:
    for document, rows in ROWS.items():
        kinds = NAMES[document]
        known = {"dotnet run", "uv run query.py", *kinds.get("behaviours", ())}
        for kind in ("commands", "environment", "names", "keys", "uploader options", "query options"):
            known |= set(kinds.get(kind, ()))
        for command, options in kinds.get("options", {}).items():
            known |= {command, *options}
        for aliases in kinds.get("processors", {}).values():
            known |= set(aliases)
        found = {name for row in rows for name in (row.names or [row.there])}
        assert found - known == set()


def problem_of(place: str) -> str:
    """Why a place is none; nothing where it is there."""
    if place == PROGRAM or place.startswith(f"{PROGRAM} "):
        return _problem_of_command(shlex.split(place)[1:])
    if VARIABLE.fullmatch(place):
        return "" if place in catalogue.ENVIRONMENT else "no variable that is read"
    if KEY.fullmatch(place):
        return "" if catalogue.leaf(place) is not None else "no key of the configuration"
    return "neither a command, a variable nor a key"


def _problem_of_command(words: list[str]) -> str:
    session = Session()
    try:
        context = root.make_context(PROGRAM, words or ["--debug"], obj=session)
        command: click.Command = root
        while isinstance(command, click.Group):
            name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            command, context = found, click.Context(found, parent=context, info_name=name, obj=session)
            if isinstance(command, click.Group):
                command.parse_args(context, rest)
        given, left, _ = command.make_parser(context).parse_args(args=rest)
        if left:
            return f"takes no {left}"
        checks = {check.name for check in list_checks()}
        return (
            ""
            if set(given.get("only") or ()) <= checks or name != "diagnostics"
            else "there is no such check"
        )
    except click.ClickException as error:
        return error.format_message()


@pytest.mark.parametrize("document", NAMES)
def test_every_place_is_there(document: str) -> None:
    wrong = {}
    for row in ROWS[document]:
        if row.here.startswith(WITHOUT_PLACE):
            assert row.note or row.here == "not needed", row
        elif not row.places:
            wrong[row.there] = "names no place"
        wrong |= {place: problem for place in row.places if (problem := problem_of(place))}
        for target in re.findall(r"\]\(([^)#]+)\)", row.note):
            assert (PAGE.parent / target).is_file(), target
    assert wrong == {}


@pytest.mark.parametrize(
    "place",
    [
        "sensor-tui fly",
        "sensor-tui sync --fly",
        "cosmos.fly",
        "FLY_HIGH",
        "somewhere",
        "sensor-tui status data",
        "sensor-tui diagnostics --only fly",
    ],
)
def test_a_place_that_is_not_there_is_found(place: str) -> None:
    assert problem_of(place)

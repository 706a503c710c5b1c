"""Showing a configuration: annotated YAML, the template, the schema, and the documentation."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sensor_tui.config import Settings, as_dict, json_schema, template, to_yaml
from sensor_tui.config.catalogue import ALIASES, ENVIRONMENT, RETIRED, environment_name, inputs, leaves

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_yaml_says_where_each_value_comes_from(read, key):
    loaded = read(
        "cosmos:\n  database: D\ncities:\n- {name: A, latitude: 1, longitude: 2}\n",
        env={"COSMOS_KEY": key, "MAX_CITIES": "3"},
        overrides={"interval": 7},
    )
    lines = to_yaml(loaded).splitlines()
    for line in (
        "  database: D  # file sensor-tui.yaml:2",
        "  key: '********'  # environment COSMOS_KEY",
        "  max_cities: 3  # environment MAX_CITIES",
        "  upload_interval_seconds: 7  # option",
        "  container: SensorReadings  # default",
        "cities:  # file sensor-tui.yaml:3",
    ):
        assert line in lines


def test_yaml_holds_every_key_and_the_same_values(read):
    loaded = read("cosmos: {database: '5: # x'}\nregion: 'NO'\nlogging: {level: debug}\n")
    assert yaml.safe_load(to_yaml(loaded)) == as_dict(loaded.settings)


def test_yaml_loads_again_as_the_same_configuration(read):
    text = (
        "cities: [{name: 'NO', latitude: 1.5, longitude: 2, country: 'A: b'}]\n"
        "processing: {processors: [Schema]}\nperformance: {max_ru_per_second: 0.25}\nregion: 'a # b'\n"
    )
    first = read(text)
    assert read(to_yaml(first)).settings == first.settings


def test_as_dict_is_json(read, data):
    assert (
        json.loads(json.dumps(as_dict(read(path=data / "cities.yaml").settings)))["cities"][0]["name"]
        == "Amsterdam"
    )


def test_the_template_loads_as_the_defaults(read):
    loaded = read(template())
    assert loaded.settings == Settings()
    assert loaded.notices == ()


def test_the_template_takes_its_secrets_from_the_environment(read, key):
    env = {"COSMOS_KEY": key, "COSMOS_ENDPOINT": "https://a.example", "SENSOR_TUI__SERVICE__TOKEN": "t"}
    settings = read(template(), env=env).settings
    assert settings.cosmos.key.get_secret_value() == key
    assert settings.cosmos.endpoint == "https://a.example"


def test_the_template_names_every_key(read):
    names = re.findall(r"^\s*(?:# )?([a-z_]+):", template(), re.MULTILINE)
    assert {key.rpartition(".")[2] for key in leaves()} <= set(names)


def test_the_template_with_every_example_taken_loads(read):
    """The examples of keys without a default are commented out; with the comments gone they are valid too."""
    lines = template().splitlines()
    taken = [
        re.sub(r"# ([a-z_]+: \S)", r"\1", line) if re.match(r"\s*# [a-z_]+: \S", line) else line
        for line in lines
    ]
    settings = read("\n".join(taken), env={"SENSOR_TUI__SERVICE__TOKEN": "t"}).settings
    assert settings.service.listen == "127.0.0.1:8765"
    assert settings.cities[0].name == "Amsterdam"
    assert settings.performance.throughput == 400


def test_the_schema_is_json_and_closed():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Settings.model_fields)


def test_the_schema_knows_other_names_and_other_spellings():
    schema = json_schema()
    cosmos = schema["$defs"]["CosmosSettings"]["properties"]
    assert cosmos["database_name"] == {"description": "Other name of cosmos.database.", "deprecated": True}
    assert cosmos["resource_group"]["description"].startswith("No effect: ")
    level = schema["$defs"]["LoggingSettings"]["properties"]["level"]
    assert {"type": "string"} in level["anyOf"]
    assert not [part for part in level["anyOf"] if "enum" in part]
    batch = schema["$defs"]["PerformanceSettings"]["properties"]["batch_size"]["anyOf"]
    assert {"type": "string", "pattern": r"\$\{"} in batch


@pytest.mark.parametrize("key", sorted(leaves()))
def test_every_key_is_documented_with_its_variable(key):
    rows = [
        line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{key}` |")
    ]
    assert len(rows) == 1
    assert f"`{environment_name(key)}`" in rows[0]
    for short in (name for name, target in ENVIRONMENT.items() if target == key):
        assert f"`{short}`" in rows[0]


def test_other_names_and_keys_without_use_are_documented():
    text = DOCUMENT.read_text(encoding="utf-8")
    for key in (*ALIASES, *RETIRED, *inputs()):
        assert key.rpartition(".")[2] in text, key


def test_importing_the_package_loads_nothing_heavy():
    heavy = "('pydantic', 'yaml', 'pydantic_settings')"
    script = f"import sys, sensor_tui.config; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists():
    import sensor_tui.config as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        getattr(package, "nothing_of_that_name")  # noqa: B009

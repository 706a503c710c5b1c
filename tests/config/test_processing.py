"""The processors' sections: their forms, the environment, the older booleans, and what is refused."""

import json

import pytest
import yaml

from sensor_tui.config import as_dict, json_schema, to_yaml
from sensor_tui.config.schema_processing import AnomalyRule
from sensor_tui.config.values import PROCESSORS, RULE_FORMS, anomaly_rule, field_type

RULES = """\
processing:
  anomaly:
    rules:
      temperature:
        min: -20
        max: 60
        max_change: 10
      voltage: "11..13"
      depth: ..5
"""
EXPECTED = {
    "temperature": AnomalyRule(min=-20, max=60, max_change=10),
    "voltage": AnomalyRule(min=11, max=13),
    "depth": AnomalyRule(max=5),
}


def test_rules_in_both_forms(read):
    loaded = read(RULES)
    assert loaded.settings.processing.anomaly.rules == EXPECTED
    assert loaded.sources["processing.anomaly.rules"] == "file sensor-tui.yaml:3"


@pytest.mark.parametrize(
    "text",
    [
        "temperature=-20..60, depth=..5",
        "{temperature: -20..60, depth: ..5}",
        "{temperature: {min: -20, max: 60}, depth: {max: 5}}",
    ],
)
def test_rules_in_the_environment(read, text):
    name = "SENSOR_TUI__PROCESSING__ANOMALY__RULES"
    loaded = read(env={name: text})
    assert loaded.settings.processing.anomaly.rules == {
        "temperature": AnomalyRule(min=-20, max=60),
        "depth": AnomalyRule(max=5),
    }
    assert loaded.sources["processing.anomaly.rules"] == f"environment {name}"


def test_rules_of_the_environment_and_the_file_are_merged_by_measure(read):
    loaded = read(
        "processing: {anomaly: {rules: {temperature: ..60, depth: ..5}}}",
        env={"SENSOR_TUI__PROCESSING__ANOMALY__RULES": "{temperature: ..70}"},
    )
    rules = loaded.settings.processing.anomaly.rules
    assert (rules["temperature"].max, rules["depth"].max) == (70, 5)


def test_rules_as_an_option(read):
    for overrides in (
        {"processing.anomaly.rules": "temperature=..60"},
        {"processing": {"anomaly": {"rules": {"temperature": {"max": 60}}}}},
    ):
        assert read(overrides=overrides).settings.processing.anomaly.rules["temperature"].max == 60


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("-20..60", {"min": "-20", "max": "60"}),
        ("..5", {"max": "5"}),
        ("-2.5 ..", {"min": "-2.5"}),
        ("-20...5", {"min": "-20", "max": ".5"}),
        (" 1e3..+2E4 ", {"min": "1e3", "max": "+2E4"}),
    ],
)
def test_the_short_form_of_a_rule(text, bounds):
    assert anomaly_rule(text) == bounds


@pytest.mark.parametrize("text", ["", "..", "60", "a..b", "1..2..3", "nan..1", "1.. 2x", "٣..5"])
def test_what_is_no_short_form(text):
    with pytest.raises(ValueError, match="a rule is expected"):
        anomaly_rule(text)


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ("temperature: 60", f"temperature = '60': a rule is expected: {RULE_FORMS}"),
        ("temperature: {mim: 1}", "temperature.mim: unknown key; did you mean 'min'?"),
        ("temperature: {qqq: 1}", "temperature.qqq: unknown key; known: min, max, max_change"),
        ("temperature: {min: cold}", "temperature.min = 'cold': a number is expected"),
        ("temperature: {min: 5, max: 1}", "temperature.min: at most max, which is 1, is expected"),
        ("temperature: 5..1", "temperature.min: at most max, which is 1, is expected"),
        ("temperature: {max_change: 0}", "temperature.max_change = '0': more than 0 is expected"),
        ("temperature: [1, 2]", "temperature: a mapping is expected"),
    ],
)
def test_what_is_refused_of_a_rule(refusal, rules, line):
    assert refusal(f"processing: {{anomaly: {{rules: {{{rules}}}}}}}") == [
        f"sensor-tui.yaml:1: processing.anomaly.rules.{line}"
    ]


def test_a_fault_deep_in_a_rule_names_its_own_line(refusal):
    assert refusal(RULES.replace("max: 60", "max: hot")) == [
        "sensor-tui.yaml:6: processing.anomaly.rules.temperature.max = 'hot': a number is expected"
    ]


def test_a_rule_that_says_nothing(refusal):
    [line] = refusal("processing: {anomaly: {rules: {temperature: {}}}}")
    assert line.startswith("sensor-tui.yaml:1: processing.anomaly.rules.temperature: a rule is expected")


@pytest.mark.parametrize("text", ["temperature", "{temperature", "[1]"])
def test_what_is_no_mapping_in_the_environment(refusal, text):
    [line] = refusal(env={"SENSOR_TUI__PROCESSING__ANOMALY__RULES": text})
    assert line.startswith("environment: SENSOR_TUI__PROCESSING__ANOMALY__RULES")
    assert "is expected" in line


def test_rules_are_shown_as_given_and_load_again(read):
    first = read(RULES)
    text = to_yaml(first)
    assert "temperature: {min: -20, max: 60, max_change: 10}, voltage: {min: 11, max: 13}" in text
    assert read(text).settings == first.settings
    shown = as_dict(first.settings)["processing"]["anomaly"]["rules"]
    assert json.loads(json.dumps(shown))["depth"] == {"max": 5}
    assert yaml.safe_load(text)["processing"]["anomaly"]["rules"]["depth"] == {"max": 5}


def test_the_schema_for_editors_knows_both_forms_of_a_rule():
    section = json_schema()["$defs"]["AnomalySettings"]["properties"]["rules"]
    [mapping] = [part for part in section["anyOf"] if part.get("type") == "object"]
    kinds = mapping["additionalProperties"]["anyOf"]
    assert {"type": "string"} in kinds
    assert {"$ref": "#/$defs/AnomalyRule"} in kinds


@pytest.mark.parametrize("name", sorted(PROCESSORS))
def test_every_name_of_a_processor_in_any_case(read, name):
    for spelled in (name, name.upper(), name.title()):
        settings = read(f"processing: {{processors: [{spelled}]}}").settings
        assert settings.processing.processors == (PROCESSORS[name],)


@pytest.mark.parametrize(
    ("booleans", "processors"),
    [
        ("schematize: true", ("Schematize",)),
        ("schematize: true, sanitize: yes", ("Schematize", "Sanitize")),
        ("schematize: on, sanitize: 1, aggregate: true", ("Schematize", "Sanitize", "Aggregate")),
        ("schematize: false", ()),
    ],
)
def test_the_older_booleans(read, booleans, processors):
    assert read(f"processing: {{{booleans}}}").settings.processing.processors == processors


def test_an_older_boolean_needs_the_one_before(refusal):
    assert refusal("processing: {schematize: true, aggregate: true}") == [
        "sensor-tui.yaml:1: processing.aggregate needs processing.sanitize as well"
    ]


def test_the_older_booleans_stand_beside_the_sections(read):
    text = "processing: {schematize: true, schematization: {required: [temperature]}}"
    processing = read(text).settings.processing
    assert processing.processors == ("Schematize",)
    assert processing.schematization.required == ("temperature",)


def test_types_by_their_other_names(read, refusal):
    text = "processing: {schematization: {types: {depth: Float, opened: bool, note: string, at: datetime}}}"
    assert read(text).settings.processing.schematization.types == {
        "depth": "number",
        "opened": "flag",
        "note": "text",
        "at": "time",
    }
    assert field_type(" INT ") == "integer"
    assert refusal("processing: {schematization: {types: {depth: numbr}}}") == [
        (
            "sensor-tui.yaml:1: processing.schematization.types.depth = 'numbr':"
            " number, integer, text, flag or time is expected"
        )
    ]


@pytest.mark.parametrize("name", ["id", "sensorId", "sensor_id", "timestamp", "city", "processingStage"])
def test_types_that_are_settled(refusal, name):
    [line] = refusal(f"processing: {{schematization: {{types: {{{name}: text}}}}}}")
    assert line == (
        f"sensor-tui.yaml:1: processing.schematization.types.{name}:"
        " its type is settled, since documents are made of it"
    )


@pytest.mark.parametrize(
    "name", ["id", "sqlite_id", "sensorId", "sensor_id", "SensorID", "timestamp", "city", "processingStage"]
)
@pytest.mark.parametrize("key", ["drop", "hash"])
def test_fields_that_can_be_neither_dropped_nor_hashed(refusal, key, name):
    [line] = refusal(f"processing: {{sanitization: {{{key}: [{name}], hash_key: k}}}}")
    start = f"sensor-tui.yaml:1: processing.sanitization.{key}: '{name}' stays in every document as it is: "
    assert line.startswith(start)


def test_a_hash_needs_a_key(read, refusal):
    text = "processing:\n  sanitization:\n    hash: [model]\n"
    assert refusal(text) == [
        (
            "sensor-tui.yaml:3: processing.sanitization.hash: a hash needs a key:"
            " set processing.sanitization.hash_key"
        )
    ]
    env = {"SENSOR_TUI__PROCESSING__SANITIZATION__HASH_KEY": "from the environment"}
    key = read(text, env=env).settings.processing.sanitization.hash_key
    assert key is not None
    assert key.get_secret_value() == "from the environment"


def test_a_field_is_dropped_or_hashed(refusal):
    text = "processing: {sanitization: {drop: [serial_number], hash: [serialNumber], hash_key: k}}"
    [line] = refusal(text)
    assert line.endswith("drop: 'serial_number' is in hash as well: a field is dropped or hashed")


def test_the_hash_key_is_never_shown(read, refusal):
    loaded = read("processing: {sanitization: {hash_key: nobody-sees-this}}")
    for text in (to_yaml(loaded), repr(loaded), str(loaded.settings), str(as_dict(loaded.settings))):
        assert "nobody-sees-this" not in text
    for text in (
        "processing: {sanitization: {hash_key: [nobody-sees-this]}}",
        "processing: {sanitization: {hash_key: nobody-sees-this, drop: [id]}}",
    ):
        assert not [line for line in refusal(text) if "nobody-sees-this" in line]

"""Stages made from a configuration: their order, what they are told of each other, and what is refused."""

import hashlib
import hmac

import pytest

from sensor_tui.config import load
from sensor_tui.errors import ConfigError
from sensor_tui.service.stages import doubtful_names, stages_of
from tests.stages.shapes import APRIL, april, batch, document, through

HASHING = "sanitization: {hash: [model], hash_key: k}"


@pytest.fixture
def made(tmp_path):
    """Stages of a `processing` section."""

    def made(processing, cosmos="{}"):
        text = f"cosmos: {cosmos}\nprocessing: {{{processing}}}\n"
        (tmp_path / "sensor-tui.yaml").write_text(text, encoding="utf-8")
        return stages_of(load(None, env={"HOME": str(tmp_path)}, cwd=tmp_path).settings)

    return made


def test_nothing_is_done_by_default(made):
    assert made("") == []


def test_stages_come_in_the_configured_order_and_aggregate_is_left_out(made):
    names = [stage.name for stage in made("processors: [anomaly, Schema, sanitization, Aggregation]")]
    assert names == ["Anomaly", "Schematize", "Sanitize"]


def test_the_older_booleans_do_the_same(made):
    names = [stage.name for stage in made("schematize: true, sanitize: true, aggregate: true")]
    assert names == ["Schematize", "Sanitize"]


def test_every_setting_arrives(made):
    stages = made(
        "processors: [Schematize, Anomaly, Sanitize],"
        "schematization: {required: [sensorId, temperature], types: {seen_depth: number}},"
        "sanitization: {coordinate_decimals: 1, drop: [voltage, height_meters], hash: [model], hash_key: k},"
        "anomaly: {rules: {seen_depth: 0..5, temperature: {max_change: 2}}}"
    )
    columns = (*APRIL, "seen_depth", "height_meters")
    row = document(stages, (*april(1), "7", 3.0), columns)
    assert row["seenDepth"] == 7
    assert row["anomalyType"] == "rule:seenDepth.max"
    assert row["location"] == "Manila (14.6, 121.0)"
    assert row["model"] == hmac.new(b"k", b"EM", hashlib.sha256).hexdigest()[:32]
    assert not {"voltage", "heightMeters"} & row.keys()
    assert row["processingStage"] == "Sanitized"
    staged = through(stages, batch([(*april(2, temperature=None), None, None)], columns))
    assert staged.rejected == {0: "temperature: required, and empty"}
    staged = through(stages, batch([(*april(3, temperature=22.0), None, None)], columns))
    assert staged.anomalous == {}
    staged = through(stages, batch([(*april(4, temperature=50.0), None, None)], columns))
    assert staged.anomalous == {0: ("temperature",)}


def test_sanitize_keeps_what_schematize_requires(made):
    stages = made("processors: [Schematize, Sanitize], schematization: {required: [temperature]}")
    staged = through(stages, batch([april(1, temperature="inf")]))
    assert "temperature: required" in staged.rejected[0]


def test_what_sanitize_hides_is_in_no_reason(made):
    stages = made("processors: [Schematize, Sanitize], sanitization: {drop: [temperature]}")
    staged = through(stages, batch([april(1, temperature="secret")]))
    assert "secret" not in staged.rejected[0]


def test_a_hashed_number_is_text_for_schematize(made):
    stages = made("processors: [Sanitize, Schematize], sanitization: {hash: [temperature], hash_key: k}")
    assert len(document(stages, april(1))["temperature"]) == 32


def test_flags_of_sensors_can_be_left_out(made):
    stages = made("processors: [Anomaly], anomaly: {sensor_flags: false}")
    assert through(stages, batch([april(1, anomaly_flag=1)])).anomalous == {}


@pytest.mark.parametrize("key", ["drop: [model]", HASHING.partition("{")[2].rstrip("}")])
def test_the_partition_key_stays_as_it_is(made, key):
    with pytest.raises(ConfigError, match="model is the partition key of the container"):
        made(f"processors: [Sanitize], sanitization: {{{key}}}", "{partition_key: /model}")
    assert made(f"sanitization: {{{key}}}", "{partition_key: /model}") == []


def test_a_field_that_is_dropped_before_it_is_required(made):
    text = "processors: [{}], schematization: {{required: [model]}}, sanitization: {{drop: [model]}}"
    with pytest.raises(
        ConfigError, match=r"every reading would be rejected\. Put Schematize before Sanitize"
    ):
        made(text.format("Sanitize, Schematize"))
    assert len(made(text.format("Schematize, Sanitize"))) == 2


@pytest.mark.parametrize("key", ["drop: [temperature]", "hash: [temperature], hash_key: k"])
def test_a_rule_that_would_never_see_a_value(made, key):
    text = f"sanitization: {{{key}}}, anomaly: {{rules: {{temperature: ..60}}}}"
    with pytest.raises(ConfigError, match=r"would never see a value\. Put Anomaly before Sanitize"):
        made(f"processors: [Sanitize, Anomaly], {text}")
    assert len(made(f"processors: [Anomaly, Sanitize], {text}")) == 2


@pytest.mark.parametrize("name", ["heightMeters", "height_meters", "HeightMeters", "heightmeters"])
def test_known_fields_are_found_in_any_spelling(made, name):
    stages = made(
        f"processors: [Schematize, Anomaly], schematization: {{required: [{name}]}},"
        f"anomaly: {{rules: {{{name}: ..5}}}}"
    )
    columns = (*APRIL, "height_meters")
    assert document(stages, (*april(1), 9.0), columns)["anomalyType"] == "rule:heightMeters.max"
    assert through(stages, batch([(*april(1), None)], columns)).rejected


def test_anomalies_are_not_routed_to_where_all_readings_go(made):
    routed = "processors: [Anomaly], anomaly: {action: route, container: X}"
    with pytest.raises(ConfigError, match="container of all others, X"):
        made(routed, "{container: X}")
    assert len(made(routed, "{container: Y}")) == 1
    assert len(made(routed.replace("route", "flag"), "{container: X}")) == 1
    assert made("anomaly: {action: route, container: X}", "{container: X}") == []


def test_names_that_nobody_has_named_elsewhere_are_doubtful(tmp_path):
    text = """
processing:
  processors: [Sanitize, Anomaly]
  schematization: {types: {seen_depth: number}}
  sanitization: {drop: [manufactuer, voltage, seenDepth], hash: [serialNumber, serialNumbr], hash_key: k}
  anomaly: {rules: {tempertaure: ..60, height_meters: ..9, zzzzzz: ..1}}
"""

    def doubts(text):
        (tmp_path / "sensor-tui.yaml").write_text(text, encoding="utf-8")
        return doubtful_names(load(None, env={"HOME": str(tmp_path)}, cwd=tmp_path).settings)

    found = doubts(text)
    assert [each.partition(";")[0] for each in found] == [
        "processing.sanitization.drop: manufactuer is no field that is known",
        "processing.sanitization.hash: serialNumbr is no field that is known",
        "processing.anomaly.rules: tempertaure is no field that is known",
        "processing.anomaly.rules: zzzzzz is no field that is known",
    ]
    assert ["is manufacturer meant?" in each for each in found] == [True, False, False, False]
    assert "is serialNumber meant?" in found[1]
    assert "is temperature meant?" in found[2]
    assert "meant?" not in found[3]
    assert all("processing.schematization.types" in each for each in found)
    assert doubts(text.replace("[Sanitize, Anomaly]", "[]")) == []


def test_a_field_that_the_first_file_has_no_column_for_is_said_once(made, caplog):
    stages = made(
        "processors: [Sanitize, Anomaly], sanitization: {drop: [manufactuer, voltage], hash: [seen_depth],"
        " hash_key: k}, anomaly: {rules: {tempertaure: ..60, temperature: ..60}}"
    )
    for number in range(2):
        through(stages, batch([april(number + 1)], source=f"London/{number}/sensor_data.db"))
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"{stage}: London/0/sensor_data.db has no column for {name}: {undone}")
        for stage, name, undone in (
            ("Sanitize", "manufactuer", "nothing is dropped or hashed there"),
            ("Sanitize", "seenDepth", "nothing is dropped or hashed there"),
            ("Anomaly", "tempertaure", "its rule finds nothing there"),
        )
    ]

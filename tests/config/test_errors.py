"""What is wrong is said in one line each: file, line, key, what was given, what is expected."""

import stat
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor_tui.config import catalogue
from sensor_tui.config.document import MAX_DEPTH
from sensor_tui.config.values import folded

DURATION = "a duration is expected, for example 30s, 5m, 1h or 00:05:00"
PROJECT = "lower-case letters, digits, '-' and '_' are expected, a letter or digit first"
PROCESSOR = "one of Schematize, Sanitize, Aggregate, Anomaly is expected"


def test_a_typo_names_file_line_section_and_the_nearest_name(refusal):
    assert refusal("cosmos:\n  endpont: https://a.example\n") == [
        "sensor-tui.yaml:2: unknown key 'endpont' in 'cosmos'. Did you mean 'endpoint'?"
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cosmo: {}", "sensor-tui.yaml:1: unknown key 'cosmo'. Did you mean 'cosmos'?"),
        (
            "cosmos:\n  connection:\n    conection_timeout: 3",
            (
                "sensor-tui.yaml:3: unknown key 'conection_timeout' in 'cosmos.connection'."
                " Did you mean 'connection_timeout'?"
            ),
        ),
        (
            "batch_size: 5",
            "sensor-tui.yaml:1: unknown key 'batch_size'. Did you mean 'performance.batch_size'?",
        ),
        (
            "performance: {batchSize: 5}",
            "sensor-tui.yaml:1: unknown key 'batchSize' in 'performance'. Did you mean 'batch_size'?",
        ),
        (
            "archive: {qqq: 1}",
            "sensor-tui.yaml:1: unknown key 'qqq' in 'archive'. Known: compact_files, format, path, what",
        ),
        (
            "cities:\n- {name: A, latitude: 1, longitud: 2}",
            "sensor-tui.yaml:2: unknown key 'longitud' in 'cities[0]'. Did you mean 'longitude'?",
        ),
    ],
)
def test_unknown_keys(refusal, text, line):
    assert refusal(text)[0] == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("performance: {batch_size: many}", "performance.batch_size = 'many': a whole number is expected"),
        ("performance: {batch_size: 2.5}", "performance.batch_size = '2.5': a whole number is expected"),
        ("performance: {batch_size: 0}", "performance.batch_size = '0': at least 1 is expected"),
        (
            "performance: {max_ru_per_second: -1}",
            "performance.max_ru_per_second = '-1': more than 0 is expected",
        ),
        (
            "performance: {max_ru_per_second: .inf}",
            "performance.max_ru_per_second = '.inf': a number is expected",
        ),
        (
            "performance: {max_ru_per_second: nan}",
            "performance.max_ru_per_second = 'nan': a number is expected",
        ),
        ("performance: {throughput: 450}", "performance.throughput = '450': a multiple of 100 is expected"),
        ("performance: {throughput: 100}", "performance.throughput = '100': at least 400 is expected"),
        (
            "performance: {throughput: [400]}",
            "performance.throughput: a single value is expected, not a list",
        ),
        ("performance: {autoscale: maybe}", "performance.autoscale = 'maybe': true or false is expected"),
        (
            "performance: {sleep_interval: soon}",
            f"performance.sleep_interval = 'soon': {DURATION}",
        ),
        ("performance: 5", "performance: a mapping is expected, not a single value"),
        ("cosmos: [a]", "cosmos: a mapping is expected, not a list"),
        ("cosmos: {auth: password}", "cosmos.auth = 'password': 'key' or 'aad' is expected"),
        (
            "cosmos: {database_name: {a: b}}",
            "cosmos.database_name: a single value is expected, not a mapping",
        ),
        (
            "cosmos: {partition_key: city}",
            "cosmos.partition_key = 'city': a partition key path starts with '/', for example '/city'",
        ),
        (
            "cosmos: {endpoint: http://a.example}",
            (
                "cosmos.endpoint = 'http://a.example': plain http is for this machine alone: write https,"
                " or set cosmos.connection.allow_insecure"
            ),
        ),
        ("cities: Paris", "cities: a list is expected, not a single value"),
        ("cities: {a: b}", "cities: a list is expected, not a mapping"),
        (
            "cities: [Paris]",
            "cities[0]: a mapping with name, latitude and longitude is expected, not a single value",
        ),
        (
            "cities: [{name: P, latitude: 95, longitude: 2}]",
            "cities[0].latitude = '95': at most 90 is expected",
        ),
        ("cities: [{name: P, latitude: 9}]", "cities[0].longitude: missing"),
        (
            "cities: [{name: P, latitude: 9, longitude: 9}, {name: P, latitude: 9, longitude: 9}]",
            "cities: the city 'P' is listed twice",
        ),
        (
            "processing: {processors: [Schema, Sanitise]}",
            f"processing.processors[1] = 'Sanitise': {PROCESSOR}; did you mean 'Sanitize'?",
        ),
        ("processing: {sanitize: true}", "processing.sanitize needs processing.schematize as well"),
        (
            "processing: {schematize: true, aggregate: true}",
            "processing.aggregate needs processing.sanitize as well",
        ),
        ("processing: {schematize: perhaps}", "processing.schematize = 'perhaps': true or false is expected"),
        ("service: {listen: '127.0.0.1:80'}", "service.listen = '127.0.0.1:80': a port needs service.token"),
        (
            "fleet: {project: Mine}",
            f"fleet.project = 'Mine': {PROJECT}",
        ),
        ("fleet: {anomaly_probability: 5}", "fleet.anomaly_probability = '5': at most 1 is expected"),
        ("region: !secret x", "'region' has the tag '!secret', and tags have no meaning here"),
        ("region: a\nregion: b", "'region' stands twice in the file, first in line 1"),
        ("? [a, b]\n: c", "a key has to be a plain name"),
        ("cosmos: {<<: 5}", "'<<' needs a mapping"),
    ],
)
def test_wrong_values(refusal, text, line):
    [only] = refusal(text)
    place, _, said = only.partition(": ")
    assert said == line
    assert place.startswith("sensor-tui.yaml:")


def test_errors_of_many_lines_come_in_the_order_of_the_file(refusal):
    text = "region: ${NOPE}\nbogus: 1\nperformance:\n  batch_size: x\n  throughput: y\ncosmos: 5\n"
    assert [line.split(": ")[0] for line in refusal(text)] == [
        f"sensor-tui.yaml:{n}" for n in (1, 2, 4, 5, 6)
    ]


def test_a_line_is_reported_once(refusal):
    assert len(refusal("cosmos: {endpont: 1, contaner: 2, key: 3}")) == 1


def test_errors_of_all_origins_are_listed(refusal):
    lines = refusal(
        "bogus: 1", env={"MAX_CITIES": "x", "COSMOS_AUTH": "y"}, overrides={"cosmos.databse": "z"}
    )
    assert [line.split(":")[0] for line in lines] == [
        "option",
        "environment",
        "environment",
        "sensor-tui.yaml",
    ]


def test_an_error_in_a_block_list_names_its_own_line(refusal):
    text = "cities:\n  - name: A\n    latitude: 1\n    longitude: 2\n  - name: B\n    latitude: x\n"
    text += "    longitude: 2\n"
    assert refusal(text) == ["sensor-tui.yaml:6: cities[1].latitude = 'x': a number is expected"]


def test_the_value_that_wins_is_the_one_complained_about(refusal):
    assert refusal("performance: {batch_size: bad}", overrides={"performance.batch_size": 0}) == [
        "option: performance.batch_size = '0': at least 1 is expected"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cosmos: {a: b", "sensor-tui.yaml:1: not valid YAML: "),
        ("region: {a: ${B}}", "quote a value with ${…} between braces"),
        ("a: b\n\tc: d", "sensor-tui.yaml:2: not valid YAML: "),
        ("a: b: c", "sensor-tui.yaml:1: not valid YAML: "),
        ("region: *nobody", "sensor-tui.yaml:1: not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", "sensor-tui.yaml:2: not valid YAML: "),
        ("ok: 1\nbell: \x07", "sensor-tui.yaml:2: not valid YAML: a control character"),
        ("- a\n- b", "sensor-tui.yaml:1: a mapping with keys like 'cosmos' is expected, not a list"),
        (
            "just words",
            "sensor-tui.yaml:1: a mapping with keys like 'cosmos' is expected, not a single value",
        ),
        ("[" * 2000, "not usable: nested too deeply"),
        ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "not usable: nested too deeply"),
        ("region: &a [*a]", "not usable: nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration(refusal, text, said):
    [line] = refusal(text)
    assert said in line


def test_aliases_cannot_blow_up(refusal):
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    [line] = refusal("\n".join(levels))
    assert "too large when its aliases are followed" in line


def test_not_utf8_names_the_line(refusal, tmp_path):
    (tmp_path / "sensor-tui.yaml").write_bytes(b"a: 1\nregion: M\xe1laga\n")
    assert refusal() == ["sensor-tui.yaml:2: not UTF-8 text"]


def test_a_folder_is_no_file(refusal, tmp_path):
    (tmp_path / "dir.yaml").mkdir()
    assert refusal(path=tmp_path / "dir.yaml") == ["dir.yaml: this is a folder, a file is expected"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_a_file_that_cannot_be_read(refusal):
    assert refusal(path=Path("/proc/self/mem")) == ["/proc/self/mem: cannot be read: Input/output error"]


def test_something_far_too_large(refusal, tmp_path):
    with (tmp_path / "sensor-tui.yaml").open("wb") as file:
        file.truncate(5 * 1024 * 1024)
    assert refusal() == ["sensor-tui.yaml: larger than 4 MB, this is no configuration"]


@pytest.mark.parametrize("value", ["${NOPE}", "a-${NOPE}-b"])
def test_an_undefined_variable_names_key_line_and_variable(refusal, value):
    [line] = refusal(f"cosmos:\n  database: {value}\n")
    assert line.startswith("sensor-tui.yaml:2: 'cosmos.database' uses ${NOPE}, which is not set;")
    assert "${NOPE:-default}" in line


@pytest.mark.parametrize("value", ["${", "${1X}", "${A:?x}", "${A B}", "${A:-${B}}"])
def test_a_malformed_variable_is_refused(refusal, value):
    [line] = refusal(f"region: '{value}'", env={"A": "", "B": "b"})
    assert "neither ${NAME} nor ${NAME:-default}" in line


def test_hostile_names_are_shown_harmlessly(refusal):
    [line] = refusal('"\\e[31mred\\u202e": 1')
    assert line.isprintable()


def _known() -> list[tuple[str, str]]:
    return [(section, name) for section in sorted(catalogue.sections()) for name in catalogue.names(section)]


@given(st.sampled_from(_known()), st.data())
def test_one_wrong_letter_still_finds_the_name(known, data):
    """A letter too many, too few or changed: the name meant is suggested, or one at least as near."""
    section, name = known
    at = data.draw(st.integers(1, len(name) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    rest = data.draw(st.sampled_from([name[at + 1 :], letter + name[at:], letter + name[at + 1 :]]))
    typo = name[:at] + rest
    near = catalogue.nearest(section, typo).rpartition(".")[2]
    assert _likeness(typo, near) >= _likeness(typo, name)


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, folded(other), folded(one)).ratio()


def test_modes_of_files_are_left_alone(read, write):
    path = write("{}")
    path.chmod(0o640)
    read()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

"""`sensor-tui compose`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sensor_tui import __version__
from sensor_tui.model.names import sensor_id_for

Run = Callable[..., Any]
KEY = "c2VjcmV0LWtleS1vZi10aGUtYWNjb3VudA=="
FILE = Path("docker-compose.yml")
DEFAULT_TAG = f"v{__version__}"


def write(path: str, text: str) -> Path:
    file = Path(path)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def cities() -> Path:
    return write(
        "cities.yaml",
        "cities:\n"
        "  - {name: Zürich, latitude: 47.376888, longitude: 8.541694}\n"
        '  - {name: "no", latitude: 1, longitude: 2}\n'
        '  - {name: "$HOME: '
        '\\"x\\"'
        '", latitude: -3.5, longitude: 4}\n',
    )


def services(run: Run, *options: object, code: int = 0) -> dict[str, Any]:
    done = run("--output", "-", *options)
    assert done.code == code, done.err
    found: dict[str, Any] = done.yaml["services"]
    return found


def test_without_options_it_is_the_built_in_cities_and_the_defaults(run: Run) -> None:
    done = run()
    assert done.code == 0
    assert done.out == (
        f"docker-compose.yml: 25 sensors in 5 cities of ghcr.io/bacalhau-project/sensor-tui:{DEFAULT_TAG}\n"
    )
    assert "sensor-tui start" in done.err
    found = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
    assert len(found) == 25
    assert next(iter(found)) == "sensor-london-1"
    sensor = found["sensor-london-1"]
    code = sensor_id_for("London", 1, 0)
    assert sensor["volumes"][0]["source"] == str(Path("data/London").absolute() / code)
    assert sensor["user"] == f"{os.getuid()}:{os.getgid()}"
    assert not Path("data").exists()  # folders are made when it is started


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_root_leaves_the_data_to_its_owner(run: Run) -> None:
    Path("data").mkdir()
    os.chown("data", 1234, 1235)
    assert services(run, "--max-cities", "1")["sensor-london-1"]["user"] == "1234:1235"


def test_every_option_about_sensors(run: Run, cities: Path) -> None:
    sensor_config = write("mine.yaml", "simulation:\n  readings_per_second: 9\n")
    found = services(
        run, "--config", cities, "--sensors-per-city", 2, "--max-cities", 2, "--readings-per-second", 2.5,
        "--anomaly-probability", 0.25, "--sensor-config", sensor_config, "--project-name", "my-fleet",
        "--seed", 9, "--data-dir", "elsewhere",
    )  # fmt: skip
    assert list(found) == ["sensor-zurich-1", "sensor-zurich-2", "sensor-no-1", "sensor-no-2"]
    sensor = found["sensor-zurich-2"]
    code = sensor_id_for("Zürich", 2, 9)
    assert sensor["environment"]["SENSOR_ID"] == code
    assert sensor["environment"]["SENSOR_SEED"] == "9"
    assert sensor["environment"]["READINGS_PER_SECOND"] == "2.5"
    assert sensor["environment"]["ANOMALY_PROBABILITY"] == "0.25"
    assert sensor["environment"]["SENSOR_LATITUDE"] == "47.376888"
    assert sensor["environment"]["CONFIG_FILE"] == "/app/config/sensor-config.yaml"
    assert sensor["labels"]["sensor-tui.project"] == "my-fleet"
    sources = [mount.get("source") for mount in sensor["volumes"]]
    assert sources[:2] == [
        str(Path("elsewhere/Zürich").absolute() / code),
        str(sensor_config.absolute()),
    ]


def test_every_option_about_uploaders(run: Run, cities: Path) -> None:
    config = write("up.yaml", "cosmos:\n  endpoint: https://a.documents.azure.com\n  key: ${COSMOS_KEY}\n")
    found = services(
        run, "--config", cities, "--sensors-per-city", 1, "--uploaders", "--upload-interval", "1m",
        "--archive-format", "csv", "--archive-path", "kept", "--compose-config", config,
        "--uploader-tag", "v20250601",
    )  # fmt: skip
    assert [name for name in found if name.startswith("uploader-")] == [
        "uploader-zurich", "uploader-no", "uploader-home-x",
    ]  # fmt: skip
    uploader = found["uploader-zurich"]
    assert uploader["image"] == "ghcr.io/bacalhau-project/sensor-tui:v20250601"
    assert found["sensor-no-1"]["image"] == uploader["image"]
    assert uploader["command"][:2] == ["--config", "/app/config/cosmos-config.yaml"]
    assert uploader["command"][uploader["command"].index("--interval") + 1] == "60"
    assert uploader["environment"]["UPLOAD_INTERVAL"] == "60"
    assert uploader["environment"]["ARCHIVE_FORMAT"] == "CSV"
    assert "COSMOS_ENDPOINT" not in uploader["environment"]  # it stands in the file
    assert uploader["environment"]["COSMOS_KEY"] is None
    assert [mount["source"] for mount in uploader["volumes"][:3]] == [
        str(Path("data/Zürich").absolute()), str(Path("kept/Zürich").absolute()), str(config.absolute()),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "containers"),
    [
        ([], False),
        (["--uploaders"], True),
        (["--uploader-tag", "v9"], True),
        (["--compose-config", "own.yaml"], True),
        (["--no-uploaders", "--uploader-tag", "v9"], False),
    ],
)
def test_what_asks_for_uploaders(run: Run, options: list[str], containers: bool) -> None:
    write("own.yaml", "region: here\n")
    found = services(run, "--max-cities", 1, *options)
    assert ("uploader-london" in found) is containers


def test_the_configuration_asks_for_uploaders_and_an_option_does_not(run: Run) -> None:
    write("sensor-tui.yaml", "fleet: {uploaders: containers, max_cities: 1}\n")
    assert "uploader-london" in services(run)
    assert "uploader-london" not in services(run, "--no-uploaders")


def test_the_environment_counts_unless_an_option_stands_over_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SENSORS_PER_CITY": "2", "MAX_CITIES": "1", "READINGS_PER_SECOND": "4", "ANOMALY_PROBABILITY": "0.5",
        "UPLOADER_TAG": "v7",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    found = services(run, "--readings-per-second", "8")
    assert list(found) == ["sensor-london-1", "sensor-london-2"]
    environment = found["sensor-london-1"]["environment"]
    assert (environment["READINGS_PER_SECOND"], environment["ANOMALY_PROBABILITY"]) == ("8", "0.5")
    assert found["sensor-london-1"]["image"].endswith(":v7")


@pytest.mark.parametrize("tag", ["latest", "LATEST"])
def test_latest_is_replaced_with_a_warning(run: Run, tag: str) -> None:
    done = run("-o", "-", "--uploader-tag", tag)
    assert done.yaml["services"]["uploader-london"]["image"].endswith(f":{DEFAULT_TAG}")
    assert f"--uploader-tag asks for '{tag}'" in done.err
    assert DEFAULT_TAG in done.err


def test_the_version_built_last_is_used(run: Run) -> None:
    from sensor_tui.fleet.images import remember_built

    Path("data").mkdir()
    remember_built(Path("data/.sensor-tui"), "v20250102030405")
    found = services(run, "--max-cities", "1")
    assert found["sensor-london-1"]["image"].endswith("/sensor-tui:v20250102030405")


def test_images_of_the_earlier_system_can_be_named(run: Run) -> None:
    write(
        "sensor-tui.yaml",
        "fleet:\n  max_cities: 1\n  images: {sensor: 'sensor-log-generator:v3', uploader: cosmos-uploader}\n",
    )
    done = run("-o", "-", "--uploader-tag", "v20230511")
    found = done.yaml["services"]
    assert found["sensor-london-1"]["image"] == "ghcr.io/bacalhau-project/sensor-log-generator:v3"
    assert found["uploader-london"]["image"] == "ghcr.io/bacalhau-project/cosmos-uploader:v20230511"
    assert "no version" not in done.err
    write("sensor-tui.yaml", "fleet: {images: {sensor: sensor-log-generator}}\n")
    done = run("-o", "-")
    assert "sensor-log-generator is given no version" in done.err


def test_a_sensor_of_ours_beside_their_uploader_has_a_version_of_its_own(run: Run) -> None:
    write("sensor-tui.yaml", "fleet: {images: {uploader: cosmos-uploader}}\n")
    found = services(run, "--uploader-tag", "v20230511", "--max-cities", "1")
    assert found["sensor-london-1"]["image"] == f"ghcr.io/bacalhau-project/sensor-tui:{DEFAULT_TAG}"
    assert found["uploader-london"]["image"] == "ghcr.io/bacalhau-project/cosmos-uploader:v20230511"


def test_a_secret_never_gets_into_the_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write("own.yaml", f"cosmos:\n  endpoint: https://a.documents.azure.com\n  key: {KEY}\n")
    for options in (["--config", config], ["--compose-config", config]):
        done = run("--uploaders", "--output", "-", "--max-cities", "1", *options)
        assert done.code == 0
        assert KEY not in done.out + done.err
        assert f"{config.absolute()}:3: cosmos.key stands there by value" in done.err
        assert "COSMOS_KEY" not in done.yaml["services"]["uploader-london"]["environment"]
    monkeypatch.setenv("COSMOS_KEY", KEY)
    monkeypatch.setenv("COSMOS_ENDPOINT", "https://b.documents.azure.com")
    done = run("--uploaders", "--output", "-", "--max-cities", "1")
    assert KEY not in done.out + done.err
    environment = done.yaml["services"]["uploader-london"]["environment"]
    assert environment["COSMOS_KEY"] is None
    assert environment["COSMOS_ENDPOINT"] == "https://b.documents.azure.com"
    monkeypatch.delenv("COSMOS_KEY")
    monkeypatch.delenv("COSMOS_ENDPOINT")
    monkeypatch.setenv("COSMOS_CONNECTION_STRING", f"AccountEndpoint=https://c.azure.com;AccountKey={KEY};")
    done = run("--uploaders", "--output", "-", "--max-cities", "1")
    assert KEY not in done.out + done.err
    assert done.yaml["services"]["uploader-london"]["environment"]["COSMOS_ENDPOINT"] == "https://c.azure.com"


def test_variables_a_file_uses_reach_the_uploaders_by_reference(run: Run) -> None:
    write(
        "own.yaml",
        "cosmos:\n  endpoint: ${MY_ENDPOINT:-https://a.documents.azure.com}\n  key: ${MY_KEY:-}\n"
        "  database: $${NOT_ONE}\n",
    )
    found = services(run, "--compose-config", "own.yaml", "--max-cities", "1")
    environment = found["uploader-london"]["environment"]
    assert {name for name, value in environment.items() if value is None} == {
        "MY_ENDPOINT", "MY_KEY", "COSMOS_KEY",
    }  # fmt: skip


def test_what_an_uploader_is_told_by_value_is_not_taken_from_the_environment(run: Run) -> None:
    write(
        "own.yaml",
        "cosmos: {endpoint: 'https://a.documents.azure.com', key: '${COSMOS_KEY}'}\nregion: ${REGION:-x}\n"
        "upload_interval_seconds: ${UPLOAD_INTERVAL:-30}\narchive: {format: '${ARCHIVE_FORMAT:-Parquet}'}\n",
    )
    options = ("--compose-config", "own.yaml", "--max-cities", "1", "--archive-format", "csv")
    environment = services(run, *options)["uploader-london"]["environment"]
    assert (environment["REGION"], environment["UPLOAD_INTERVAL"], environment["ARCHIVE_FORMAT"]) == (
        "London", "30", "CSV",
    )  # fmt: skip
    assert {name for name, value in environment.items() if value is None} == {"COSMOS_KEY"}
    assert run("--json", "--dry-run", *options).json["variables"] == ["COSMOS_KEY"]


AAD = "cosmos: {endpoint: 'https://a.documents.azure.com', auth: aad}\n"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (AAD, None),
        (AAD, "region: here\n"),
        ("region: here\n", AAD),
        ("region: here\n", "cosmos: {endpoint: '${NOT_SET_YET}', auth: AAD}\n"),
    ],
)
def test_our_image_cannot_sign_in_with_entra(run: Run, ours: str, theirs: str | None) -> None:
    write("sensor-tui.yaml", ours)
    options = ["--uploaders"] if theirs is None else ["--compose-config", write("own.yaml", theirs)]
    done = run(*options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
    assert "cosmos.auth is aad" in done.err
    assert "Use a key" in done.err
    assert not FILE.exists()
    assert run("--no-uploaders").code == 0


def test_a_key_for_uploaders_stands_over_how_this_machine_signs_in(run: Run) -> None:
    write("sensor-tui.yaml", AAD)
    write("own.yaml", "cosmos: {endpoint: '${NOT_SET_YET}', auth: key, key: '${COSMOS_KEY}'}\n")
    environment = services(run, "--compose-config", "own.yaml", "--max-cities", "1")["uploader-london"][
        "environment"
    ]
    assert "AZURE_CLIENT_SECRET" not in environment
    assert environment["COSMOS_KEY"] is None


def test_who_signs_in_with_entra_needs_no_key(run: Run) -> None:
    write("sensor-tui.yaml", f"{AAD}fleet: {{images: {{uploader: 'cosmos-uploader:v1'}}}}\n")
    environment = services(run, "--uploaders", "--max-cities", "1")["uploader-london"]["environment"]
    assert "COSMOS_KEY" not in environment
    assert environment["AZURE_CLIENT_SECRET"] is None


def test_a_file_for_uploaders_is_completed_by_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write("sensor-tui.yaml", "cosmos: {endpoint: 'https://a.documents.azure.com', database: Ours}\n")
    write("own.yaml", "cosmos: {database: Theirs}\n")
    monkeypatch.setenv("COSMOS_CONTAINER", "Here")
    environment = services(run, "--compose-config", "own.yaml", "--max-cities", "1")["uploader-london"][
        "environment"
    ]
    assert environment["COSMOS_ENDPOINT"] == "https://a.documents.azure.com"
    assert environment["COSMOS_CONTAINER"] == "Here"
    assert "COSMOS_DATABASE" not in environment


def test_an_authority_of_ones_own_goes_with_the_uploaders(run: Run) -> None:
    write("ca.pem", "x")
    write("sensor-tui.yaml", "cosmos: {endpoint: 'https://a', connection: {ca_file: ca.pem}}\n")
    uploader = services(run, "--uploaders", "--max-cities", "1")["uploader-london"]
    assert uploader["environment"]["SENSOR_TUI__COSMOS__CONNECTION__CA_FILE"] == "/app/config/ca.pem"
    assert str(Path("ca.pem").absolute()) in [mount.get("source") for mount in uploader["volumes"]]


@pytest.mark.parametrize(
    ("endpoint", "told"), [("http://127.0.0.1:8081", "container itself"), ("", "is not set")]
)
def test_an_endpoint_containers_cannot_use_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, endpoint: str, told: str
) -> None:
    monkeypatch.setenv("COSMOS_ENDPOINT", endpoint)
    done = run("--uploaders", "-o", "-")
    assert done.code == 0
    assert told in done.err
    assert told not in run("-o", "-").err


def test_a_file_that_is_there_stays_unless_forced(run: Run) -> None:
    assert run().code == 0
    first = FILE.read_text(encoding="utf-8")
    again = run()
    assert (again.code, "(as it was)" in again.out) == (0, True)
    done = run("--seed", "5")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "--force" in done.err
    assert FILE.read_text(encoding="utf-8") == first
    assert run("--seed", "5", "--force").code == 0
    assert FILE.read_text(encoding="utf-8") != first


def test_a_dry_run_shows_the_difference_and_writes_nothing(run: Run) -> None:
    done = run("--dry-run", "--max-cities", "1")
    assert done.code == 0
    assert done.out.startswith("--- /dev/null\n+++ docker-compose.yml\n")
    assert not FILE.exists()
    run("--max-cities", "1")
    before = FILE.read_text(encoding="utf-8")
    same = run("--dry-run", "--max-cities", "1")
    assert (same.code, same.out) == (0, "")
    assert "would stay as it is" in same.err
    changed = run("--dry-run", "--max-cities", "1", "--readings-per-second", "3")
    assert '\n-      READINGS_PER_SECOND: "1"\n+      READINGS_PER_SECOND: "3"\n' in changed.out
    assert "--force" in changed.err
    assert FILE.read_text(encoding="utf-8") == before


def test_what_a_file_holds_cannot_act_on_the_terminal(run: Run) -> None:
    FILE.write_text("x: \x1b[2J\u202e\n", encoding="utf-8")
    done = run("--dry-run")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert "-x: " in done.out


def test_json_tells_what_a_program_needs(run: Run, cities: Path) -> None:
    options = ("--config", cities, "--max-cities", "1", "--sensors-per-city", "1", "--uploaders", "--json")
    told = run("--dry-run", *options).json
    assert (told["written"], told["change"]) == (None, "new")
    told = run(*options).json
    code = sensor_id_for("Zürich", 1, 0)
    assert told == {
        "output": "docker-compose.yml",
        "project": "sensor-tui",
        "cities": ["Zürich"],
        "images": dict.fromkeys(("sensor", "uploader"), f"ghcr.io/bacalhau-project/sensor-tui:{DEFAULT_TAG}"),
        "sensors": [
            {"name": "sensor-zurich-1", "sensor_id": code, "city": "Zürich", "data": f"Zürich/{code}"}
        ],
        "uploaders": [{"name": "uploader-zurich", "city": "Zürich", "data": "Zürich"}],
        "folders": [
            str(Path(folder).absolute())
            for folder in ("data/Zürich", f"data/Zürich/{code}", "archive/Zürich")
        ],
        "variables": ["COSMOS_KEY"],
        "written": "new",
    }
    assert run(*options).json["written"] == "same"
    assert run("--dry-run", *options).json["change"] == "same"


def test_the_configuration_names_output_project_and_limits(run: Run) -> None:
    write(
        "sensor-tui.yaml",
        "fleet: {compose_output: fleet.yml, project: north, cpus: 0.25, memory: 64M, max_cities: 1,"
        " sensors_per_city: 1, registry: 'localhost:5000/x'}\ndata_dir: readings\n",
    )
    assert run().code == 0
    sensor = yaml.safe_load(Path("fleet.yml").read_text(encoding="utf-8"))["services"]["sensor-london-1"]
    assert sensor["deploy"]["resources"]["limits"] == {"cpus": "0.25", "memory": "64M"}
    assert sensor["image"] == f"localhost:5000/x/sensor-tui:{DEFAULT_TAG}"
    assert sensor["labels"]["sensor-tui.project"] == "north"
    assert sensor["volumes"][0]["source"].startswith(str(Path("readings/London").absolute()))


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--sensors-per-city", "0"], 2, "--sensors-per-city"),
        (["--sensors-per-city", "many"], 2, "--sensors-per-city"),
        (["--max-cities", "-1"], 2, "--max-cities"),
        (["--readings-per-second", "0"], 2, "--readings-per-second"),
        (["--readings-per-second", "nan"], 2, "readings_per_second"),
        (["--anomaly-probability", "1.1"], 2, "--anomaly-probability"),
        (["--upload-interval", "soon"], 2, "upload_interval"),
        (["--archive-format", "zip"], 2, "Parquet, CSV or JSON lines"),
        (["--project-name", "My Fleet"], 2, "lower-case"),
        (["--uploader-tag", "a b"], 2, "version"),
        (["--seed", "-1"], 2, "--seed"),
        (["--config", "missing.yaml"], 2, "missing.yaml"),
        (["--sensor-config", "missing.yaml"], 2, "missing.yaml"),
        (["--compose-config", "missing.yaml"], 2, "missing.yaml"),
        (["--output", "missing/file.yml"], 1, "there is no folder missing"),
        (["--output", "missing/file.yml", "--dry-run"], 1, "there is no folder missing"),
        (["--output", "-", "--json"], 2, "standard output"),
        (["--sensors-per-city", "10000"], 2, "10,000 is the most"),
        (["--uploder"], 2, "--uploaders"),
    ],
)
def test_bad_options_are_one_line_and_an_exit_code(
    run: Run, options: list[str], code: int, told: str
) -> None:
    done = run(*options)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1), done.err
    assert told in done.err
    assert not FILE.exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cities:\n  - {name: A, latitude: 91, longitude: 0}\n", "cities.yaml:2"),
        ("cities:\n  - {name: A, latitude: 1, longitude: 0}\n  - {name: B, lattitude: 1}\n", "cities.yaml:3"),
        ("cities:\n" + 2 * "  - {name: A, latitude: 1, longitude: 0}\n", "twice"),
        ("cities:\n  - {name: A, latitude: 1, longitude: 0, time_zone: Mars}\n", "'Mars'"),
        ("cities: London\n", "cities.yaml:1"),
        ("cities:\n  - {name: 'A', latitude: 1, longitude: \n", "cities.yaml:"),
        ('cities:\n  - {name: "a\\0b", latitude: 1, longitude: 0}\n', "NUL"),
    ],
)  # fmt: skip
def test_a_cities_file_with_a_wrong_line_names_it(run: Run, text: str, told: str) -> None:
    write("cities.yaml", text)
    done = run("--config", "cities.yaml")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
    assert told in done.err


def test_a_sensors_file_with_a_wrong_line_names_it(run: Run) -> None:
    write("mine.yaml", "simulation:\n  readings_per_second: -1\n")
    done = run("--sensor-config", "mine.yaml")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "mine.yaml, line 2" in done.err


def test_a_file_for_uploaders_with_a_wrong_line_names_it(run: Run) -> None:
    write("own.yaml", "cosmos:\n  databse: x\n")
    done = run("--compose-config", "own.yaml")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "own.yaml:2" in done.err


def test_a_configured_file_that_is_missing_is_named(run: Run) -> None:
    for key in ("sensor_config", "compose_config"):
        write("sensor-tui.yaml", f"fleet: {{{key}: gone.yaml, uploaders: containers}}\n")
        done = run()
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "gone.yaml" in done.err


def test_it_loads_neither_docker_nor_the_dashboard() -> None:
    script = (
        "import sys\nfrom sensor_tui.cli.main import main\n"
        "try:\n    main(['compose', '--output', '-'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & {"docker", "textual", "azure", "pyarrow", "aiohttp", "httpx"}

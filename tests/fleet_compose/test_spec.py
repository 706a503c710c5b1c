"""Cities become units: names, ids and folders."""

import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor_tui.errors import ConfigError, UsageError
from sensor_tui.fleet.spec import Images, bind_folders
from sensor_tui.model.city import City
from sensor_tui.model.names import sensor_id_for, sensor_unit_name, uploader_unit_name
from tests.fleet_compose.fleets import HOSTILE, LONDON, OWN, SAO_PAULO, TEXT, fleet, usable

NAMES = [name for name in HOSTILE if usable(name)]


def cities(*names: str) -> list[City]:
    return [City(name, 1.0, 2.0) for name in names]


def test_units_are_named_as_everywhere_else() -> None:
    spec = fleet(cities=[LONDON, SAO_PAULO], sensors_per_city=2, uploaders=True, seed=7)
    assert [unit.name for unit in spec.sensors] == [
        sensor_unit_name(city, number) for city in ("London", "São Paulo") for number in (1, 2)
    ]
    assert [unit.name for unit in spec.uploaders] == [
        uploader_unit_name("London"),
        uploader_unit_name("São Paulo"),
    ]
    assert [unit.sensor_id for unit in spec.sensors] == [
        sensor_id_for(city, number, 7) for city in ("London", "São Paulo") for number in (1, 2)
    ]
    assert [unit.data for unit in spec.sensors][:1] == [f"London/{sensor_id_for('London', 1, 7)}"]
    assert spec.cities == (LONDON, SAO_PAULO)


def test_the_order_of_cities_is_kept_and_only_the_first_are_used() -> None:
    spec = fleet(cities=cities("Zeta", "Alpha", "Mu"), max_cities=2)
    assert [unit.city.name for unit in spec.sensors] == ["Zeta", "Alpha"]


def test_growing_at_the_end_changes_nothing_that_is_there() -> None:
    every = cities(*NAMES)
    grown = fleet(cities=every, sensors_per_city=3, uploaders=True)
    for length in (1, 5, 20, len(every) - 1):
        shorter = fleet(cities=every, max_cities=length, sensors_per_city=3, uploaders=True)
        assert shorter.sensors == grown.sensors[: len(shorter.sensors)]
        assert shorter.uploaders == grown.uploaders[: len(shorter.uploaders)]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(NAMES) | TEXT.filter(usable), min_size=1, max_size=12, unique=True),
    st.integers(0, 5),
)
def test_whatever_cities_are_called_units_are_unique_and_stay_inside(names: list[str], seed: int) -> None:
    spec = fleet(cities=cities(*names), sensors_per_city=2, uploaders=True, seed=seed)
    units = [unit.name for unit in spec.units]
    assert len(set(units)) == len(units) == 3 * len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) for name in units)
    ids = [unit.sensor_id for unit in spec.sensors]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Z]{3}_[0-9]{6}", sensor_id) for sensor_id in ids)
    folders = [unit.data for unit in spec.uploaders]
    assert len({folder.casefold() for folder in folders}) == len(folders)
    for folder in folders:
        assert folder.isprintable()
        assert len(PurePosixPath(folder).parts) == 1
        assert not folder.startswith(".")
        assert not {"/", "\\"} & set(folder)
        assert 0 < len(folder.encode()) <= 255
    assert [unit.data for unit in spec.sensors] == [
        f"{folders[at // 2]}/{sensor_id}" for at, sensor_id in enumerate(ids)
    ]


def test_a_plain_name_is_its_folder() -> None:
    names = ["London", "São Paulo", "東京", "St. John's", "a:b", "$HOME"]
    spec = fleet(cities=cities(*names), uploaders=True)
    assert [unit.data for unit in spec.uploaders] == names


def test_the_first_of_two_that_collide_keeps_the_plain_name() -> None:
    spec = fleet(cities=cities("London", "LONDON", "São Paulo", "Sao Paulo"), uploaders=True)
    first, second, third, fourth = [unit.name for unit in spec.uploaders]
    assert (first, third) == ("uploader-london", "uploader-sao-paulo")
    assert re.fullmatch(r"uploader-london-[0-9a-f]{6}", second)
    assert re.fullmatch(r"uploader-sao-paulo-[0-9a-f]{6}", fourth)
    folders = [unit.data for unit in spec.uploaders]
    assert folders[0] == "London"
    assert re.fullmatch(r"london-[0-9a-f]{6}", folders[1])  # some file systems know no case
    assert folders[2:] == ["São Paulo", "Sao Paulo"]


def test_a_name_that_looks_like_the_hash_of_another_collides_with_nobody() -> None:
    taken = fleet(cities=cities("London", "LONDON"), uploaders=True).uploaders[1].data
    spec = fleet(cities=cities("London", taken, "LONDON"), uploaders=True)
    assert len({unit.data for unit in spec.uploaders}) == 3
    assert len({unit.name for unit in spec.uploaders}) == 3


def test_cities_with_the_same_letters_never_share_a_sensor_id() -> None:
    spec = fleet(cities=cities(*(f"Lon {number}" for number in range(100))), sensors_per_city=50)
    ids = [unit.sensor_id for unit in spec.sensors]
    natural = [sensor_id_for(unit.city.name, unit.number, 0) for unit in spec.sensors]
    assert len(set(natural)) < len(natural)  # they would
    assert len(set(ids)) == 5000
    assert sum(one != other for one, other in zip(ids, natural, strict=True)) < 50


def test_folders_to_make_are_listed_parents_first() -> None:
    spec = fleet(cities=[LONDON], sensors_per_city=1, uploaders=True)
    code = spec.sensors[0].sensor_id
    assert [str(folder) for folder in bind_folders(spec)] == [
        "/srv/fleet/data/London",
        f"/srv/fleet/data/London/{code}",
        "/srv/fleet/archive/London",
    ]
    assert bind_folders(fleet()) == (Path(f"/srv/fleet/data/London/{code}"),)


def test_folders_and_files_become_absolute(tmp_path: Path) -> None:
    spec = fleet(data_root=Path("data"), sensor_config=Path("s.yaml"), uploader_config=Path("u.yaml"))
    assert spec.data_root == tmp_path / "work" / "data"
    assert spec.sensor_config == tmp_path / "work" / "s.yaml"
    assert spec.uploader_config is None  # nobody is there to read it


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cities": []}, "no cities"),
        ({"cities": cities("  ")}, "no name"),
        ({"cities": cities("a\0b")}, "NUL"),
        ({"cities": cities("a\ud800")}, "Unicode"),
        ({"cities": cities("A", "A")}, "twice"),
        ({"cities": [City("A", float("nan"), 0.0)]}, "coordinates"),
    ],
)
def test_cities_that_cannot_be_used_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        fleet(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"project": "My Fleet"}, "project"),
        ({"project": ""}, "project"),
        ({"user": "me"}, "uid:gid"),
        ({"sensors_per_city": 0}, "sensors_per_city"),
        ({"max_cities": 0}, "max_cities"),
        ({"sensors_per_city": 10_001}, "10,000 is the most"),
        ({"readings_per_second": 0.0}, "readings_per_second"),
        ({"readings_per_second": float("inf")}, "readings_per_second"),
        ({"anomaly_probability": 1.5}, "anomaly_probability"),
        ({"upload_interval": 0.0}, "upload_interval"),
        ({"uploaders": True, "images": Images("a:v1")}, "image"),
    ],
)
def test_what_makes_no_fleet_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        fleet(**changes)
    assert "\n" not in str(caught.value)


def test_our_image_is_known_by_its_name() -> None:
    assert Images.own(OWN.sensor)
    assert Images.own("sensor-tui:v1")
    assert Images.own("localhost:5000/sensor-tui@sha256:" + "0" * 64)
    assert not Images.own("ghcr.io/bacalhau-project/sensor-log-generator:v1")
    assert not Images.own("sensor-tui/other:v1")

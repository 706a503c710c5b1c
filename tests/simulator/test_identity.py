import re

import pytest

from sensor_tui.model.names import sensor_id_for
from sensor_tui.simulator.cities import load_cities
from sensor_tui.simulator.config import SensorConfig, SensorSection


@pytest.mark.parametrize(
    ("city", "number", "seed", "expected"),
    [
        ("London", 1, 1, "LON_177624"),
        ("London", 2, 1, "LON_130363"),
        ("London", 1, 2, "LON_802594"),
        ("Zürich", 1, 1, "ZUR_218658"),
        ("São Paulo", 3, 42, "SAO_811128"),
        ("St. John's", 1, 1, "STJ_785305"),
        ("Łódź", 1, 1, "ODZ_246155"),
        ("東京", 1, 1, "TAW_183672"),
        ("Ur", 1, 1, "URX_416616"),
    ],
)
def test_ids_never_change(city: str, number: int, seed: int, expected: str) -> None:
    assert sensor_id_for(city, number, seed) == expected


def test_generated_ids_have_the_form_of_the_field() -> None:
    for city in load_cities():
        assert re.fullmatch(r"[A-Z]{3}_[0-9]{6}", sensor_id_for(city.name, 7, 42))


def test_no_two_sensors_of_a_city_share_an_id() -> None:
    assert len({sensor_id_for("London", number, 1) for number in range(20_000)}) == 20_000


def test_composed_and_decomposed_names_are_one_city() -> None:
    assert sensor_id_for("Zu\u0308rich", 1, 1) == sensor_id_for("Z\u00fcrich", 1, 1)


def test_a_known_city_brings_its_place_along() -> None:
    identity = SensorConfig(sensor=SensorSection(city="manila")).identity()
    assert identity.city == identity.location == "Manila"
    assert identity.location_with_coordinates == "Manila (14.595554, 120.976885)"
    assert identity.time_zone == "Asia/Manila"


def test_an_unknown_city_has_no_coordinates_and_lies_in_utc() -> None:
    identity = SensorConfig(sensor=SensorSection(city="Atlantis")).identity()
    assert identity.location_with_coordinates == "Atlantis"
    assert (identity.latitude, identity.longitude, identity.time_zone) == (None, None, "UTC")


def test_what_is_given_stands_over_what_the_city_brings() -> None:
    section = SensorSection(
        id="pump 7/µ", city="Manila", location="Pier 3", latitude=14.5, longitude=121.0, time_zone="UTC"
    )
    identity = SensorConfig(sensor=section).identity()
    assert identity.sensor_id == "pump 7/µ"
    assert identity.location_with_coordinates == "Pier 3 (14.500000, 121.000000)"
    assert identity.time_zone == "UTC"


def test_options_for_another_city_leave_the_old_place_behind() -> None:
    section = SensorSection(city="Manila", location="Pier 3", latitude=14.5, longitude=121.0)
    config = SensorConfig(sensor=section).with_options(city="Tokyo", sensor_id="T-1", seed=9)
    identity = config.identity()
    assert (identity.sensor_id, identity.location, identity.latitude) == ("T-1", "Tokyo", 35.689487)
    assert config.simulation.seed == 9

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sensor_tui.errors import ConfigError, UsageError
from sensor_tui.simulator.cities import City, city_named, find_city, load_cities


def test_the_builtin_cities_are_a_few_dozen_all_over_the_world_and_complete() -> None:
    cities = load_cities()
    assert 36 <= len(cities) <= 48
    for city in cities:
        assert city.country
        assert city.country_code
        assert ZoneInfo(city.time_zone).key == city.time_zone
    assert {city.time_zone.split("/")[0] for city in cities} >= {
        "Africa", "America", "Asia", "Australia", "Europe", "Pacific",
    }  # fmt: skip
    assert min(city.latitude for city in cities) < -30
    assert min(city.longitude for city in cities) < -100


def test_a_city_is_found_whatever_its_case_and_accents() -> None:
    assert find_city("zurich").name == "Zürich"
    assert find_city("SÃO PAULO").name == "São Paulo"
    assert city_named("Atlantis") is None


def test_an_unknown_city_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no city is called 'Londno'\. Did you mean London\?"):
        find_city("Londno")


def test_a_file_of_its_own_needs_only_name_and_coordinates(tmp_path: Path) -> None:
    path = tmp_path / "cities.yaml"
    path.write_text("cities:\n  - {name: Ghent, latitude: 51.05, longitude: 3.72}\n")
    assert load_cities(path) == (City(name="Ghent", latitude=51.05, longitude=3.72),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cities:\n- name: A\n  latitude: 1\n  longitud: 2\n",
            r"cities\.yaml, line 2: cities\[0\]\.longitude is missing\. Add it",
        ),
        (
            "cities:\n- name: A\n  latitude: 1\n  longitude: 2\n  timezone: UTC\n",
            r"cities\.yaml, line 5: cities\[0\]\.timezone is not a known key\. Did you mean time_zone\?",
        ),
        (
            "cities:\n- {name: A, latitude: 1, longitude: 200}\n",
            r"line 2: cities\[0\]\.longitude: .* less than or equal to 180, not 200",
        ),
        (
            "cities:\n- {name: A, latitude: 1, longitude: 2, time_zone: Mars/Olympus}\n",
            r"line 2: cities\[0\]\.time_zone: time zone 'Mars/Olympus' is not known here",
        ),
        (
            "cities: [{name: Bogotá, latitude: 1, longitude: 2}, {name: BOGOTA, latitude: 3, longitude: 4}]",
            r"the city BOGOTA is named twice",
        ),
        ("cities: []\n", r"line 1: cities: .* at least 1 item"),
        ("- London\n", r"line 1: expected keys and values"),
        ("cities: [\n", r"line 2: not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cities.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_cities(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        load_cities(tmp_path / "none.yaml")

"""What a unit is called: as Compose calls it within its project, else as its container is."""

from pathlib import Path
from typing import Any

import pytest

from sensor_tui.fleet.docker_roster import Roster
from sensor_tui.fleet.docker_unit import Container, container_of

SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONEOFF = "com.docker.compose.oneoff"


def made(name: str, number: int = 1, status: str = "running", **labels: str) -> Container:
    """A container as an engine tells of it."""
    return container_of(
        {
            "Id": f"{number:x}".ljust(64, "0"),
            "Name": f"/{name}",
            "State": {"Status": status, "Pid": number, "StartedAt": "2025-08-01T00:00:00Z"},
            "HostConfig": {"RestartPolicy": {"Name": "no"}},
            "Config": {"Image": "sensor:v1", "Labels": labels, "StopTimeout": 40},
        },
        "h",
        data_root=None,
    )


def roster(*containers: Container) -> Roster:
    all_of_them = Roster()
    for each in containers:
        all_of_them.put(each, all_of_them.ticket())
    return all_of_them


@pytest.mark.parametrize(
    ("name", "labels", "shown"),
    [
        ("mine", {}, "mine"),
        ("p_sensor-oslo-1_1", {SERVICE: "sensor-oslo-1"}, "sensor-oslo-1"),
        ("p-sensor-oslo-1-1", {SERVICE: "sensor-oslo-1", NUMBER: "1", ONEOFF: "False"}, "sensor-oslo-1"),
        ("p_sensor-oslo-1_2", {SERVICE: "sensor-oslo-1", NUMBER: "2"}, "sensor-oslo-1-2"),
        ("p_sensor-oslo-1_run_ab", {SERVICE: "sensor-oslo-1", ONEOFF: "True"}, "p_sensor-oslo-1_run_ab"),
    ],
)
def test_the_name_is_that_of_the_service(name: str, labels: dict[str, Any], shown: str) -> None:
    container = made(name, **labels)
    assert (container.unit.name, container.unit.id) == (shown, f"h/docker/{shown}")
    assert container.name == name
    assert container.unit.container == ("" if shown == name else name)
    assert container.stop_seconds == 40.0


def test_two_of_one_name_are_both_shown() -> None:
    compose = made("p_one_1", 1, **{SERVICE: "one"})
    other = made("one", 2)
    both = roster(compose, other)
    assert {unit.name for unit in both.units()} == {"one", "p_one_1"}
    assert {unit.id for unit in both.units()} == {"h/docker/one", "h/docker/p_one_1"}
    assert both.find("one") == other
    found = both.find("p_one_1")
    assert found is not None
    assert (found.id, found.name, found.unit.id) == (compose.id, "p_one_1", "h/docker/p_one_1")


def test_what_is_replaced_gives_its_name_to_what_replaces_it() -> None:
    old = made("1" + "0" * 11 + "_p_one_1", 1, **{SERVICE: "one"})
    assert [unit.name for unit in roster(old).units()] == ["one"]
    new = made("p_one_1", 2, **{SERVICE: "one"})
    both = roster(old, new)
    assert both.find("one") == new
    assert len({unit.id for unit in both.units()}) == len(both.units())


def mounted(source: str | None, root: Path | None) -> str | None:
    """The data folder of a container that is labelled as London's first."""
    mounts = [] if source is None else [{"Type": "bind", "Source": source, "Destination": "/app/data"}]
    facts = {
        "Id": "1" * 64,
        "Name": "/one",
        "State": {"Status": "running"},
        "HostConfig": {},
        "Config": {"Image": "sensor:v1", "Labels": {"sensor-tui.data": "London/L1"}},
        "Mounts": mounts,
    }
    return container_of(facts, "h", data_root=root).unit.data


def test_data_that_lies_elsewhere_is_not_taken_for_ours(tmp_path: Path) -> None:
    assert mounted(f"{tmp_path}/London/L1", tmp_path) == "London/L1"
    assert mounted(None, tmp_path) == "London/L1"
    assert mounted("/elsewhere/data/London/L1", tmp_path) is None
    assert mounted("/elsewhere/data/London/L1", None) is None
    assert mounted(None, None) is None


def test_keys_in_the_words_of_an_engine_are_masked() -> None:
    key = "C2y6yDjf5" * 9 + "Jw=="
    facts = {
        "Id": "1" * 64,
        "Name": "/one",
        "State": {"Status": "created", "Error": f"cannot run with AccountKey={key}"},
        "HostConfig": {},
        "Config": {"Image": "sensor:v1"},
    }
    reason = container_of(facts, "h", data_root=None).unit.reason
    assert "cannot run" in reason
    assert key not in reason

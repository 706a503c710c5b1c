"""A small fleet for tests, and names nobody should give a city."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sensor_tui.fleet.spec import FleetSpec, Images, fleet_spec
from sensor_tui.model.city import City

LONDON = City("London", 51.507351, -0.127758, "United Kingdom", "Europe/London")
SAO_PAULO = City("São Paulo", -23.55052, -46.633308, "Brazil", "America/Sao_Paulo")
OWN = Images("registry.example/team/sensor-tui:v1", "registry.example/team/sensor-tui:v1")
UPSTREAM = Images(
    "ghcr.io/bacalhau-project/sensor-log-generator:v20250401",
    "ghcr.io/bacalhau-project/cosmos-uploader:v20250402",
)

HOSTILE = [
    "no", "Yes", "null", "~", "1e3", "0x1", "0o7", "012", "01:30", "1_000", ".inf", "-", "=", "<<",
    "2025-01-01", "a:b", "a: b", "- x", "? x", "#x", "x #y", "{a}", "[b]", "*c", "&d", "!e", "!!int 3",
    "%f", "@g", "`h`", "|", "> i", "'", '"', "it's \"q\"", "$HOME", "${HOME}", "$$", "${", "$",
    "${X:-y}", "$$$x", "\\", "\\n", "a\\", "line\nbreak", "tab\there", "cr\rlf\n", " lead", "trail ",
    "\x1b[2J", "\x01\x7f\x85\x9f", "\u2028\u2029", "\u202ertl", "\ufeffbom", "\ufffe\uffff", "\ue000",
    "\U0001f600", "\U000e0041", "👩‍🔬", "東京", "é", "e\u0301", "..", ".", ".hidden",
    "../../etc/passwd", "/", "/etc", "a/b", "C:\\x", "-rf", "x" * 300, "é" * 200, "東" * 100, "London",
    "london", "LONDON", "Lóndon", "---", "...", "a,b", "a\u00a0b", "\u3000", "{{.Names}}", "<script>",
]  # fmt: skip
"""Some of them are refused: those without anything but white space."""


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=400)
"""What a variable of a container can hold."""


def fleet(**changes: Any) -> FleetSpec:
    """One sensor in London, unless told otherwise."""
    facts: dict[str, Any] = {
        "project": "demo",
        "cities": [LONDON],
        "sensors_per_city": 1,
        "max_cities": 1000,
        "images": OWN,
        "readings_per_second": 1.0,
        "anomaly_probability": 0.05,
        "upload_interval": 30.0,
        "archive_format": "Parquet",
        "data_root": Path("/srv/fleet/data"),
        "archive_root": Path("/srv/fleet/archive"),
        "user": "1000:1000",
    }
    return fleet_spec(**{**facts, **changes})


def meant(value: str) -> str:
    """What Compose makes of a value of ours: two `$` are one."""
    return value.replace("$$", "$")


def usable(name: str) -> bool:
    return bool(name.strip())

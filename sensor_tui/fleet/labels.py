"""Labels that link a container to its project, role, city, sensor and data."""

from typing import Final

PROJECT: Final = "sensor-tui.project"
ROLE: Final = "sensor-tui.role"
"""`sensor`, `uploader` or `service`."""
CITY: Final = "sensor-tui.city"
SENSOR: Final = "sensor-tui.sensor"
"""The sensor's id."""
DATA: Final = "sensor-tui.data"
"""Its data folder, relative to the data root, with `/` between parts."""

COMPOSE_PROJECT: Final = "com.docker.compose.project"
COMPOSE_SERVICE: Final = "com.docker.compose.service"
COMPOSE_NUMBER: Final = "com.docker.compose.container-number"
COMPOSE_ONEOFF: Final = "com.docker.compose.oneoff"

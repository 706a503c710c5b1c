"""Finding the service of some sensor files, if one runs."""

from pathlib import Path

from sensor_tui.errors import ServiceError
from sensor_tui.model.clock import Clock
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.sockets import find_socket, is_live


def state_of(request: SyncRequest) -> Path:
    """The state folder of these files."""
    from sensor_tui.storage.ledger_db import state_folder

    return state_folder(request.root.absolute(), request.state_dir)


def attach(request: SyncRequest, clock: Clock) -> ServiceClient | None:
    """A client of the service that runs for these files; None where none does.

    Raises:
        ServiceError: there is one, and we may not speak to it.
    """
    path = find_socket(state_of(request))
    if path is None:
        return None
    try:
        live = is_live(path)
    except PermissionError as error:
        raise ServiceError(
            f"The service at {path} is not for this user",
            fix="Ask as its owner, or set service.socket_group to a group you are in",
        ) from error
    return ServiceClient(path, clock=clock) if live else None

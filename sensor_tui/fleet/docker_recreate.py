"""Making a container anew from what it is: the same configuration, networks, labels, volumes and name."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sensor_tui.errors import FleetError

if TYPE_CHECKING:
    import docker

_SHORT: Final = 12
_OWN: Final = frozenset({"host", "none"})


def superseded_name(container: str, name: str) -> str:
    """The name a container has while another is made in its place; Compose names them alike."""
    return f"{container[:_SHORT]}_{name}"


def name_before(container: str, name: str) -> str | None:
    """The name a superseded container had; None for any other."""
    start = superseded_name(container, "")
    return name.removeprefix(start) if name.startswith(start) and name != start else None


def recreate(client: "docker.DockerClient", container: str) -> str:
    """Put a new container in the place of one that is not up; the new one's id. Blocks.

    Where that fails, the old one is there as before.

    Raises:
        FleetError: it is up.
        docker.errors.DockerException, OSError: the engine refuses, or is away.
    """
    api = client.api
    facts = api.inspect_container(container)
    name = facts["Name"].removeprefix("/")
    if facts["State"].get("Running"):
        raise FleetError(f"{name} runs", fix="Stop it first")
    config, further = definition(facts)
    api.rename(container, superseded_name(container, name))
    made: str | None = None
    try:
        made = str(api.create_container_from_config(config, name)["Id"])  # type: ignore[no-untyped-call] # by its stubs
        for network, endpoint in further.items():
            url = f"{api.base_url}/v{api.api_version}/networks/{quote(network, safe='')}/connect"
            answer = api.post(url, json={"Container": made, "EndpointConfig": endpoint}, timeout=api.timeout)
            _check(answer)
    except BaseException:
        if made is not None:
            with suppress(Exception):
                api.remove_container(made, force=True)
        api.rename(container, name)
        raise
    api.remove_container(container, force=True)
    return made


def definition(facts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What to create, from an inspection, and the networks to connect it to afterwards."""
    config, host = dict(facts["Config"]), dict(facts["HostConfig"])
    short = facts["Id"][:_SHORT]
    mode = str(host.get("NetworkMode") or "default")
    if config.get("Hostname") == short or mode == "host" or mode.startswith("container:"):
        config.pop("Hostname", None)  # the engine's choice: the id it had
    host["Binds"] = [*(host.get("Binds") or ()), *_unnamed_volumes(facts, host)] or None
    endpoints = {
        name: _endpoint(each, short)
        for name, each in (facts["NetworkSettings"].get("Networks") or {}).items()
        if name not in _OWN
    }
    # Engines before 25 take a single network when a container is created.
    first = next(
        (name for name in endpoints if name in (mode, "bridge" if mode == "default" else mode)), None
    )
    config["HostConfig"] = host
    if first is not None:
        config["NetworkingConfig"] = {"EndpointsConfig": {first: endpoints.pop(first)}}
    return config, endpoints


def _unnamed_volumes(facts: dict[str, Any], host: dict[str, Any]) -> list[str]:
    """Volumes the image asked for: a new container would get new ones, and its data would be gone."""
    named = {str(each).split(":")[1] for each in host.get("Binds") or () if ":" in str(each)}
    named |= {each.get("Target") for each in host.get("Mounts") or ()}
    return [
        f"{each['Name']}:{each['Destination']}{'' if each.get('RW', True) else ':ro'}"
        for each in facts.get("Mounts") or ()
        if each.get("Type") == "volume" and each.get("Name") and each["Destination"] not in named
    ]


def _endpoint(settings: dict[str, Any], short: str) -> dict[str, Any]:
    """What of an endpoint was asked for, without what the engine made of it."""
    asked = {key: settings[key] for key in ("IPAMConfig", "Links", "DriverOpts") if settings.get(key)}
    aliases = [each for each in settings.get("Aliases") or () if each != short]
    return asked | ({"Aliases": aliases} if aliases else {})


def _check(answer: Any) -> None:
    import requests
    from docker.errors import create_api_error_from_http_exception

    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)

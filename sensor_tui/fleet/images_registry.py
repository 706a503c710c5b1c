"""What a registry has of an image, and moving images to it and from it; all through the engine."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sensor_tui.fleet.docker_errors import one_line
from sensor_tui.fleet.images_names import (
    ImageError,
    RegistryRefused,
    RegistryUnreachable,
    build_command,
    parse_image,
    policy_problem,
)
from sensor_tui.fleet.images_stream import Say, follow

if TYPE_CHECKING:
    from docker import DockerClient

    from sensor_tui.fleet.docker_host import DockerAddress

_SECONDS: Final = 30.0
_TRANSFER_SECONDS: Final = 900.0
_OWN_REGISTRY: Final = "Docker Hub"
_PUSHED: Final = "be pushed to"

# The engine passes on what its registry client says; there are no codes for it.
_ADDRESS: Final = re.compile(r"\"?https?://\S+")
_AWAY: Final = re.compile(
    r"dial tcp|no such host|connection re(?:fused|set)|timed? ?out|timeout|deadline exceeded|no route to host"
    r"|network is unreachable|tls|x509|certificate|server gave HTTP response|server misbehaving|\bEOF\b"
    r"|proxyconnect|bad gateway|service unavailable|temporary failure",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"unauthori[sz]ed|authentication required|no basic auth|incorrect username|denied|forbidden",
    re.IGNORECASE,
)
_MISSING: Final = re.compile(r"manifest unknown|name unknown|not found|does not exist", re.IGNORECASE)


def check_images(images: Sequence[str], address: "DockerAddress", *, allow_local: bool) -> None:
    """See that each image has a version and is in its registry; with `allow_local`, the engine's own will do.

    Blocks until the engine has asked the registries. Raises ImageError naming the image and the command that
    builds it, RegistryUnreachable or RegistryRefused, or FleetError where the engine does not answer.
    """
    wanted = list(dict.fromkeys(images))
    for image in wanted:
        problem = policy_problem(image)
        if problem:
            raise ImageError(
                f"the image {image} has {problem}, and every image needs one of its own",
                fix="Name it with --uploader-tag or --tag, as in v20250601; 'sensor-tui build' makes one",
            )
    with _client(address, _SECONDS) as client:
        for image in wanted:
            if not (allow_local and _is_local(client, image)):
                _check_registry(client, image, allow_local=allow_local)


def push(address: "DockerAddress", image: str, *, say: Say) -> str:
    """Push an image to its registry; its digest there, empty where the engine does not say it.

    Raises ImageError, RegistryUnreachable or RegistryRefused, or FleetError where the engine does not answer.
    """
    name = parse_image(image)
    with _client(address, _TRANSFER_SECONDS) as client:
        if not _is_local(client, image):
            raise ImageError(
                f"the engine {address.name} has no image {image}",
                fix=_capital(_how_to_build(image)),
            )
        with _registry(image, _PUSHED):
            stream = client.api.push(name.repository, tag=name.tag or None, stream=True, decode=True)
            return str(follow(stream, say).get("Digest") or "")


def pull(address: "DockerAddress", image: str, *, say: Say) -> None:
    """Pull an image from its registry; raises as `push` does."""
    name = parse_image(image)
    with _client(address, _TRANSFER_SECONDS) as client, _registry(image, "be pulled from"):
        tag = name.digest or name.tag or None
        follow(client.api.pull(name.repository, tag=tag, stream=True, decode=True), say)


def is_local(address: "DockerAddress", image: str) -> bool:
    """Whether the engine itself has an image; FleetError where it does not answer."""
    with _client(address, _SECONDS) as client:
        return _is_local(client, image)


def _is_local(client: "DockerClient", image: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _check_registry(client: "DockerClient", image: str, *, allow_local: bool) -> None:
    local = "" if allow_local else ", or use an image of the engine with --allow-local"
    with _registry(image, "be found in", local=local):
        client.images.get_registry_data(image)


@contextmanager
def _client(address: "DockerAddress", timeout: float) -> Iterator["DockerClient"]:
    from docker.errors import DockerException

    from sensor_tui.fleet.docker_errors import told
    from sensor_tui.fleet.docker_host import connect

    client = connect(address, timeout=timeout)
    try:
        yield client
    except (DockerException, OSError) as error:
        raise told(error, address) from error
    finally:
        client.close()


@contextmanager
def _registry(image: str, verb: str, *, local: str = "") -> Iterator[None]:
    """Turn what the engine says of a registry into one line: away, refusing, or without that image."""
    from docker.errors import APIError, DockerException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the SDK's, before the error that says the same
            yield
    except APIError as error:
        raise _told(image, verb, one_line(error.explanation or error), local) from error
    except ImageError as error:
        raise _told(image, verb, error.message, local) from error
    except OSError as error:
        if "timed out" not in str(error):
            raise
        # The engine has answered just now: what keeps it waiting is the registry.
        raise _told(image, verb, "timed out", local) from error
    except DockerException as error:  # a program that keeps credentials is missing, or fails
        raise RegistryRefused(
            f"{image} cannot {verb} {_host(image)}: {one_line(error)}", fix=f"Sign in with {_login(image)}"
        ) from error


def _told(image: str, verb: str, words: str, local: str) -> ImageError:
    host, build = _host(image), _how_to_build(image)
    said = _ADDRESS.sub("", words)
    if _AWAY.search(said):
        return RegistryUnreachable(
            f"{image} cannot {verb} {host}, which does not answer: {words}", fix=f"Mend the connection{local}"
        )
    if _DENIED.search(said):
        missing = "" if verb == _PUSHED else f"; some say this of an image they lack, then {build}"
        return RegistryRefused(
            f"{image} cannot {verb} {host}, which refuses: {words}",
            fix=f"Sign in with {_login(image)}{missing}",
        )
    if _MISSING.search(said):
        return ImageError(f"the image {image} is not in {host}", fix=f"{_capital(build)}{local}")
    return ImageError(
        f"{image} cannot {verb} {host}: {words}", fix=f"See what the registry's own log says{local}"
    )


def _how_to_build(image: str) -> str:
    from sensor_tui.fleet.spec import Images

    if Images.own(image):
        return f"build it with: {build_command(image)}"
    return "build it with its own build script, and push it"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _host(image: str) -> str:
    return parse_image(image).registry or _OWN_REGISTRY


def _login(image: str) -> str:
    return f"docker login {parse_image(image).registry}".rstrip()

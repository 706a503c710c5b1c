"""What Compose tools print, in both dialects."""

import pytest

from sensor_tui.fleet.compose_tool_lines import Progress, problem, progress, service_name


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('Creating network "p_default" with the default driver', Progress("network", "p_default", "created")),
        ("Creating p_one_1 ... ", Progress("container", "p_one_1", "creating")),
        ("Creating p_one_1  ... done", Progress("container", "p_one_1", "created")),
        ("Recreating p_one_1   ... done", Progress("container", "p_one_1", "recreated")),
        ("Starting p_one_1 ... error", Progress("container", "p_one_1", "error")),
        ("Stopping p_one_1 ... done\r", Progress("container", "p_one_1", "stopped")),
        ("Removing network p_default", Progress("network", "p_default", "removed")),
        ("p_one_1 is up-to-date", Progress("container", "p_one_1", "running")),
        ("Pulling one (here/one:v1)...", Progress("image", "here/one:v1", "pulling")),
        (" Network p_default  Creating", Progress("network", "p_default", "creating")),
        (" Container p-one-1  Started", Progress("container", "p-one-1", "started")),
        (" Container p-one-1  Error response from daemon: x", Progress("container", "p-one-1", "error")),
        ("Host is already in use by another container", None),
        ("", None),
        ("Encountered errors while bringing up the project.", None),
    ],
)
def test_progress(line, expected):
    assert progress(line) == expected


@pytest.mark.parametrize(
    ("container", "service"),
    [
        ("p_sensor-london-1_1", "sensor-london-1"),
        ("p-sensor-london-1-1", "sensor-london-1"),
        ("0123456789ab_p_sensor-london-1_1", "sensor-london-1"),
        ("elsewhere-1", "elsewhere-1"),
        ("p", "p"),
    ],
)
def test_a_container_s_service(container, service):
    assert service_name(container, "p") == service


_DRIVER = "driver failed programming external connectivity on endpoint p_two_1 (8312c19b96e4)"

PROBLEMS = [
    (
        [
            "Creating p_two_1 ... error",
            "",
            (
                f"ERROR: for p_two_1  Cannot start service two: {_DRIVER}: Bind for 127.0.0.1:80 failed:"
                " port is already allocated"
            ),
        ],
        "p_two_1 cannot start: port 127.0.0.1:80 is taken by another container",
        "docker ps",
    ),
    (
        [
            (
                f"Error response from daemon: {_DRIVER}: Error starting userland proxy: listen tcp4"
                " 127.0.0.1:80: bind: address already in use"
            )
        ],
        "p_two_1 cannot start: port 127.0.0.1:80 is taken by a process of that host",
        "Stop what uses it",
    ),
    (["Bind for 0.0.0.0:80 failed: port is already allocated"], "port 0.0.0.0:80 is taken", "publish"),
    (
        [
            (
                'ERROR: for one  Cannot create container for service one: Conflict. The container name "/x"'
                ' is already in use by container "a09a5460bf52661030145d6c029a109f". You have to remove it.'
            )
        ],
        "the name x is taken by container a09a5460bf52",
        "Rename or remove",
    ),
    (
        ["ERROR: pull access denied for h/x, repository does not exist or may require 'docker login'"],
        "the registry has no image h/x, or wants a login",
        "sensor-tui build",
    ),
    (["manifest for h/x:v1 not found: manifest unknown"], "there is no image h/x:v1", "sensor-tui build"),
    (["Error response from daemon: No such image: h/x:v1"], "there is no image h/x:v1", "--allow-local"),
    (
        [
            "Pulling one (h/x:v1)...",
            'Get "http://localhost:5999/v2/": dial tcp 127.0.0.1:5999: connect: connection refused',
        ],
        "the registry localhost:5999 cannot be reached: dial tcp 127.0.0.1:5999: connect: connection refused",
        "Mend the connection",
    ),
    (["unauthorized: authentication required"], "the registry refuses us", "docker login"),
    (
        [
            "The Compose file './e.yml' is invalid because:",
            "Unsupported config option for services.one: 'foo'",
        ],
        "the compose file f.yml is not valid: Unsupported config option for services.one: 'foo'",
        "sensor-tui compose --force",
    ),
    (
        [
            "yaml.scanner.ScannerError: while scanning a quoted scalar",
            '  in "./e.yml", line 1, column 10',
            "found unexpected end of stream",
        ],
        (
            "the compose file f.yml is not valid: while scanning a quoted scalar in"
            ' "./e.yml", line 1, column 10 found unexpected end of stream'
        ),
        "Mend it",
    ),
    (
        ["validating /x/f.yml: services.one additional properties 'foo' not allowed"],
        "the compose file f.yml is not valid: services.one additional properties 'foo' not allowed",
        "Mend it",
    ),
    (["yaml: line 3: did not find"], "the compose file f.yml is not valid: line 3: did not find", "Mend it"),
    (["Couldn't find env file: /x/.env"], "the file of variables /x/.env is missing", "readable by its"),
    (
        ["required variable COSMOS_KEY is missing a value: set it"],
        "the compose file needs the variable COSMOS_KEY, which is not set",
        "environment",
    ),
    (
        [
            (
                "Missing mandatory value for \"environment\" option interpolating {'A': '${NOPE:?is not"
                ' set}\'} in service "one": is not set'
            )
        ],
        "the compose file needs the variable NOPE, which is not set",
        ".env",
    ),
    (
        [
            "Traceback (most recent call last):",
            "ProtocolError: ('Connection aborted.', PermissionError(13, 'x'))",
        ],
        "no permission to use the Docker engine",
        "group 'docker'",
    ),
    (
        ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"],
        "the Docker engine does not answer",
        "systemctl start docker",
    ),
    (
        ["could not find an available, non-overlapping IPv4 address pool among the defaults to assign"],
        "the engine has no address range left for another network",
        "docker network prune",
    ),
    (
        ['network p_default was found but has incorrect label com.docker.compose.network set to ""'],
        "the network p_default is there already, and made otherwise",
        "sensor-tui cleanup",
    ),
    (["write /x: no space left on device"], "the disk of the engine is full", "docker system df"),
    (
        [
            (
                'ERROR: for one  Cannot start service one: OCI runtime create failed: exec: "sensor":'
                " executable file not found in $PATH: unknown"
            )
        ],
        "one cannot start: its image has no command sensor",
        "fleet.images.sensor",
    ),
    (
        ['invalid mount config for type "bind": bind source path does not exist: /data/x'],
        "the folder /data/x cannot be mounted",
        "Create it",
    ),
    (
        ["UnixHTTPConnectionPool: Read timed out. (read timeout=60)"],
        "the Docker engine took too long",
        "load",
    ),
    (
        ["Creating p_one_1 ... done", "ERROR: for one  Something new", "Encountered errors"],
        "Something new",
        "docker ps",
    ),
    (["what else there is", "Creating p_one_1 ... "], "what else there is", ""),
    ([], "the Compose tool failed, and did not say why", ""),
]


@pytest.mark.parametrize(("lines", "message", "fix"), PROBLEMS, ids=lambda value: str(value)[:30])
def test_every_known_error_is_one_line_with_what_to_do(lines, message, fix):
    error = problem(lines, file="f.yml")

    assert error.message == message
    assert fix in error.fix
    assert error.exit_code == 1


def test_a_message_without_end_is_cut():
    assert len(problem(["x" * 10_000], file="f.yml").message) == 400

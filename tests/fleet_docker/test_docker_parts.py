"""Addresses, contexts, and what is made of an engine's words, without an engine."""

import hashlib
import json
import socket
import sys

import pytest

from sensor_tui.errors import ConfigError
from sensor_tui.fleet.docker_cgroup import Cgroups
from sensor_tui.fleet.docker_host import DEFAULT_URL, docker_addresses
from sensor_tui.fleet.docker_lines import LineMaker
from sensor_tui.fleet.docker_meter import Rates, sample_of
from sensor_tui.fleet.docker_recreate import definition
from sensor_tui.fleet.docker_unit import History, container_of
from sensor_tui.model.unit import Health, Role, UnitState

HERE = socket.gethostname()
ID = "5970dadc94d5cd69e79252aa6d3242ed85f781ae29c12287c35c182912eca3c6"


@pytest.fixture
def context(tmp_path):
    """Makes contexts as the docker command keeps them."""

    def make(name, url, *, certificates=False, skip=False):
        digest = hashlib.sha256(name.encode()).hexdigest()
        folder = tmp_path / "contexts" / "meta" / digest
        folder.mkdir(parents=True)
        endpoint = {"Host": url, "SkipTLSVerify": skip}
        meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
        (folder / "meta.json").write_text(json.dumps(meta))
        if certificates:
            material = tmp_path / "contexts" / "tls" / digest / "docker"
            material.mkdir(parents=True)
            (material / "ca.pem").write_text("")
        return {"DOCKER_CONFIG": str(tmp_path)}

    return make


def test_without_a_word_it_is_the_socket_of_this_machine():
    (address,) = docker_addresses([], {"HOME": "/nowhere"})
    assert (address.name, address.url, address.expected) == (HERE, DEFAULT_URL, False)


def test_docker_host_comes_before_contexts_and_both_before_the_default(context):
    environment = context("far", "tcp://far:2376", certificates=True)
    (address,) = docker_addresses([], environment | {"DOCKER_CONTEXT": "far"})
    assert (address.name, address.url, address.expected) == ("far", "tcp://far:2376", True)
    assert address.tls.verify
    assert address.environment() == {
        "DOCKER_HOST": "tcp://far:2376",
        "DOCKER_CERT_PATH": str(address.tls.folder),
        "DOCKER_TLS_VERIFY": "1",
    }
    (address,) = docker_addresses(
        [], environment | {"DOCKER_CONTEXT": "far", "DOCKER_HOST": "unix:///x.sock"}
    )
    assert (address.name, address.url, address.socket) == (HERE, "unix:///x.sock", "/x.sock")


def test_the_context_in_use_is_docker_s_own(context, tmp_path):
    environment = context("far", "ssh://me@far")
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    (address,) = docker_addresses([], environment)
    assert (address.name, address.url, address.tls) == ("far", "ssh://me@far", None)


def test_two_addresses_never_share_a_name(context):
    environment = context(HERE, "tcp://far:2375")
    given = [
        "unix:///var/run/docker.sock", "unix:///var/run/../run/docker.sock", "unix:///srv/a/docker.sock",
        "unix:///srv/b.sock", "ssh://box", "tcp://box:2375", HERE,
    ]  # fmt: skip
    names = [each.name for each in docker_addresses(given, environment)]
    assert names == [HERE, f"{HERE}:a", f"{HERE}:b", "box", "box-2", f"{HERE}-2"]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("nowhere", "there is no Docker context 'nowhere'"),
        ("ftp://x", "by ftp://"),
        ("unix://", "no path"),
        ("tcp://", "no host"),
        ("ssh://-oProxyCommand=x/", "no host"),
        ("ssh://-l@host", "no host"),
        ("tcp://me:hush@host:1", "a password does not belong there"),
        ("tcp://host:70000", "no address"),
        ("tcp://host:1/path", "a path does not belong there"),
        ("tcp://host:1?x=y", "more in it"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(host, words):
    with pytest.raises(ConfigError, match=words) as caught:
        docker_addresses([host], {"HOME": "/nowhere"})
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", '{"Endpoints": 5}', '{"Endpoints": {"docker": {"Host": 5}}}'])
def test_a_broken_context_is_named(context, tmp_path, content):
    environment = context("far", "ssh://far")
    (path,) = tmp_path.glob("contexts/meta/*/meta.json")
    path.write_text(content)
    with pytest.raises(ConfigError, match="context 'far' cannot be read"):
        docker_addresses(["far"], environment)


def facts(status="running", *, config=None, host=None, **state):
    """An inspection, as an engine of version 20.10 gives it."""
    return {
        "Id": ID,
        "Name": "/sensor-1",
        "Path": "sensor",
        "Args": ["--connection-string", "AccountEndpoint=https://x/;AccountKey=abc=="],
        "State": {"Status": status, "ExitCode": 0, "Error": "", "OOMKilled": False, "Pid": 0} | state,
        "RestartCount": 0,
        "HostConfig": {"RestartPolicy": {"Name": "no"}, "Memory": 0} | (host or {}),
        "Config": {"Image": "sensor:v1", "Env": None, "Labels": None, "Tty": False} | (config or {}),
        "Mounts": [],
        "NetworkSettings": {"Ports": {}},
    }


def unit_of(inspected, history=None, root=None):
    return container_of(inspected, "h", data_root=root, history=history or History()).unit


@pytest.mark.parametrize(
    ("inspected", "history", "state", "reason"),
    [
        (facts("created"), History(), UnitState.CREATED, ""),
        (facts("created", Error="no such\nnetwork"), History(), UnitState.FAILED, "no such network"),
        (facts("exited", ExitCode=0), History(), UnitState.STOPPED, "ended with exit code 0"),
        (facts("exited", ExitCode=2), History(), UnitState.FAILED, "ended with exit code 2"),
        (
            facts("exited", ExitCode=143),
            History(asked=True), UnitState.STOPPED, "ended with exit code 143 (SIGTERM)",
        ),
        (
            facts("exited", ExitCode=137, OOMKilled=True),
            History(), UnitState.FAILED, "killed: out of memory (exit code 137)",
        ),
        (
            facts("exited", ExitCode=137, host={"RestartPolicy": {"Name": "unless-stopped"}}),
            History(), UnitState.STOPPED, "ended with exit code 137 (SIGKILL)",
        ),
        (
            facts("exited", ExitCode=137, host={"RestartPolicy": {"Name": "unless-stopped"}}),
            History(exit_code=137, seen=True), UnitState.FAILED, "ended with exit code 137 (SIGKILL)",
        ),
        (
            facts("restarting", ExitCode=1),
            History(), UnitState.BACKOFF, "ended with exit code 1; is started again by Docker",
        ),
        (facts("paused"), History(), UnitState.PAUSED, "paused; start lets it go on"),
        (facts("removing"), History(), UnitState.STOPPING, "is being removed"),
        (
            facts("dead"),
            History(), UnitState.FAILED, "dead: Docker could not remove all of it; remove it again",
        ),
        (facts("dancing\x1b"), History(), UnitState.UNKNOWN, "a state of its own: dancing"),
    ],
)  # fmt: skip
def test_states_are_mapped_with_what_there_is_to_say(inspected, history, state, reason):
    unit = unit_of(inspected, history)
    assert (unit.state, unit.reason) == (state, reason)


def test_health_counts_only_while_it_runs():
    health = {"Status": "unhealthy", "Log": [{"Output": "no\n\x1b[31mdata"}]}
    unit = unit_of(facts(Health=health))
    assert (unit.health, unit.reason) == (Health.UNHEALTHY, "its health check fails: no [31mdata")
    assert unit_of(facts("exited", Health=health)).health is Health.NONE
    assert unit_of(facts(Health={"Status": "starting"})).health is Health.STARTING


def test_upstream_s_containers_are_understood_by_their_variables_and_mounts(tmp_path):
    inspected = facts(
        config={
            "Image": "ghcr.io/bacalhau-project/sensor-log-generator:v1",
            "Env": ["SENSOR_ID=LON_1", "SENSOR_LOCATION=London", "BROKEN"],
            "Labels": {"com.docker.compose.project": "p", "com.docker.compose.service": "sensor-london-1"},
        }
    )
    inspected["Mounts"] = [
        {"Type": "bind", "Source": f"{tmp_path}/London/LON_1", "Destination": "/app/data", "RW": True},
        {"Type": "volume", "Name": "v", "Source": "/x", "Destination": "/y", "RW": False},
    ]
    inspected["NetworkSettings"]["Ports"] = {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "53/udp": None,
    }
    unit = unit_of(inspected, root=tmp_path)
    assert (unit.role, unit.city, unit.sensor_id, unit.data) == (
        Role.SENSOR,
        "London",
        "LON_1",
        "London/LON_1",
    )
    assert unit.project == "p"
    assert unit.mounts == (f"{tmp_path}/London/LON_1 -> /app/data", "v -> /y (read-only)")
    assert unit.ports == ("0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp", "53/udp")
    assert unit_of(facts(config={"Image": "x/cosmos-uploader:v1"})).role is Role.UPLOADER
    assert unit_of(facts(config={"Image": "postgres:16"})).role is Role.OTHER


def test_a_data_folder_is_what_is_mounted_whatever_a_label_claims(tmp_path):
    inspected = facts(config={"Labels": {"sensor-tui.data": "Paris/PAR_1"}})
    assert unit_of(inspected, root=tmp_path).data == "Paris/PAR_1"
    inspected["Mounts"] = [{"Type": "bind", "Source": f"{tmp_path}/London/LON_1", "Destination": "/app/data"}]
    assert unit_of(inspected, root=tmp_path).data == "London/LON_1"
    for bad in ("../x", "/etc", "", "a/../../b", "."):
        assert unit_of(facts(config={"Labels": {"sensor-tui.data": bad}})).data is None


def test_secrets_are_masked_by_name_and_by_their_looks():
    key = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
    environment = {
        "COSMOS_KEY": "abc", "TOKEN": "abc", "DB_PASSWORD": "abc", "A_SECRET": "abc",
        "CONNECTION_STRING": "abc",
        "INNOCENT": key, "URL": "https://me:hush@host/x", "MIXED": f"AccountEndpoint=https://h/;AccountKey={key};",
        "SHORT": "AccountKey=abc;x=1", "PLAIN": "London",
        "PATH": "/usr/Local/Bin1:/opt/a-long/Path2/of/many/Parts/that/is/no/Key",
    }  # fmt: skip
    shown = unit_of(
        facts(config={"Env": [f"{name}={value}" for name, value in environment.items()]})
    ).environment
    assert all(shown[name] == "********" for name in list(environment)[:6])
    assert shown["URL"] == "https://me:********@host/x"
    assert key not in shown["MIXED"]
    assert shown["SHORT"] == "AccountKey=********;x=1"
    assert (shown["PLAIN"], shown["PATH"]) == ("London", environment["PATH"])
    assert "abc" not in " ".join(unit_of(facts()).command)


def test_a_definition_keeps_networks_and_unnamed_volumes_and_forgets_what_the_engine_made():
    inspected = facts(
        config={"Hostname": ID[:12]}, host={"NetworkMode": "p_default", "Binds": ["/a:/b"], "Mounts": None}
    )
    inspected["Mounts"] = [
        {"Type": "bind", "Source": "/a", "Destination": "/b"},
        {"Type": "volume", "Name": "f00", "Destination": "/var/data", "RW": True},
    ]
    inspected["NetworkSettings"]["Networks"] = {
        "p_default": {"Aliases": [ID[:12], "sensor"], "IPAMConfig": None, "IPAddress": "172.18.0.2"},
        "p_back": {"Aliases": None, "IPAMConfig": {"IPv4Address": "10.0.0.5"}, "MacAddress": "02:42"},
    }
    config, further = definition(inspected)
    assert "Hostname" not in config
    assert config["HostConfig"]["Binds"] == ["/a:/b", "f00:/var/data"]
    assert config["NetworkingConfig"] == {"EndpointsConfig": {"p_default": {"Aliases": ["sensor"]}}}
    assert further == {"p_back": {"IPAMConfig": {"IPv4Address": "10.0.0.5"}}}


@pytest.fixture
def trees(tmp_path):
    """Trees of cgroup files as kernels show them; `write(path, text)` below a root of the test's."""

    def write(path, text):
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    return tmp_path, write


def test_version_two_is_read_as_systemd_lays_it_out(trees):
    root, write = trees
    group = f"system.slice/docker-{ID}.scope"
    write(
        "proc/self/mountinfo",
        f"24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"35 24 0:30 / {root}/sys\\040fs rw,nosuid,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
    )
    write("proc/4711/cgroup", f"0::/{group}\n")
    write(
        f"sys fs/{group}/cpu.stat",
        "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 0\n",
    )
    write(f"sys fs/{group}/memory.current", "52428800\n")
    write(
        f"sys fs/{group}/memory.stat",
        "anon 10485760\nfile 41943040\nactive_file 1048576\ninactive_file 20971520\n",
    )
    found = Cgroups(root / "proc").find(4711, ID)
    assert found.unified
    assert found.sample() == (pytest.approx(2.5), 52428800 - 20971520)
    assert Cgroups(root / "proc").find(4711, "f" * 64) is None
    assert Cgroups(root / "proc").find(4712, ID) is None
    (root / "sys fs" / group / "memory.current").unlink()
    assert found.sample() is None


@pytest.mark.parametrize("together", ["cpu,cpuacct", "cpuacct"])
def test_version_one_is_read_also_beside_an_empty_version_two(trees, together):
    root, write = trees
    write(
        "proc/self/mountinfo",
        f"33 31 0:29 / {root}/{together} rw,relatime - cgroup cgroup rw,{together}\n"
        f"35 31 0:32 /docker {root}/memory rw,relatime - cgroup cgroup rw,memory\n"
        f"41 31 0:38 / {root}/unified rw,relatime - cgroup2 cgroup2 rw\n",
    )
    write(
        "proc/7/cgroup",
        f"4:memory:/docker/{ID}\n2:{together}:/docker/{ID}\n1:name=systemd:/\n0::/docker/{ID}\n",
    )
    write(f"{together}/docker/{ID}/cpuacct.usage", "35888577\n")
    write(f"memory/{ID}/memory.usage_in_bytes", "1000000\n")
    write(f"memory/{ID}/memory.stat", "cache 5\ninactive_file 1\ntotal_cache 5\ntotal_inactive_file 400000\n")
    found = Cgroups(root / "proc").find(7, ID)
    assert not found.unified
    assert found.sample() == (pytest.approx(0.035888577), 600000)


def test_rates_are_of_one_run():
    rates = Rates()
    assert rates.percent("a", 1, 10.0, 5.0) is None
    assert rates.percent("a", 1, 12.0, 6.0) == pytest.approx(50)
    assert rates.percent("a", 1, 12.0, 6.0) is None
    assert rates.percent("a", 2, 14.0, 0.1) is None
    assert rates.percent("a", 2, 15.0, 0.2) == pytest.approx(10)
    assert rates.percent("a", 2, 16.0, 0.1) is None


@pytest.mark.parametrize("name", ["total_inactive_file", "inactive_file"])
def test_an_engine_s_statistics_are_read_in_both_forms(name):
    answer = {
        "read": "2026-11-22T07:37:23.197597357Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}},
        "memory_stats": {"usage": 1000, "stats": {name: 400}},
    }
    at, cpu, memory = sample_of(answer)
    assert (round(at), cpu, memory) == (1795333043, pytest.approx(1.5), 600)
    assert sample_of({"read": "0001-01-01T00:00:00Z", "memory_stats": {}}) is None
    assert sample_of(None) is None


def message(text, kind=1):
    return bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def texts(batches):
    return [(line.text, line.stream) for batch in batches for _, line in batch]


def test_messages_cut_anywhere_are_put_together():
    at = b"2026-11-22T07:37:23.197597357Z "
    data = (
        message(at + b"one\n") + message(at + b"tw", 2) + message(at + b"three\r\n") + message(at + b"o\n", 2)
    )
    for size in (1, 3, 7, len(data)):
        maker = LineMaker("u", tty=False)
        batches = [b for start in range(0, len(data), size) for b in maker.feed(data[start : start + size])]
        assert texts(batches) == [("one", "out"), ("three", "out"), ("two", "err")]
        assert batches[0][0][1].at == pytest.approx(1795333043.1975973)
        assert maker.end() == []


def test_what_is_no_log_is_said_to_be_that_and_what_has_no_end_comes_at_the_end():
    maker = LineMaker("u", tty=False)
    (batch,) = maker.feed(b"HTTP/1.1 500 oh dear")
    assert batch[0][1].stream == "note"
    assert texts(maker.feed(message(b"2026-11-22T07:37:23Z rest"))) == []
    assert texts(maker.end()) == [("rest", "out")]
    terminal = LineMaker("u", tty=True)
    assert texts(terminal.feed(b"no time\nrest")) == [("no time", "out")]
    assert texts(terminal.end()) == [("rest", "out")]


def test_many_lines_are_several_batches():
    maker = LineMaker("u", tty=False)
    assert [len(each) for each in maker.feed(message(b"2026-11-22T07:37:23Z x\n") * 1201)] == [500, 500, 201]


def test_the_sdk_is_loaded_with_the_first_connection_only():
    import subprocess

    code = (
        "import sys, sensor_tui.fleet.docker, sensor_tui.service.process\n"
        "assert 'docker' not in sys.modules and 'requests' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

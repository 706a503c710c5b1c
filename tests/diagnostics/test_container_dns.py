"""The resolver as a program, and what is made of what it and the tools of a shell say."""

import json
import subprocess
import sys
from importlib.resources import files

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.service.diagnostics import dns_inside
from sensor_tui.service.diagnostics.container_dns import Seen, _by_python, _by_shell, _cause, _judged

ROUTES = "Iface\tDestination\tGateway\neth0\t00000000\t010011AC\neth0\t000011AC\t00000000\n"
INTERNAL = "Iface\tDestination\tGateway\neth0\t000011AC\t00000000\n"


def program():
    return files("sensor_tui.service.diagnostics").joinpath("dns_inside.py").read_text("utf-8")


def test_it_runs_where_nothing_is_installed():
    command = [sys.executable, "-I", "-S", "-c", program(), "localhost", "127.0.0.1"]
    ran = subprocess.run(command, capture_output=True, check=True, timeout=60)
    seen = _by_python("here", ran.stdout)
    assert "127.0.0.1" in seen.addresses or "::1" in seen.addresses
    assert "127.0.0.1" in {each["server"] for each in seen.asked}


def test_what_a_configuration_names():
    text = "nameserver 127.0.0.11\noptions ndots:0\n# ExtServers: [host(10.0.0.2) 1.1.1.1 fd00::53]\n"
    assert dns_inside.servers_in(text) == ["127.0.0.11"]
    assert dns_inside.outer_servers(text) == ["10.0.0.2", "1.1.1.1", "fd00::53"]
    assert dns_inside.outer_servers("nameserver 10.0.0.2\n") == []


@pytest.mark.parametrize(
    ("routes", "out"), [(ROUTES, True), (INTERNAL, False), ("Iface\tDestination\n", False)]
)
def test_a_way_out(routes, out):
    assert dns_inside.has_way_out(routes) is out


def test_what_else_the_program_may_have_said():
    told = {"servers": ["10.0.0.2"], "addresses": [], "reason": "no", "asked": [7], "way_out": False}
    seen = _by_python("c", b"a warning\n" + json.dumps(told).encode() + b"\n")
    assert (seen.servers, seen.asked, seen.way_out) == (["10.0.0.2"], [], False)
    for output in (b"", b"7\n", b"{}\n", b"Killed\n"):
        with pytest.raises(FleetError, match="did not run"):
            _by_python("c", output)


@pytest.mark.parametrize(
    ("said", "addresses", "known"),
    [
        ("getent\n10.1.2.3     account.example\n", ["10.1.2.3"], True),
        ("getent\n", [], True),
        (
            "nslookup\nServer:\t\t10.0.0.2\nAddress:\t10.0.0.2:53\n\nName:\ta\nAddress: 10.1.2.3\n",
            ["10.1.2.3"],
            True,
        ),
        ("nslookup\n;; connection timed out\n", [], True),
        ("", [], False),
    ],
)
def test_what_the_shell_has(said, addresses, known):
    seen = _by_shell("c", f"nameserver 10.0.0.2\n==\n{ROUTES}==\n{said}".encode())
    assert (seen.servers, list(seen.addresses)) == (["10.0.0.2"], addresses)
    assert (seen.known, seen.way_out) == (known, True)


def server(name, *, answered=True, code=0, records=0):
    return {"server": name, "said": "x", "answered": answered, "code": code, "records": records}


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Seen("c"), "leads nowhere"),
        (Seen("c", ["10.0.0.2"], asked=[server("10.0.0.2", answered=False, code=None)]), "is blocked"),
        (Seen("c", ["127.0.0.11"], asked=[server("127.0.0.11", code=2)]), "is blocked"),
        (Seen("c", ["10.0.0.2"], asked=[server("10.0.0.2", code=3)]), "do not know the name"),
        (Seen("c", ["10.0.0.2"], asked=[server("10.0.0.2", code=2)]), "give no address"),
        (Seen("c", ["10.0.0.2"], asked=[server("10.0.0.2", records=1)]), "wait for too long"),
        (Seen("c", ["10.0.0.2"]), "probably outbound UDP 53"),
    ],
)
def test_causes(seen, words):
    cause, remedy = _cause(seen)
    assert words in cause
    assert remedy


async def test_a_server_that_is_silent_beside_one_that_is_not(context):
    asked = [server("10.0.0.2", answered=False), server("10.0.0.3", records=1)]
    found = await _judged(
        context(), "a.example", Seen("c", ["10.0.0.2", "10.0.0.3"], ["10.1.2.3"], asked=asked)
    )
    assert (found.verdict, "10.0.0.2" in found.evidence) == (CheckVerdict.WARNING, True)
    assert "UDP 53" in found.remedy


async def test_where_this_host_does_not_know_it_either(context):
    async def nobody(_):
        return [], "unknown"

    found = await _judged(context(resolve=nobody), "a.example", Seen("c", ["10.0.0.2"], reason="no"))
    assert (found.verdict, "the check 'dns'" in found.remedy) == (CheckVerdict.FAILED, True)


@pytest.mark.component("docker")
@pytest.mark.parametrize("endpoint", ["https://10.1.2.3", "http://localhost:8081", "http://127.0.0.1:8081"])
async def test_names_that_need_no_name_server(check, settings_for, emulator, endpoint):
    found = await check("container-dns", settings_for(emulator, endpoint=endpoint))
    assert (found.verdict, "needs no name server" in found.evidence) == (CheckVerdict.SKIPPED, True)

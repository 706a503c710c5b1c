"""A small resolver in one file, which also runs as a program inside a container.

It needs a Python of 3.9 or later and nothing installed: name servers of `/etc/resolv.conf`, what the system
makes of a name, and what each name server says to a question over UDP port 53 (RFC 1035).
"""

import json
import os
import re
import secrets
import socket
import struct
import sys
import threading
import time

PORT = 53
CONFIGURATION = "/etc/resolv.conf"
ROUTES = "/proc/net/route"
RESOLVE_SECONDS = 6.0
ASK_SECONDS = 2.0
NO_SUCH_NAME = 3

_HEADER = struct.Struct("!6H")
_RECURSION_WANTED = 0x0100
_ADDRESS = 1
_INTERNET = 1
_LONGEST_LABEL = 63
_MOST_SERVERS = 3
_LARGEST = 4096
_LARGEST_FILE = 65536


def name_servers(path: str = CONFIGURATION) -> "list[str]":
    """Name servers of this machine or container, as its resolver configuration says."""
    return servers_in(_text(path))


def servers_in(text: str) -> "list[str]":
    """Name servers that a resolver configuration names."""
    found = [
        words[1] for line in text.splitlines() if len(words := line.split()) > 1 and words[0] == "nameserver"
    ]
    return [each for each in found if _family(each) is not None][:_MOST_SERVERS]


def outer_servers(text: str) -> "list[str]":
    """Name servers that Docker's own one asks in turn, where it wrote them into a comment."""
    lines = [line for line in text.splitlines() if line.startswith("# ExtServers:")]
    words = re.findall(r"[0-9A-Fa-f:.]{3,}", lines[0].partition(":")[2]) if lines else []
    return [each for each in words if _family(each) is not None][:_MOST_SERVERS]


def has_way_out(text: str) -> bool:
    """Whether a table of routes, as in `/proc/net/route`, has a default one."""
    return any(words[1] == "00000000" for line in text.splitlines() if len(words := line.split()) > 1)


def question(number: int, name: str) -> bytes:
    """A question for the addresses of a name; UnicodeError where it is none."""
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise UnicodeError
    body = b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"
    head = _HEADER.pack(number, _RECURSION_WANTED, 1, 0, 0, 0)
    return head + body + struct.pack("!2H", _ADDRESS, _INTERNET)


def fits(reply: bytes, number: int) -> bool:
    """Whether this is the answer to the question of that number."""
    return len(reply) >= _HEADER.size and int(_HEADER.unpack_from(reply)[0]) == number


def meaning(reply: bytes) -> "tuple[str, int, int]":
    """An answer in words, its code, and how many records it has."""
    _, flags, _, answers, _, _ = _HEADER.unpack_from(reply)
    code = flags & 0xF
    if code == NO_SUCH_NAME:
        return "knows no such name", code, 0
    if code or not answers:
        return f"has no address for it (code {code})", code, 0
    return f"knows it ({answers} records)", code, int(answers)


def ask(server: str, name: str, port: int = PORT, seconds: float = ASK_SECONDS) -> "dict[str, object]":
    """Ask one name server for the addresses of a name; what it said, or why it said nothing."""
    told: dict[str, object] = {"server": server, "said": "", "answered": False, "code": None, "records": 0}
    number = secrets.randbelow(1 << 16)
    try:
        packet = question(number, name)
    except UnicodeError:
        return {**told, "said": "the name is not one that can be asked for"}
    try:
        with socket.socket(_family(server) or socket.AF_INET, socket.SOCK_DGRAM) as asking:
            until = time.monotonic() + seconds
            asking.connect((server, port))
            asking.send(packet)
            reply = b""
            while not fits(reply, number):
                asking.settimeout(max(0.001, until - time.monotonic()))
                reply = asking.recv(_LARGEST)
    except TimeoutError:
        return {**told, "said": f"no answer over UDP {port}"}
    except OSError as error:
        return {**told, "said": f"no answer over UDP {port} ({error.strerror or error})"}
    said, code, records = meaning(reply)
    return {**told, "said": said, "answered": True, "code": code, "records": records}


def look(name: str, others: "list[str]") -> "dict[str, object]":
    """What the system makes of a name, and what its name servers and the `others` say."""
    configuration, routes = _text(CONFIGURATION), _text(ROUTES)
    servers = servers_in(configuration)
    found: dict[str, object] = {"addresses": [], "reason": f"no result within {RESOLVE_SECONDS:.0f} s"}
    asked: dict[str, dict[str, object]] = {}

    def resolve() -> None:
        try:
            every = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            found["reason"] = str(getattr(error, "strerror", None) or error)
        else:
            found.update(addresses=sorted({str(each[4][0]) for each in every}), reason="")

    def put(server: str) -> None:
        asked[server] = ask(server, name)

    wanted = list(dict.fromkeys([*servers, *(outer_servers(configuration) or others)]))
    threads = [threading.Thread(target=put, args=(each,), daemon=True) for each in wanted]
    threads.append(threading.Thread(target=resolve, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(RESOLVE_SECONDS)
    silent = {"answered": False, "said": f"no answer over UDP {PORT}", "code": None, "records": 0}
    answers = [asked.get(each, {"server": each, **silent}) for each in wanted]
    way_out = not routes or has_way_out(routes)
    return {"servers": servers, **found, "asked": answers, "way_out": way_out}


def _text(path: str) -> str:
    """What a small file holds; nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - one file, no more
            return file.read(_LARGEST_FILE)
    except OSError:
        return ""


def _family(server: str) -> "socket.AddressFamily | None":
    """The kind of an address; None where it is none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, server.partition("%")[0])
        except (OSError, UnicodeError):
            continue
        return family
    return None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(sys.argv[1], sys.argv[2:])) + "\n")
    sys.stdout.flush()
    os._exit(0)  # a question that hangs keeps nobody

"""Broken set-ups of names inside containers, with a name server of the test's own in another one."""

from tests.diagnostics.broken import WARNING, broken
from tests.support.docker import base_image

NAME = "account.sensors.example"
"""Known to this host, in the tests of containers."""
NAME_SERVER = """
import socket, sys
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.bind(("0.0.0.0", 53))
print("ready", flush=True)
while True:
    data, sender = asked.recvfrom(512)
    if sys.argv[1] == "silent":
        continue
    if sys.argv[1] == "knows":
        tail = b"\\xc0\\x0c" + bytes([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3])
        is_ipv4 = data[-4:-2] == b"\\0\\1"
        asked.sendto(data[:2] + bytes([0x81, 0x80, 0, 1, 0, int(is_ipv4), 0, 0, 0, 0]) + data[12:]
                     + (tail if is_ipv4 else b""), sender)
    else:
        asked.sendto(data[:2] + bytes([0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]) + data[12:], sender)
"""
"""Knows every name, or none, or is as silent as one behind a firewall."""


async def known_here(host: str) -> tuple[list[str], str]:
    """This host knows every name."""
    return ["203.0.113.7"], ""


async def name_server(ground, how):
    """A container whose name server is one of the test's own; settings for a name that this host knows."""
    image = base_image(ground.project.client)
    server = ground.project.make(
        "names", image=image, command=["python3", "-u", "-c", NAME_SERVER, how], network="bridge"
    )
    ground.project.until(server, lambda _: b"ready" in server.logs())
    address = server.attrs["NetworkSettings"]["IPAddress"]
    ground.project.make(
        "a-uploader",
        image=image,
        command=["sleep", "600"],
        dns=[address],
        dns_opt=SOON,
        network="bridge",
        **SLIM,
    )
    return await inside(ground)


async def inside(ground):
    settings = ground.settings_for(
        ground.emulator, endpoint=f"https://{NAME}", sections={"fleet": {"uploaders": "containers"}}
    )
    return {"settings": settings, "resolve": known_here}


SOON = ["timeout:1", "attempts:1"]
"""How long containers of tests wait for a name server, in seconds."""
SLIM = {"user": "65534:65534", "read_only": True, "cap_drop": ["ALL"]}
CONTAINER = ("docker", "docker-base")


@broken("UDP 53 blocked for containers", "container-dns", components=CONTAINER,
        evidence=(f"does not resolve {NAME}", "this host does (203.0.113.7)", "outbound UDP 53 is blocked",
                  ": no answer over UDP 53"),
        remedy=("Allow outbound UDP 53", "1.1.1.1", "1.0.0.1", '"dns"'))  # fmt: skip
async def _(ground):
    return await name_server(ground, "silent")


@broken("UDP 53 blocked behind Docker's own name server", "container-dns", components=CONTAINER,
        evidence=("outbound UDP 53 is blocked", "name server 127.0.0.11", "name server 127.0.0.53"),
        remedy=("Allow outbound UDP 53",))  # fmt: skip
async def _(ground):
    image = base_image(ground.project.client)
    ground.project.make(
        "a-uploader",
        image=image,
        command=["sleep", "600"],
        dns=["127.0.0.53"],
        dns_opt=SOON,
        network=ground.project.network(),
    )
    return await inside(ground)


@broken("a container with other name servers", "container-dns", components=CONTAINER,
        evidence=("this host does", "do not know the name", "knows no such name"),
        remedy=("name servers of the host", "daemon.json"))  # fmt: skip
async def _(ground):
    return await name_server(ground, "knows nothing")


@broken("a container without a network", "container-dns", components=CONTAINER,
        evidence=("leads nowhere",), remedy=("docker network connect",))  # fmt: skip
async def _(ground):
    ground.project.make("a-uploader", image=base_image(ground.project.client), command=["sleep", "600"])
    return await inside(ground)


@broken("UDP 53 blocked, and no Python inside", "container-dns", components=("docker",),
        evidence=("probably outbound UDP 53 is blocked", "no Python in it", "name server 127.0.0.53"),
        remedy=("Allow outbound UDP 53",))  # fmt: skip
async def _(ground):
    ground.project.make("a-uploader", dns=["127.0.0.53"], dns_opt=SOON, network="bridge")
    return await inside(ground)


@broken("a container with nothing to ask with", "container-dns", verdict=WARNING, components=("docker",),
        evidence=("could not be checked", "name server "), remedy=("nsenter",))  # fmt: skip
async def _(ground):
    ground.project.make("a-uploader", image=ground.project.bare(), command=["sleep", "600"])
    return await inside(ground)

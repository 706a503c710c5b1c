"""A small resolver: whether a name server answers over UDP port 53, whatever the system makes of it."""

import asyncio
import ipaddress
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PORT: Final = 53
_HEADER: Final = struct.Struct("!6H")
_RECURSION_WANTED: Final = 0x0100
_ADDRESS: Final = 1
_INTERNET: Final = 1
_NO_SUCH_NAME: Final = 3
_MOST_SERVERS: Final = 3


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one name server said: answers counted, or why there is none."""

    server: str
    said: str
    answered: bool


def name_servers(path: str) -> list[str]:
    """Name servers of this machine or container, as its resolver configuration says."""
    try:
        lines = Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    found = [words[1] for line in lines if len(words := line.split()) > 1 and words[0] == "nameserver"]
    return [each for each in found if _is_address(each)][:_MOST_SERVERS]


async def ask(server: str, name: str, *, seconds: float = 2.0, port: int = PORT) -> ServerAnswer:
    """Ask one name server for the addresses of a name."""
    try:
        number = secrets.randbelow(1 << 16)
        packet = _question(number, name)
    except UnicodeError:
        return ServerAnswer(server, "the name is not one that can be asked for", answered=False)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    try:
        async with asyncio.timeout(seconds):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Waiter(answer, number), remote_addr=(server, port)
            )
            try:
                transport.sendto(packet)
                reply = await answer
            finally:
                transport.close()
    except TimeoutError:
        return ServerAnswer(server, f"no answer over UDP {port}", answered=False)
    except OSError as error:
        return ServerAnswer(server, f"no answer over UDP {port} ({error.strerror or error})", answered=False)
    _, flags, _, answers, _, _ = _HEADER.unpack_from(reply)
    code = flags & 0xF
    if code == _NO_SUCH_NAME:
        return ServerAnswer(server, "knows no such name", answered=True)
    if code or not answers:
        return ServerAnswer(server, f"has no address for it (code {code})", answered=True)
    return ServerAnswer(server, f"knows it ({answers} records)", answered=True)


class _Waiter(asyncio.DatagramProtocol):
    """Waits for the answer to one question."""

    def __init__(self, answer: "asyncio.Future[bytes]", number: int) -> None:
        self._answer = answer
        self._number = number

    def datagram_received(self, data: bytes, _addr: object) -> None:
        fits = len(data) >= _HEADER.size and _HEADER.unpack_from(data)[0] == self._number
        if fits and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


def _question(number: int, name: str) -> bytes:
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels):  # noqa: PLR2004 - a label of a name
        raise UnicodeError
    body = b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"
    head = _HEADER.pack(number, _RECURSION_WANTED, 1, 0, 0, 0)
    return head + body + struct.pack("!2H", _ADDRESS, _INTERNET)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True

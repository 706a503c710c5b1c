"""The small resolver, asked by a name server of the test's own."""

import asyncio
import struct

import pytest

from sensor_tui.service.diagnostics.dns import ask, name_servers


class Server(asyncio.DatagramProtocol):
    """Answers as told: a code and a number of records, or nothing."""

    def __init__(self, code, answers, *, number=0):
        self._facts = code, answers, number
        self.asked = []

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, address):
        self.asked.append(data)
        code, answers, shift = self._facts
        if code is None:
            return
        (number,) = struct.unpack_from("!H", data)
        head = struct.pack("!6H", (number + shift) % 65536, 0x8180 | code, 1, answers, 0, 0)
        self._transport.sendto(head + data[12:], address)


@pytest.fixture
async def server():
    transports = []

    async def start(*facts, **more):
        made = Server(*facts, **more)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: made, local_addr=("127.0.0.1", 0)
        )
        transports.append(transport)
        return made, transport.get_extra_info("sockname")[1]

    yield start
    for transport in transports:
        transport.close()


@pytest.mark.parametrize(
    ("facts", "said", "answered"),
    [
        ((0, 2), "knows it", True),
        ((3, 0), "no such name", True),
        ((2, 0), "code 2", True),
        ((0, 0), "no address", True),
    ],
)
async def test_answers(server, facts, said, answered):
    made, port = await server(*facts)
    answer = await ask("127.0.0.1", "account.example.com", port=port)
    assert (said in answer.said, answer.answered) == (True, answered)
    assert b"\x07account\x07example\x03com\x00\x00\x01\x00\x01" in made.asked[0]


async def test_silence_and_answers_to_other_questions_are_no_answer(server):
    for facts in ((None, 0), (0, 2)):
        _, port = await server(*facts, number=1)
        answer = await ask("127.0.0.1", "account.example.com", seconds=0.1, port=port)
        assert not answer.answered
        assert "UDP" in answer.said


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".com", "\ud800.com"])
async def test_names_that_are_none(name):
    assert not (await ask("127.0.0.1", name, seconds=0.1)).answered


def test_name_servers_of_a_file(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# x\nnameserver 10.0.0.1\nsearch a b\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver\n"
    )
    assert name_servers(str(path)) == ["10.0.0.1", "fe80::1%eth0"]
    assert name_servers(str(tmp_path / "none")) == []

"""Where a partition key lies: the hashes of containers of version 1 and 2, and the space they fill.

Version 2 is MurmurHash3 x64-128 (seed 0) over a type byte and the value, its 16 bytes reversed, the two top
bits cleared. Version 1 is MurmurHash3 x86-32 over the first 100 characters, written as an order-preserving
double and followed by the truncated key. Both give upper-case hex that sorts as the service sorts it.
"""

import struct
from functools import lru_cache
from typing import Final, Self

V1: Final = 1
V2: Final = 2

_M64 = 0xFFFFFFFFFFFFFFFF
_M32 = 0xFFFFFFFF
_V1_CHARACTERS = 100
_V1_BYTES = 100

SPACE = {V1: 1 << 32, V2: 1 << 126}
"""How many hash values there are, by version."""

MIN_EPK = ""
MAX_EPK = "FF"


class Undefined:
    """The value of a property that is not there; not the same as null."""

    _one: Self | None = None

    def __new__(cls) -> Self:
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "undefined"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined()


def canonical(value: object) -> str | None:
    """One text per distinct partition key value (5 and 5.0 are the same); None for an array or object."""
    kind = type(value)
    if kind is str:
        return f'"{value}'
    if kind is bool:
        return "t" if value else "f"
    if value is None:
        return "n"
    if kind is int or kind is float:
        return f"#{float(value) + 0.0!r}"  # type: ignore[arg-type]
    if value is UNDEFINED:
        return "u"
    return None


def _type_and_bytes(key: str) -> tuple[bytes, bytes]:
    """The type byte of a canonical key and the bytes that follow it."""
    mark = key[0]
    if mark == '"':
        return b"\x08", key[1:].encode()
    if mark == "#":
        return b"\x05", struct.pack("<d", float(key[1:]))
    return {"t": b"\x03", "f": b"\x02", "n": b"\x01", "u": b"\x00"}[mark], b""


@lru_cache(maxsize=65536)
def effective_key(key: str, version: int) -> str:
    """The effective partition key (upper-case hex) of a canonical key."""
    return _hash_v2(key) if version == V2 else _hash_v1(key)


def _hash_v2(key: str) -> str:
    mark, value = _type_and_bytes(key)
    data = mark + value + b"\xff" if mark == b"\x08" else mark + value
    low, high = murmur3_x64_128(data)
    # Reversing the 16 little-endian bytes of (low, high) leaves high before low, both big-endian.
    return f"{high & 0x3FFFFFFFFFFFFFFF:016X}{low:016X}"


def _hash_v1(key: str) -> str:
    mark, value = _type_and_bytes(key)
    if mark == b"\x08":
        text = key[1 : 1 + _V1_CHARACTERS].encode()
        hashed = murmur3_x86_32(mark + text + b"\x00")
        short = len(text) <= _V1_BYTES
        shifted = bytes(byte + 1 if byte < 0xFF else byte for byte in text[: _V1_BYTES + 1])  # noqa: PLR2004
        suffix = mark + shifted + (b"\x00" if short else b"")
    elif mark == b"\x05":
        hashed = murmur3_x86_32(mark + value)
        suffix = number_bytes(float(key[1:]))
    else:
        hashed = murmur3_x86_32(mark)
        suffix = mark
    return (number_bytes(float(hashed)) + suffix).hex().upper()


def number_bytes(value: float) -> bytes:
    """A double as bytes that sort as it does: one whole byte, then 7 bits a byte, low bit: more follow."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value))
    payload = bits ^ (1 << 63) if bits < 1 << 63 else (~bits + 1) & _M64
    out = bytearray((0x05, payload >> 56))
    payload = payload << 8 & _M64
    chunk = 0
    first = True
    while first or payload:
        if not first:
            out.append(chunk)
        first = False
        chunk = payload >> 56 | 1
        payload = payload << 7 & _M64
    last = chunk & 0xFE
    if last:
        out.append(last)
    return bytes(out)


def boundary(position: int, version: int) -> str:
    """The effective key at a position of the hash space; its two ends are "" and "FF"."""
    if position <= 0:
        return MIN_EPK
    if position >= SPACE[version]:
        return MAX_EPK
    if version == V2:
        return f"{position:032X}"
    return number_bytes(float(position)).hex().upper()


def murmur3_x86_32(data: bytes) -> int:
    """MurmurHash3 x86-32, seed 0."""
    hashed = 0
    whole = len(data) & ~3
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        hashed ^= _mix32(block)
        hashed = (hashed << 13 | hashed >> 19) & _M32
        hashed = (hashed * 5 + 0xE6546B64) & _M32
    if whole < len(data):
        hashed ^= _mix32(int.from_bytes(data[whole:], "little"))
    hashed ^= len(data)
    hashed ^= hashed >> 16
    hashed = hashed * 0x85EBCA6B & _M32
    hashed ^= hashed >> 13
    hashed = hashed * 0xC2B2AE35 & _M32
    return hashed ^ hashed >> 16


def _mix32(block: int) -> int:
    block = block * 0xCC9E2D51 & _M32
    block = (block << 15 | block >> 17) & _M32
    return block * 0x1B873593 & _M32


_C1 = 0x87C37B91114253D5
_C2 = 0x4CF5AD432745937F


def murmur3_x64_128(data: bytes) -> tuple[int, int]:
    """MurmurHash3 x64-128, seed 0, as two 64-bit halves."""
    h1 = h2 = 0
    size = len(data)
    whole = size & ~15
    for k1, k2 in struct.iter_unpack("<QQ", data[:whole]):
        mixed = k1 * _C1 & _M64
        h1 ^= (mixed << 31 | mixed >> 33) * _C2 & _M64
        h1 = (h1 << 27 | h1 >> 37) & _M64
        h1 = ((h1 + h2) * 5 + 0x52DCE729) & _M64
        mixed = k2 * _C2 & _M64
        h2 ^= (mixed << 33 | mixed >> 31) * _C1 & _M64
        h2 = (h2 << 31 | h2 >> 33) & _M64
        h2 = ((h2 + h1) * 5 + 0x38495AB5) & _M64
    tail = int.from_bytes(data[whole:], "little")
    if tail:
        mixed = (tail >> 64) * _C2 & _M64
        h2 ^= ((mixed << 33 | mixed >> 31) & _M64) * _C1 & _M64
        mixed = (tail & _M64) * _C1 & _M64
        h1 ^= ((mixed << 31 | mixed >> 33) & _M64) * _C2 & _M64
    h1 ^= size
    h2 ^= size
    h1 = (h1 + h2) & _M64
    h2 = (h2 + h1) & _M64
    h1 = _final64(h1)
    h2 = _final64(h2)
    h1 = (h1 + h2) & _M64
    return h1, (h2 + h1) & _M64


def _final64(value: int) -> int:
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & _M64
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & _M64
    return value ^ value >> 33

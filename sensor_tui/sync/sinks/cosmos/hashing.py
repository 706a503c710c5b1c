"""Effective partition keys: where in the hash space of a container a partition key value lies.

Upper-case hex strings, compared as strings with the bounds of partition key ranges. Version 2
containers hash with MurmurHash3 x64-128, version 1 containers with x86-32 and then append the key.
Source of both: the JavaScript SDK, `utils/hashing/v1.js` and `v2.js`.
"""

import struct
from typing import Final

from sensor_tui.sync.contract import MISSING, Missing

Key = str | float | bool | Missing | None
"""A partition key value as documents can hold it."""

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F
_MASK32: Final = 0xFFFFFFFF
_V1_LENGTH: Final = 100
"""UTF-16 units of a string that version 1 hashes, and bytes of it that it appends."""


def key_of(value: object) -> Key:
    """A value as a partition key sees it: objects and lists count as absent, and -0 is 0."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        return value if isinstance(value, int) else value + 0.0
    return MISSING


def effective_key_v2(key: Key) -> str:
    """Effective partition key in a version 2 container."""
    low, high = _murmur3_x64_128(_tagged(key, b"\xff"))
    hashed = (low | high << 64) & ~(0xC0 << 120)
    return f"{hashed:032X}"


def effective_key_v1(key: str) -> str:
    """Effective partition key of a string in a version 1 container.

    Numbers are left out on purpose: the SDKs do not agree where those lie.
    """
    units = key.encode("utf-16-le", "surrogatepass")[: 2 * _V1_LENGTH]
    text = units.decode("utf-16-le", "replace").encode()
    hashed = _murmur3_x86_32(b"\x08" + text + b"\x00")
    suffix = bytearray(b"\x08")
    suffix += bytes(byte + 1 for byte in text[: _V1_LENGTH + 1])
    if len(text) <= _V1_LENGTH:
        suffix.append(0)
    return (_ordered_number(float(hashed)) + suffix).hex().upper()


def _tagged(key: Key, string_end: bytes) -> bytes:
    if isinstance(key, str):
        return b"\x08" + key.encode("utf-8", "replace") + string_end
    if key is None:
        return b"\x01"
    if key is True:
        return b"\x03"
    if key is False:
        return b"\x02"
    if isinstance(key, Missing):
        return b"\x00"
    return b"\x05" + struct.pack("<d", key)


def _ordered_number(value: float) -> bytes:
    """A double of zero or more as bytes that sort as numbers do: eight bits, then seven to a byte."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    payload = bits | 1 << 63
    encoded = bytearray((0x05, payload >> 56))
    payload = payload << 8 & _MASK
    while payload:
        encoded.append(payload >> 56 | 1)
        payload = payload << 7 & _MASK
    encoded[-1] &= 0xFE
    return bytes(encoded)


def _murmur3_x64_128(data: bytes) -> tuple[int, int]:
    h1 = h2 = 0
    whole = len(data) & ~15
    for first, second in struct.iter_unpack("<QQ", data[:whole]):
        k1 = first * _C1 & _MASK
        h1 ^= (k1 << 31 | k1 >> 33) * _C2 & _MASK
        h1 = ((h1 << 27 | h1 >> 37) + h2) & _MASK
        h1 = (h1 * 5 + 0x52DCE729) & _MASK
        k2 = second * _C2 & _MASK
        h2 ^= (k2 << 33 | k2 >> 31) * _C1 & _MASK
        h2 = ((h2 << 31 | h2 >> 33) + h1) & _MASK
        h2 = (h2 * 5 + 0x38495AB5) & _MASK
    tail = data[whole:]
    if tail[8:]:
        k2 = int.from_bytes(tail[8:], "little") * _C2 & _MASK
        h2 ^= (k2 << 33 | k2 >> 31) * _C1 & _MASK
    if tail:
        k1 = int.from_bytes(tail[:8], "little") * _C1 & _MASK
        h1 ^= (k1 << 31 | k1 >> 33) * _C2 & _MASK
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1, h2 = _mixed64(h1), _mixed64(h2)
    h1 = (h1 + h2) & _MASK
    return h1, (h2 + h1) & _MASK


def _mixed64(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33


def _murmur3_x86_32(data: bytes) -> int:
    h = 0
    whole = len(data) & ~3
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        k = block * 0xCC9E2D51 & _MASK32
        h ^= (k << 15 | k >> 17) * 0x1B873593 & _MASK32
        h = (h << 13 | h >> 19) & _MASK32
        h = (h * 5 + 0xE6546B64) & _MASK32
    if len(data) > whole:
        k = int.from_bytes(data[whole:], "little") * 0xCC9E2D51 & _MASK32
        h ^= (k << 15 | k >> 17) * 0x1B873593 & _MASK32
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & _MASK32
    h = (h ^ h >> 13) * 0xC2B2AE35 & _MASK32
    return h ^ h >> 16

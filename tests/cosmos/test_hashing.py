"""Effective partition keys, against those of Microsoft's two SDKs."""

import random
import string

import pytest
from azure.cosmos.partition_key import PartitionKey, _Undefined

from sensor_tui.sync.contract import MISSING
from sensor_tui.sync.sinks.cosmos.hashing import effective_key_v1, effective_key_v2, key_of

LETTERS = string.ascii_letters + string.digits + " _-.'\"\\/" + "éßñ漢字🌡\u2028\x00"


def many_strings(count: int) -> list[str]:
    source = random.Random(20250801)
    lengths = [source.choice((0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 99, 100, 101, 250)) for _ in range(count)]
    return ["".join(source.choices(LETTERS, k=length)) for length in lengths]


def many_numbers(count: int) -> list[float]:
    source = random.Random(20250802)
    whole = [source.randrange(-(2**53), 2**53) for _ in range(count // 2)]
    return whole + [source.uniform(-1e6, 1e6) for _ in range(count // 2)] + [0, -1, 1e300, 5e-324]


SINGLES = [None, True, False]


def python_sdk(key: object, version: int) -> str:
    return PartitionKey._get_hashed_partition_key_string([key], "Hash", version).upper()


def test_version_2_is_what_the_python_sdk_computes():
    for key in [*many_strings(1500), *many_numbers(600), *SINGLES]:
        assert effective_key_v2(key_of(key)) == python_sdk(key, 2), key


def test_version_2_of_an_absent_key_is_what_the_python_sdk_computes():
    assert effective_key_v2(MISSING) == python_sdk(_Undefined(), 2)


def test_version_1_of_text_is_what_the_python_sdk_computes():
    for key in many_strings(1500):
        if max(map(ord, key), default=0) < 0x10000:
            assert effective_key_v1(key) == python_sdk(key, 1), key


@pytest.mark.component("node")
async def test_both_versions_are_what_the_javascript_sdk_computes(peer):
    keys = [*many_strings(1500), *many_numbers(1500), *SINGLES]
    answers = await peer("hash", {"keys": [*keys, []]})
    for key, (version_2, _) in zip(keys, answers, strict=False):
        assert effective_key_v2(key_of(key)) == version_2, key
    assert effective_key_v2(MISSING) == answers[-1][0]
    texts = [(key, answer[1]) for key, answer in zip(keys, answers, strict=False) if isinstance(key, str)]
    assert len(texts) == 1500
    for key, version_1 in texts:
        # It encodes long text that is not ASCII otherwise after the hash, which no range bound reaches.
        assert effective_key_v1(key)[:20] == version_1[:20], key


def test_what_cannot_be_a_partition_key_counts_as_absent():
    assert key_of(["a"]) is MISSING
    assert key_of({"a": 1}) is MISSING


def test_minus_zero_is_zero():
    assert str(key_of(-0.0)) == "0.0"

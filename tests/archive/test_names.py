"""Names that no city or sensor id can climb out of, and that say what is in a part."""

import unicodedata

import pytest

from sensor_tui.sync.sinks.archive.names import parse_part, part_name, safe_name

HARMLESS = [
    "London",
    "São Paulo",
    "Zürich",
    "Xi'an",
    "LON_123456",
    "東京",
    "Saint-Étienne",
    "St. John's (NL)",
]
HOSTILE = [
    "", ".", "..", "../etc", "/etc/passwd", ".hidden", "_hidden", "-rf", "a/b", "a\\b", "a\0b", "a\nb",
    "a\rb",
    "a b ", "a.", "*", "[ab]", "a?", "{a,b}", "city=London", "100%", "~root", "London~1234", "x" * 300,
    "\u202egnp.exe", "\x1b[31m", "LON.parquet", "LON.CSV", "LON.aggregated",
    "LON.Readings", unicodedata.normalize("NFD", "São Paulo"), "con:",
    '"', "<script>", "\ud800", "\u200b",
]  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_an_ordinary_name_is_kept(name):
    assert safe_name(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_a_harmless_one(name):
    safe = safe_name(name)
    assert safe != name
    assert safe[0].isalnum()
    assert safe.isascii()
    assert safe.isprintable()
    assert not set(safe) & set('/\\*?[]{}=:%" ')
    assert len(safe) <= 80
    assert safe_name(safe) != safe, "nobody may be called what another is renamed to"


def test_no_two_names_become_one():
    names = [*HARMLESS, *HOSTILE, "a/b ", "a_b", "a~b", *(safe_name(name) for name in HOSTILE)]
    assert len({safe_name(name) for name in names}) == len(set(names))


def test_the_name_of_a_part_says_what_is_in_it():
    low, high = 1_754_006_400_000_123, 1_754_006_459_000_000
    name = part_name(7, 1, 60, low, high, ".parquet")
    assert name == "0000000007-1-60-20250801T000000.000123Z-20250801T000059.000000Z.parquet"
    part = parse_part(name, ".parquet", 99)
    assert part is not None
    assert (part.sequence, part.level, part.rows, part.low, part.high) == (7, 1, 60, low, high)
    assert (part.name, part.size) == (name, 99)


@pytest.mark.parametrize("micros", [-62_135_596_800_000_000, -1, 0, 253_402_300_799_999_999])
def test_every_time_there_is_can_be_in_a_name(micros):
    part = parse_part(part_name(1, 0, 1, micros, micros, ".csv"), ".csv", 1)
    assert part is not None
    assert part.low == part.high == micros


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt", "x.parquet", ".part.tmp", "1-0-1-20250801T000000.000123Z.parquet",
        "0000000007-1-60-20251301T000000.000123Z-20250801T000059.000000Z.parquet",
        "0000000007-1-60-20250801T000000.000123Z-20250801T000059.000000Z.csv",
    ],
)  # fmt: skip
def test_what_is_not_a_part_is_none(name):
    assert parse_part(name, ".parquet", 1) is None

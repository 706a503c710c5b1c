"""What the operator types after `/`: which rows or lines are shown.

Words are ANDed. `text` is found anywhere, whatever its case; `field:text` in one field; `field:=text` is all
of it; `field:>3`, `>=`, `<`, `<=` compare numbers; `!word` is the inverse; `/regex/` and `field:/regex/`
search; quotes keep spaces, and keep signs from meaning anything.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 500

_NUMBER: Final = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?")
_FIELD: Final = re.compile(r"([A-Za-z_][\w.-]*):")
_REGEX: Final = re.compile(r"/((?:\\.|[^\\])+?)/(?=\s|\Z)")
_COMPARISON: Final = re.compile(r"(>=|<=|>|<)(.*)", re.DOTALL)

SEARCH_SECONDS: Final = 0.05
"""What a regular expression may take for one text."""

_Test = Callable[[str], bool]
_Fields = Mapping[str, str]
_Word = tuple[str, bool]
"""In lower case, and whether it must not be found."""


class FilterError(ValueError):
    """A filter that cannot be read; says what is wrong and at which character."""


@dataclass(frozen=True, slots=True)
class _Term:
    test: _Test
    field: str | None
    inverse: bool

    def matches(self, fields: _Fields) -> bool:
        if self.field is None:
            found = any(map(self.test, fields.values()))
        else:
            value = fields.get(self.field)
            found = value is not None and self.test(value)
        return found is not self.inverse


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood; equal where the text is."""

    text: str = ""
    _words: tuple[_Word, ...] = ()
    """What is looked for in all fields at once."""
    _terms: tuple[_Term, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not (self._words or self._terms)

    @property
    def slow(self) -> bool:
        """Whether a regular expression took too long, and finds nothing since."""
        return any(isinstance(term.test, _Search) and term.test.slow for term in self._terms)

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether values by field name are what was asked for."""
        if self._words:
            text = "\n".join(fields.values()).lower()
            for word, inverse in self._words:
                if (word in text) is inverse:
                    return False
        return not self._terms or all(term.matches(fields) for term in self._terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def parse(text: str) -> Filter:
    """Understand a filter.

    Raises:
        FilterError: it is not one; the message says what is wrong, and where.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"the filter is longer than {MAX_LENGTH} characters")
    found = _Reader(text).terms()
    words = tuple(term for term in found if not isinstance(term, _Term))
    return Filter(text.strip(), words, tuple(term for term in found if isinstance(term, _Term)))


class _Search:
    """A regular expression that is given up where it takes too long, since the screen waits for it."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError where it is none."""
        import regex  # `re` cannot be told to stop

        try:
            self._search = regex.compile(pattern, regex.IGNORECASE).search
        except regex.error as error:
            raise ValueError(str(error)) from None
        self.slow = False

    def __call__(self, value: str) -> bool:
        if self.slow:
            return False
        try:
            return self._search(value, timeout=SEARCH_SECONDS) is not None
        except TimeoutError:
            self.slow = True
            return False


class _Reader:
    """Goes through the text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def terms(self) -> list[_Term | _Word]:
        terms: list[_Term | _Word] = []
        while self._skip_spaces():
            terms.append(self._term())
        return terms

    def _skip_spaces(self) -> bool:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def _term(self) -> _Term | _Word:
        start = self.at
        inverse = self.text[self.at] == "!"
        if inverse:
            self.at += 1
        field = None
        if found := _FIELD.match(self.text, self.at):
            field = found[1].lower()
            self.at = found.end()
        if self.at >= len(self.text) or self.text[self.at].isspace():
            what = f"nothing follows {field}:" if field else "nothing follows !"
            raise self._error(what, start)
        if field is None and self.text[self.at] != "/":
            return self._word().lower(), inverse
        return _Term(self._test(field), field, inverse)

    def _test(self, field: str | None) -> _Test:
        sign = self.text[self.at]
        if sign == "/":
            return self._regex()
        if field is not None and sign == "=":
            self.at += 1
            return _equal(self._word())
        if field is not None and sign in "<>":
            start = self.at
            found = _COMPARISON.fullmatch(self._word())
            assert found is not None
            return self._comparison(found[1], found[2], start)
        return _within(self._word())

    def _word(self) -> str:
        """Up to the next space; quoted parts are taken as they are."""
        kept: list[str] = []
        while self.at < len(self.text) and not self.text[self.at].isspace():
            if self.text[self.at] == '"':
                end = self.text.find('"', self.at + 1)
                if end < 0:
                    raise self._error("the quote is not closed", self.at)
                kept.append(self.text[self.at + 1 : end])
                self.at = end + 1
            else:
                kept.append(self.text[self.at])
                self.at += 1
        return "".join(kept)

    def _regex(self) -> _Test:
        start = self.at
        found = _REGEX.match(self.text, start)
        if not found:
            raise self._error("the regular expression is not closed with /", start)
        self.at = found.end()
        try:
            return _Search(found[1])
        except (ValueError, RecursionError, OverflowError) as error:
            raise self._error(f"the regular expression cannot be read: {error}", start) from None

    def _comparison(self, sign: str, bound: str, start: int) -> _Test:
        if not _NUMBER.fullmatch(bound):
            raise self._error(f"a number must follow {sign}", start)
        limit = _as_number(bound)
        compare: dict[str, Callable[[float], bool]] = {
            ">": lambda value: value > limit,
            ">=": lambda value: value >= limit,
            "<": lambda value: value < limit,
            "<=": lambda value: value <= limit,
        }
        return lambda value: (
            (found := _NUMBER.match(value)) is not None and compare[sign](_as_number(found[0]))
        )

    def _error(self, what: str, at: int) -> FilterError:
        return FilterError(f"{what} (character {at + 1})")


def _within(word: str) -> _Test:
    lower = word.lower()
    return lambda value: lower in value.lower()


def _equal(word: str) -> _Test:
    lower = word.lower()
    return lambda value: value.lower() == lower


def _as_number(text: str) -> float:
    return float(text.replace(",", ""))

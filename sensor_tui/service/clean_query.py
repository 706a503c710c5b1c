"""What a cleaning means, in the query language of Cosmos DB: conditions over `c`, never more than asked."""

import re
from dataclasses import dataclass
from typing import Any, Final

from sensor_tui.errors import UsageError
from sensor_tui.model.reading import UnusableReading, utc_text

Query = dict[str, Any]
"""`{"query": …, "parameters": […]}`."""

_STRING: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_QUOTES: Final = frozenset("'\"")
_COMMENTS: Final = ("--", "/*")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents are meant: all that fit everything that is given. Times in seconds since the epoch.

    Raises:
        UsageError: a condition that is not one whole expression, or a time that is none.
    """

    city: str | None = None
    sensor: str | None = None
    since: float | None = None
    until: float | None = None
    condition: str | None = None

    def __post_init__(self) -> None:
        if self.condition is not None:
            check_condition(self.condition)
        try:
            self._wanted()
        except UnusableReading:
            raise UsageError(
                "--since and --until take times of the years 1 to 9999", fix="Give a nearer one"
            ) from None

    @property
    def everything(self) -> bool:
        """Whether it leaves nothing out."""
        return self == Selection()

    @property
    def told(self) -> str:
        """The condition as a person reads it: `c["city"] = "London" AND (c.anomalyFlag = 1)`."""
        terms = [f'c["{field}"] {sign} {_literal(value)}' for field, sign, _, value in self._wanted()]
        if self.condition is not None:
            terms.append(f"({self.condition.strip()})")
        return " AND ".join(terms) or "all documents"

    def query(
        self, select: str, *, until_ts: int | None = None, newer_than: int | None = None, group: str = ""
    ) -> Query:
        """A query over the documents meant; of them those written up to, or after, a second of the server."""
        wanted = self._wanted()
        wanted += [
            ("_ts", sign, name, value)
            for sign, name, value in (("<=", "@until_ts", until_ts), (">", "@newer_than", newer_than))
            if value is not None
        ]
        terms = [f'c["{field}"] {sign} {name}' for field, sign, name, _ in wanted]
        if self.condition is not None:
            terms.append(f"({self.condition})")
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        return {
            "query": f"SELECT {select} FROM c{where}{group}",
            "parameters": [{"name": name, "value": value} for _, _, name, value in wanted],
        }

    def _wanted(self) -> list[tuple[str, str, str, object]]:
        """Fields, how they compare, parameter, value."""
        given = (
            ("city", "=", "@city", self.city),
            ("sensorId", "=", "@sensor", self.sensor),
            ("timestamp", ">=", "@since", None if self.since is None else utc_text(self.since)),
            ("timestamp", "<=", "@until", None if self.until is None else utc_text(self.until)),
        )
        return [each for each in given if each[3] is not None]


def check_condition(text: str) -> None:
    """Make sure that a condition stays within the parentheses it is put in.

    Raises:
        UsageError: it is empty, or closes what it did not open, or leaves something open.
    """
    bare = _STRING.sub("0", text)
    if any(comment in bare for comment in _COMMENTS):
        raise UsageError("--filter takes no comments", fix="Leave out -- and /*")
    depth = 0
    for one in bare:
        depth += (one == "(") - (one == ")")
        if depth < 0:
            break
    if not text.strip() or depth or not _QUOTES.isdisjoint(bare):
        raise UsageError(
            "--filter is not one whole condition",
            fix='Give one over `c` as in SQL, such as "c.anomalyFlag = 1"',
        )


def _literal(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'

"""One layer of configuration: values under the schema's names, each with the place it came from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor_tui.config import catalogue, values
from sensor_tui.config.problems import Place, Problem


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given, by which name (`spelled`); of two names the lower `rank` is stronger."""

    value: Any
    place: Place
    spelled: str
    rank: int = 0


class Layer:
    """What one origin gives: options, environment, `.env`, or the file."""

    def __init__(self, folder: Path, home: str) -> None:
        self._folder = folder
        self._home = home
        self.given: dict[str, Given] = {}
        self.places: dict[tuple[str | int, ...], Place] = {}
        self.problems: list[Problem] = []
        self.notices: list[str] = []

    def put(self, key: str, given: Given) -> None:
        """Take a value under any name of a known key; two different values are settled or refused."""
        leaf = catalogue.leaf(key)
        assert leaf is not None
        if isinstance(given.value, str) and leaf.path:
            # A path with a default stays relative as its default is, so that both mean the same file.
            path = (Path() if leaf.field.default else self._folder) / self._expanded(given.value)
            given = Given(str(path), given.place, given.spelled, given.rank)
        before = self.given.get(leaf.key)
        if before is None:
            self._keep(leaf.key, given)
        elif not _same(leaf.key, before.value, given.value):
            self._settle(leaf.key, before, given)

    def _settle(self, key: str, before: Given, given: Given) -> None:
        strong, weak = sorted((before, given), key=lambda one: one.rank)
        if key in catalogue.IDENTITY or strong.rank == weak.rank:
            text = f"{before.spelled} and {given.spelled} differ; keep one of them"
            self.problems.append(Problem(before.place, text))
            return
        weaker = f"{weak.place.where}: {weak.spelled} is ignored"
        self.notices.append(f"{weaker}: {strong.spelled} stands beside it")
        self._keep(key, strong)

    def nested(self) -> dict[str, Any]:
        """The values as nested mappings, as the schema wants them."""
        tree: dict[str, Any] = {}
        for key, given in self.given.items():
            *path, name = key.split(".")
            section = tree
            for part in path:
                section = section.setdefault(part, {})
            section[name] = given.value
        return tree

    def retired(self, key: str, value: object, place: Place, spelled: str) -> bool:
        """Whether the key has no use here; a notice says so unless the value asks for what happens anyway."""
        retired = catalogue.RETIRED.get(key)
        if retired is None:
            return False
        if str(value).strip().lower() not in retired.quiet:
            self.notices.append(f"{place.where}: {spelled} has no effect: {retired.instead}")
        return True

    def fold(self) -> None:
        """Turn what is only understood on the way in into the keys it stands for."""
        self._fold_connection_string()
        self._fold_stages()

    def remark(self) -> None:
        """Say what becomes of keys whose `true` deserves a word."""
        for key, text in catalogue.REMARKS.items():
            given = self.given.get(key)
            if given is not None and str(given.value).strip().lower() in catalogue.TRUE:
                self.notices.append(f"{given.place.where}: {given.spelled}: {text}")

    def place_of(self, path: tuple[str | int, ...]) -> Place | None:
        """The nearest place at or above a path of the schema."""
        heads = (path[:length] for length in range(len(path), 0, -1))
        return next((self.places[head] for head in heads if head in self.places), None)

    def drop(self, key: str) -> None:
        """Forget a value that another layer has made meaningless."""
        self.given.pop(key, None)

    def _keep(self, key: str, given: Given) -> None:
        self.given[key] = given
        self.places[tuple(key.split("."))] = given.place

    def _expanded(self, text: str) -> Path:
        return Path(self._home) / text[2:] if text == "~" or text.startswith("~/") else Path(text)

    def _fold_connection_string(self) -> None:
        given = self.given.pop(catalogue.CONNECTION_STRING, None)
        if given is None:
            return
        try:
            endpoint, key = values.connection_string(str(given.value))
        except ValueError as error:
            self.problems.append(Problem(given.place, f"{given.spelled}: {error}"))
            return
        self.put("cosmos.endpoint", Given(endpoint, given.place, given.spelled))
        self.put("cosmos.key", Given(key, given.place, given.spelled))

    def _fold_stages(self) -> None:
        before = ""
        chosen: list[tuple[str, Given]] = []
        for name in catalogue.STAGE_SWITCHES:
            given = self.given.pop(f"processing.{name}", None)
            if given is not None and self._is_true(given):
                if before and before not in [stage for stage, _ in chosen]:
                    text = f"{given.spelled} needs processing.{before} as well"
                    self.problems.append(Problem(given.place, text))
                chosen.append((name, given))
            before = name
        if chosen:
            stages = [values.processor(name) for name, _ in chosen]
            first = chosen[0][1]
            self.put("processing.processors", Given(stages, first.place, first.spelled))

    def _is_true(self, given: Given) -> bool:
        text = str(given.value).strip().lower()
        if text not in catalogue.TRUE | catalogue.FALSE:
            told = f"{given.spelled} = {values.shown(given.value)}: true or false is expected"
            self.problems.append(Problem(given.place, told))
        return text in catalogue.TRUE


def _same(key: str, one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        end = "/" if key == "cosmos.endpoint" else ""
        return one.strip().removesuffix(end) == other.strip().removesuffix(end)
    return bool(one == other)

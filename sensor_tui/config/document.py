"""A YAML text as a tree of text values that know their line.

Scalars stay text: the schema gives them their type, so that `1e3`, `NO` or `00:05:00` mean what they say
instead of what YAML 1.1 makes of them. `${VAR}` is expanded after parsing, so a variable adds no structure.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from sensor_tui.config.problems import Place, Problem, fail
from sensor_tui.config.values import shown

MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 32

_VARIABLE = re.compile(
    r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^{}]*))?\}|\$\{", re.ASCII
)
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
_STANDARD: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value; None for null and for an empty text, which both mean: not given."""

    text: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its line and its value."""

    key: str
    line: int
    node: "Node"


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping, in the order of the file."""

    entries: tuple[Entry, ...]
    line: int


Node = Scalar | Sequence | Block


class Reader:
    """Turns one text into a tree and collects what is wrong with it."""

    def __init__(self, place: Callable[[int], Place], variables: Mapping[str, str]) -> None:
        self._place = place
        self._variables = variables
        self._left = MAX_NODES
        self.problems: list[Problem] = []

    def read(self, text: str) -> Node | None:
        """The tree of a text, None where it is empty; raises `ConfigError` where it is not YAML."""
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            hint = "; quote a value with ${…} between braces" if "{'" in (error.problem or "") else ""
            fail(self._place(line), f"not valid YAML: {error.problem or error.context}{hint}")
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            fail(self._place(line), "not valid YAML: a control character")
        except RecursionError:
            fail(self._place(1), "not usable: nested too deeply")
        return None if root is None else self._node(root, "", 0)

    def _complain(self, line: int, text: str) -> None:
        self.problems.append(Problem(self._place(line), text))

    def _node(self, node: yaml.Node, key: str, depth: int) -> Node:
        line = node.start_mark.line + 1
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            what = "nested too deeply" if depth > MAX_DEPTH else "too large when its aliases are followed"
            fail(self._place(line), f"not usable: {what}")
        if not node.tag.startswith(_STANDARD):
            self._complain(line, f"'{key}' has the tag {shown(node.tag)}, and tags have no meaning here")
        if isinstance(node, yaml.MappingNode):
            return Block(tuple(self._unique(node, key, depth)), line)
        if isinstance(node, yaml.SequenceNode):
            items = (self._node(item, f"{key}[{index}]", depth + 1) for index, item in enumerate(node.value))
            return Sequence(tuple(items), line)
        if not isinstance(node, yaml.ScalarNode):
            raise TypeError(node)
        return Scalar(self._text(node, key, line), line)

    def _unique(self, node: yaml.MappingNode, key: str, depth: int) -> Iterator[Entry]:
        lines: dict[str, int] = {}
        merged: list[Entry] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE:
                merged.extend(self._merged(value_node, key, depth))
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(line, "a key has to be a plain name")
                continue
            name = key_node.value
            if name in lines:
                self._complain(line, f"{shown(name)} stands twice in {_in(key)}, first in line {lines[name]}")
                continue
            lines[name] = line
            yield Entry(name, line, self._node(value_node, f"{key}.{name}".lstrip("."), depth + 1))
        for entry in merged:
            if entry.key not in lines:
                lines[entry.key] = entry.line
                yield entry

    def _merged(self, node: yaml.Node, key: str, depth: int) -> Iterator[Entry]:
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            tree = self._node(part, key, depth + 1)
            if isinstance(tree, Block):
                yield from tree.entries
            else:
                self._complain(tree.line, "'<<' needs a mapping")

    def _text(self, node: yaml.ScalarNode, key: str, line: int) -> str | None:
        if node.tag == _NULL:
            return None
        return self._expanded(node.value, key, line).strip() or None

    def _expanded(self, text: str, key: str, line: int) -> str:
        def value(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "${"
            name = match["name"]
            if name is None:
                self._complain(line, f"'{key}' has a '${{' that is neither ${{NAME}} nor ${{NAME:-default}}")
                return ""
            if self._variables.get(name):
                return self._variables[name]
            if match["default"] is not None:
                return match["default"]
            if name not in self._variables:
                self._complain(
                    line, f"'{key}' uses ${{{name}}}, which is not set; write ${{{name}:-default}} or set it"
                )
            return ""

        return _VARIABLE.sub(value, text)


def _in(key: str) -> str:
    return f"'{key}'" if key else "the file"

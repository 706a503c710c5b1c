"""The layer of the configuration file: finding the file, reading it, and giving every value its line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sensor_tui.config import catalogue, values
from sensor_tui.config.catalogue import Leaf
from sensor_tui.config.document import Block, Node, Reader, Scalar, Sequence
from sensor_tui.config.layers import Given, Layer
from sensor_tui.config.problems import Place, Problem, fail
from sensor_tui.errors import ConfigError

MAX_BYTES: Final = 4 * 1024 * 1024
_KNOWN_SHOWN: Final = 12
_VARIABLES: Final = ("SENSOR_TUI_CONFIG", "CONFIG_FILE")
_HERE: Final = (
    "sensor-tui.yaml",
    "config/sensor-tui.yaml",
    "config/config.yaml",
    "config/cosmos-config.yaml",
)
_XDG: Final = ("sensor-tui/sensor-tui.yaml", "sensor-tui/config.yaml")


def locate(path: Path | None, variables: Mapping[str, str], cwd: Path, home: str) -> Path | None:
    """The file to read: the one asked for, else the first that exists where files are looked for.

    Raises `ConfigError` where a file that was named does not exist.
    """
    if path is not None:
        return _named(cwd / path, "--config")
    for name in _VARIABLES:
        if variables.get(name):
            return _named(cwd / variables[name], name)
    folder = Path(variables.get("XDG_CONFIG_HOME") or Path(home) / ".config")
    candidates = [*(cwd / name for name in _HERE), *(folder / name for name in _XDG)]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _named(path: Path, by: str) -> Path:
    if not path.exists():
        raise ConfigError(f"{path}: no such file (named by {by})")
    return path


def display_name(path: Path, cwd: Path) -> str:
    """A path as a person would type it: relative below the working folder."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


def read_text(path: Path, display: str) -> str:
    """The text of a file; raises `ConfigError` where it cannot be read, is too large or is not UTF-8."""
    try:
        if path.is_dir():
            raise ConfigError(f"{display}: this is a folder, a file is expected")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{display}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{display}: larger than {MAX_BYTES // 1024 // 1024} MB, this is no configuration")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{display}:{line}: not UTF-8 text") from None


def file_layer(layer: Layer, path: Path, display: str, variables: Mapping[str, str]) -> None:
    """Fill a layer from a file; raises `ConfigError` where nothing of it can be used."""
    documents = DocumentReader(layer, display)
    reader = Reader(documents.place, variables)
    root = reader.read(read_text(path, display))
    layer.problems.extend(reader.problems)
    if isinstance(root, Block):
        documents.read(root)
    elif root is not None and not (isinstance(root, Scalar) and root.text is None):
        fail(documents.place(root.line), f"a mapping with keys like 'cosmos' is expected, not {_kind(root)}")
    layer.fold()


def unknown(section: str, name: str) -> str:
    """What to say about a name that a section does not know."""
    inside = f" in '{section}'" if section else ""
    near = catalogue.nearest(section, name)
    hint = f"Did you mean '{near}'?" if near else f"Known: {_some(catalogue.names(section))}"
    return f"unknown key {values.shown(name)}{inside}. {hint}"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_KNOWN_SHOWN]) + (", …" if len(names) > _KNOWN_SHOWN else "")


class DocumentReader:
    """Fills a layer from the tree of a file."""

    def __init__(self, layer: Layer, display: str) -> None:
        self._layer = layer
        self._display = display

    def place(self, line: int) -> Place:
        """The place of a line of the file."""
        return Place(f"{self._display}:{line}", f"file {self._display}:{line}", line)

    def read(self, root: Block) -> None:
        """Take every key of the file."""
        self._section(root, "")

    def _section(self, block: Block, section: str) -> None:
        for entry in block.entries:
            key = f"{section}.{entry.key}".lstrip(".")
            place = self.place(entry.line)
            leaf = catalogue.leaf(key)
            if key in catalogue.sections():
                self._subsection(entry.node, key, place)
            elif leaf is not None:
                self._leaf(leaf, key, entry.node, place)
            elif not self._layer.retired(key, plain(entry.node), place, key):
                self._layer.problems.append(Problem(place, unknown(section, entry.key)))

    def _subsection(self, node: Node, key: str, place: Place) -> None:
        if isinstance(node, Block):
            self._layer.places.setdefault(tuple(key.split(".")), place)
            self._section(node, key)
        elif not (isinstance(node, Scalar) and node.text is None):
            self._layer.problems.append(Problem(place, f"{key}: a mapping is expected, not {_kind(node)}"))

    def _leaf(self, leaf: Leaf, key: str, node: Node, place: Place) -> None:
        if isinstance(node, Scalar) and node.text is None:
            return
        fits = leaf.mapping if isinstance(node, Block) else leaf.sequence or not isinstance(node, Sequence)
        if not fits:
            expected = "a list" if leaf.sequence else "a mapping" if leaf.mapping else "a single value"
            self._layer.problems.append(Problem(place, f"{key}: {expected} is expected, not {_kind(node)}"))
            return
        if key == "cities" and not self._cities(node, place):
            return
        self._layer.put(key, Given(plain(node), place, key, rank=int(key != leaf.key)))
        if isinstance(node, Block):
            self._entries(node, tuple(leaf.key.split(".")))
        if isinstance(node, Sequence):
            self._elements(node, tuple(leaf.key.split(".")))

    def _cities(self, node: Node, place: Place) -> bool:
        """Whether this is a list of mappings with known names; says what is not."""
        if not isinstance(node, Sequence):
            self._layer.problems.append(Problem(place, f"cities: a list is expected, not {_kind(node)}"))
            return False
        good = True
        for index, city in enumerate(node.items):
            if not isinstance(city, Block):
                what = f"cities[{index}]: a mapping with name, latitude and longitude is expected"
                self._layer.problems.append(Problem(self.place(city.line), f"{what}, not {_kind(city)}"))
                good = False
                continue
            for entry in city.entries:
                if entry.key not in catalogue.city_keys():
                    near = values.suggestion(entry.key, catalogue.city_keys())
                    hint = f"Did you mean '{near}'?" if near else f"Known: {', '.join(catalogue.city_keys())}"
                    text = f"unknown key {values.shown(entry.key)} in 'cities[{index}]'. {hint}"
                    self._layer.problems.append(Problem(self.place(entry.line), text))
                    good = False
        return good

    def _elements(self, node: Sequence, path: tuple[str | int, ...]) -> None:
        for index, item in enumerate(node.items):
            self._layer.places[(*path, index)] = self.place(item.line)
            if isinstance(item, Block):
                self._entries(item, (*path, index))

    def _entries(self, node: Block, path: tuple[str | int, ...]) -> None:
        for entry in node.entries:
            self._layer.places[(*path, entry.key)] = self.place(entry.line)
            if isinstance(entry.node, Block):
                self._entries(entry.node, (*path, entry.key))


def _kind(node: Node) -> str:
    if isinstance(node, Scalar):
        return "nothing" if node.text is None else "a single value"
    return "a list" if isinstance(node, Sequence) else "a mapping"


def plain(node: Node) -> Any:
    """The values of a node without their lines; what was not given is left out of a mapping."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {entry.key: plain(entry.node) for entry in node.entries if plain(entry.node) is not None}

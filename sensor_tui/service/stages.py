"""The stages of a pipeline, made from the configuration."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sensor_tui.errors import ConfigError
from sensor_tui.sync.stage import Stage
from sensor_tui.sync.stages.anomaly import Anomaly, Rule
from sensor_tui.sync.stages.fields import KNOWN, SETTLED, field_name, folded
from sensor_tui.sync.stages.sanitize import Sanitize
from sensor_tui.sync.stages.schematize import Schematize

if TYPE_CHECKING:
    from sensor_tui.config import Settings


def stages_of(settings: "Settings") -> list[Stage]:
    """The stages in the configured order; Aggregate, which is the engine's, is left out.

    Raises:
        ConfigError: settings of one processor take away what another, or the routing, needs.
    """
    names = settings.processing.processors
    check_route(settings)
    if "Sanitize" in names:
        _check_sanitize(settings)
    makers = {"Schematize": _schematize, "Sanitize": _sanitize, "Anomaly": _anomaly}
    return [makers[name](settings) for name in names if name in makers]


def check_route(settings: "Settings") -> None:
    """Refuse anomalous readings a container of their own that is that of all others.

    Raises:
        ConfigError: both are the same container.
    """
    processing = settings.processing
    container = processing.anomaly.container
    routed = "Anomaly" in processing.processors and processing.anomaly.action == "route"
    if routed and container == settings.cosmos.container:
        raise ConfigError(
            f"Anomalous readings would go to the container of all others, {container}",
            fix="Name another in processing.anomaly.container, or set processing.anomaly.action: flag",
        )


def doubtful_names(settings: "Settings") -> list[str]:
    """A line for each field that Sanitize or Anomaly is to look at, and that nobody has named elsewhere.

    A name that was mistyped looks like that of a column of the operator's own, and does nothing.
    """
    from sensor_tui.config.values import suggestion

    processing = settings.processing
    given: list[tuple[str, Iterable[str]]] = []
    if "Sanitize" in processing.processors:
        given += [("sanitization.drop", processing.sanitization.drop)]
        given += [("sanitization.hash", processing.sanitization.hash)]
    if "Anomaly" in processing.processors:
        given += [("anomaly.rules", processing.anomaly.rules)]
    known = {folded(name): name for name in (*KNOWN, *SETTLED, *processing.schematization.types)}
    notices = []
    for key, names in given:
        for name in names:
            if folded(name) not in known:
                near = suggestion(name, known.values())
                meant = f"is {near} meant? If not, and" if near else "if"
                notices.append(
                    f"processing.{key}: {name} is no field that is known; {meant} files have such a column,"
                    " give it a type in processing.schematization.types"
                )
    return notices


def _schematize(settings: "Settings") -> Stage:
    processing = settings.processing
    hidden = _fields(processing.sanitization.hash)
    types = {field_name(name): kind for name, kind in processing.schematization.types.items()}
    if _comes_before(settings, "Sanitize", "Schematize"):
        # a hash is text, whatever was hashed
        types |= dict.fromkeys(hidden, "text")
    return Schematize(
        types=types,
        required=_fields(processing.schematization.required),
        private=hidden | _fields(processing.sanitization.drop) if "Sanitize" in processing.processors else (),
    )


def _sanitize(settings: "Settings") -> Stage:
    processing = settings.processing
    chosen = processing.sanitization
    required = processing.schematization.required if "Schematize" in processing.processors else ()
    return Sanitize(
        coordinate_decimals=chosen.coordinate_decimals,
        drop=_fields(chosen.drop),
        hashed=_fields(chosen.hash),
        hash_key=chosen.hash_key.get_secret_value().encode() if chosen.hash_key else b"",
        required=_fields(required),
    )


def _anomaly(settings: "Settings") -> Stage:
    chosen = settings.processing.anomaly
    rules = {
        field_name(name): Rule(rule.min, rule.max, rule.max_change) for name, rule in chosen.rules.items()
    }
    return Anomaly(rules, sensor_flags=chosen.sensor_flags)


def _check_sanitize(settings: "Settings") -> None:
    processing = settings.processing
    chosen = processing.sanitization
    key_field = settings.cosmos.partition_key.removeprefix("/")
    ruled = (
        _fields(processing.anomaly.rules) if _comes_before(settings, "Sanitize", "Anomaly") else frozenset()
    )
    for key, names in (("drop", chosen.drop), ("hash", chosen.hash)):
        for name in names:
            where = f"processing.sanitization.{key}: {name}"
            if folded(name) == folded(key_field):
                raise ConfigError(
                    f"{where} is the partition key of the container, which every document needs as it is",
                    fix=f"Take it out of processing.sanitization.{key}, or change cosmos.partition_key",
                )
            if field_name(name) in ruled:
                raise ConfigError(
                    f"{where} has a rule in processing.anomaly.rules that would never see a value",
                    fix="Put Anomaly before Sanitize in processing.processors",
                )
    lost = sorted(_fields(chosen.drop) & _fields(processing.schematization.required))
    if lost and _comes_before(settings, "Sanitize", "Schematize"):
        raise ConfigError(
            f"processing.sanitization.drop: {lost[0]} is in processing.schematization.required,"
            " so every reading would be rejected",
            fix="Put Schematize before Sanitize in processing.processors",
        )


def _comes_before(settings: "Settings", first: str, second: str) -> bool:
    names: tuple[str, ...] = settings.processing.processors
    return first in names and second in names and names.index(first) < names.index(second)


def _fields(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(field_name, names))

"""What sections of the schema share: their base class, and the kinds of values they hold."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from sensor_tui.config import values

DAY: Final = 86400
WEEK: Final = 7 * DAY


def refused(key: str, reason: str) -> PydanticCustomError:
    """An error about one key of the section being validated."""
    return PydanticCustomError("config", "{reason}", {"key": key, "reason": reason})


def parsed(parse: Callable[[str], object]) -> BeforeValidator:
    """Put text through a parser of `values`; anything else is left to pydantic."""
    return BeforeValidator(lambda given: parse(given) if isinstance(given, str) else given)


def listed(given: object) -> object:
    """A list given as one text, separated by commas."""
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given


def mapped(given: object) -> object:
    """A mapping given as one text: `name=value`, separated by commas."""
    if not isinstance(given, str):
        return given
    pairs = [part.partition("=") for part in given.split(",") if part.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("name=value is expected, several separated by commas")
    return {name.strip(): value.strip() for name, _, value in pairs}


def lower(given: str) -> str:
    """Text without case and surrounding space."""
    return given.strip().lower()


Seconds = Annotated[float, parsed(values.duration_seconds)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Names = Annotated[tuple[Name, ...], BeforeValidator(listed)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A mapping of the file: frozen, and closed to names it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, str_strip_whitespace=True
    )

"""Every error the product reports to a person.

SensorTuiError            exit 1
├── UsageError            exit 2   wrong option or argument
├── ConfigError           exit 2   configuration that cannot be used
├── StorageError          exit 1   a file of ours cannot be read or written
│   └── SourceFileError   exit 1   one sensor file cannot be used; the others go on
├── SinkError             exit 3   the sink cannot be used
│   ├── SinkUnreachable   exit 3   no answer
│   └── SinkRefused       exit 3   it answered, and refuses us
├── OwnedElsewhere        exit 4   another engine owns these files
├── ServiceError          exit 3   the service does not answer, or speaks another version
└── FleetError            exit 1   a unit cannot be started, stopped or found
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to its caller; the numbers are an interface."""

    OK = 0
    REJECTED = 1
    USAGE = 2
    SINK = 3
    OWNED = 4


class SensorTuiError(Exception):
    """An error with a title, one line of what happened and where, and what to do about it."""

    title = "Error"
    exit_code: ExitCode = ExitCode.REJECTED

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message


class UsageError(SensorTuiError):
    """The command line asks for something that cannot be done."""

    title = "Usage"
    exit_code = ExitCode.USAGE


class ConfigError(SensorTuiError):
    """Configuration that cannot be used; the message names file, key and line."""

    title = "Configuration"
    exit_code = ExitCode.USAGE


class StorageError(SensorTuiError):
    """A file of our own (ledger, state folder) cannot be read or written."""

    title = "Storage"


class SourceFileError(StorageError):
    """One sensor file cannot be used as it is; nothing else stops."""

    title = "Sensor file"


class SinkError(SensorTuiError):
    """The sink cannot be used at all."""

    title = "Sink"
    exit_code = ExitCode.SINK


class SinkUnreachable(SinkError):
    """The sink does not answer."""


class SinkRefused(SinkError):
    """The sink answers and refuses: key, permission, or a container that is missing or different."""


class OwnedElsewhere(SensorTuiError):
    """Another engine owns these files."""

    title = "Owned by another engine"
    exit_code = ExitCode.OWNED


class ServiceError(SensorTuiError):
    """The service does not answer, or speaks another version."""

    title = "Service"
    exit_code = ExitCode.SINK


class FleetError(SensorTuiError):
    """A unit cannot be started, stopped, removed or found."""

    title = "Fleet"

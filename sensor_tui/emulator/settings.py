"""What a local endpoint is started with."""

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path

from sensor_tui.errors import UsageError

EMULATOR_KEY = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
"""The publicly documented key of Microsoft's own emulator, so that tools preset for it work here."""

DEFAULT_PORT = 8081
MAX_PARTITIONS = 1024


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """Options of the local endpoint.

    `data` is a file or a folder (a file `emulator.db` inside it); in memory when None. `ru_per_second` is the
    budget of each container, split evenly over its ranges; None is unlimited. `control` opens `/_control`.
    `aad_token` is the one bearer token accepted besides the key, for tests of AAD clients.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    data: Path | None = None
    ru_per_second: float | None = None
    partitions: int = 4
    key: str = field(default=EMULATOR_KEY, repr=False)
    tls: bool = False
    serverless: bool = False
    control: bool = False
    aad_token: str | None = field(default=None, repr=False)

    def key_bytes(self) -> bytes:
        """The key, decoded.

        Raises:
            UsageError: the key is not base64, or is empty.
        """
        try:
            decoded = base64.b64decode(self.key, validate=True)
        except (binascii.Error, ValueError):
            decoded = b""
        if not decoded:
            raise UsageError(
                "The endpoint's key is not valid base64",
                fix="Give --key a base64 string (openssl rand -base64 64 makes one), or leave it out",
            )
        return decoded

    def check(self) -> None:
        """Refuse what cannot be served.

        Raises:
            UsageError: a value is out of range.
        """
        self.key_bytes()
        if not 1 <= self.partitions <= MAX_PARTITIONS:
            raise UsageError(
                f"--partitions is {self.partitions}", fix=f"Give a number from 1 to {MAX_PARTITIONS}"
            )
        if self.ru_per_second is not None and not self.ru_per_second > 0:
            raise UsageError(
                f"--ru-per-second is {self.ru_per_second}",
                fix="Give a positive number, or leave it out for no limit",
            )
        if not 0 <= self.port <= 65535:  # noqa: PLR2004
            raise UsageError(f"--port is {self.port}", fix="Give a number from 0 (any free port) to 65535")

    def database_path(self) -> str:
        """Where SQLite keeps the documents: a file, or `:memory:`."""
        if self.data is None:
            return ":memory:"
        if self.data.is_dir() or self.data.suffix == "":
            return str(self.data / "emulator.db")
        return str(self.data)

"""What the Cosmos sink has to know; built from the configuration by whoever starts it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from sensor_tui.errors import ConfigError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_TOP_LEVEL_PATH: Final = re.compile(r'/(?:([^/"]+)|"([^"]+)")')


@dataclass(frozen=True, slots=True, kw_only=True)
class CosmosOptions:
    """One container of one account, and how to speak to it. Times are seconds.

    Without a `key` the identity of the machine or the person is used (`DefaultAzureCredential`, or
    `token_credential` where one is given). `throughput` and `autoscale_max` count only when the
    container is created; serverless accounts ignore them. `ca_file` adds to the trusted authorities.

    Raises:
        ConfigError: an endpoint that is not http(s), or a partition key that is not a top-level field.
    """

    endpoint: str
    database: str = "SensorData"
    container: str = "SensorReadings"
    partition_key: str = "/city"
    key: SecretStr | None = None
    token_credential: "AsyncTokenCredential | None" = None
    create_if_missing: bool = True
    throughput: int | None = None
    autoscale_max: int | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 65.0
    ca_file: Path | None = None
    max_concurrency_per_range: int = 50
    preferred_regions: tuple[str, ...] = ()
    endpoint_discovery: bool = True
    """Write where the account says its write region is; off: only ever use `endpoint`."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f"The Cosmos DB endpoint {self.endpoint!r} is not a web address",
                fix="Give it as https://ACCOUNT.documents.azure.com:443/",
            )
        if not _TOP_LEVEL_PATH.fullmatch(self.partition_key):
            raise ConfigError(
                f"The partition key {self.partition_key!r} is not a top-level field",
                fix="Give it as a slash and a field name, such as /city",
            )

    @property
    def key_field(self) -> str:
        """Document field that the partition key path names."""
        match = _TOP_LEVEL_PATH.fullmatch(self.partition_key)
        assert match is not None
        return match[1] or match[2]

    @property
    def host(self) -> str:
        """Host and port of the endpoint, for messages."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2]

    @property
    def link(self) -> str:
        """The container as requests are signed for it: names as they are, not URL-encoded."""
        return f"dbs/{self.database}/colls/{self.container}"

"""The configuration as the Cosmos sink and all who ask Cosmos DB take it."""

from typing import TYPE_CHECKING

from sensor_tui.errors import ConfigError

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.sync.sinks.cosmos.options import CosmosOptions


def cosmos_options(settings: "Settings") -> "CosmosOptions":
    """How to speak to the account of the configuration.

    Raises:
        ConfigError: endpoint or key are missing or cannot be used.
    """
    from sensor_tui.sync.sinks.cosmos.options import CosmosOptions

    cosmos, performance = settings.cosmos, settings.performance
    if cosmos.endpoint is None:
        raise ConfigError(
            "No Cosmos DB endpoint is configured",
            fix="Set cosmos.endpoint in the configuration file, COSMOS_ENDPOINT, or --endpoint",
        )
    if cosmos.key is None and cosmos.auth == "key":
        raise ConfigError(
            "No Cosmos DB key is configured",
            fix="Set COSMOS_KEY or COSMOS_KEY_FILE, cosmos.key or cosmos.key_file in the configuration file,"
            " or cosmos.auth: aad to use an Azure identity",
        )
    connection = cosmos.connection
    return CosmosOptions(
        endpoint=cosmos.endpoint,
        database=cosmos.database,
        container=cosmos.container,
        partition_key=cosmos.partition_key,
        key=cosmos.key if cosmos.auth == "key" else None,
        create_if_missing=cosmos.create_if_missing,
        throughput=None if performance.autoscale else performance.throughput,
        autoscale_max=performance.autoscale_max_throughput if performance.autoscale else None,
        connect_timeout=connection.connection_timeout,
        ca_file=connection.ca_file,
        max_concurrency_per_range=performance.max_parallel_operations,
        preferred_regions=connection.preferred_regions,
        endpoint_discovery=connection.enable_endpoint_discovery,
    )

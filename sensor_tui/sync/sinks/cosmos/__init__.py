"""Azure Cosmos DB as a sink: bulk creates per partition key range; nothing heavy is imported here."""

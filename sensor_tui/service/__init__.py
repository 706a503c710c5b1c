"""Where storage, sync and fleet meet: the process that holds the engine, and its API."""

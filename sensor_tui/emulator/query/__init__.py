"""Queries: the SQL the service speaks, read, planned and run."""

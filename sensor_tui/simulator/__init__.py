"""A simulated sensor: a process that appends readings to its own SQLite file."""

"""The engine and its contract; connectors are loaded by name, never from here."""

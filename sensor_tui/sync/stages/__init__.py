"""The stages: what may be done to readings between their source and the sinks."""

"""Where readings come from: one module per source."""

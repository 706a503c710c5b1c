"""Where readings go: one module or package per sink."""

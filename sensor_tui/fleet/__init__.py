"""Units and what is done to them: runtimes, and actions that are planned, run and proven."""

"""Values and pure functions that every part shares; standard library only."""

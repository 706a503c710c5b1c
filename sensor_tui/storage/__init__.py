"""SQLite: finding the files that sensors write, reading and marking their rows, and our own ledger."""

"""The six screens and the dialogs."""

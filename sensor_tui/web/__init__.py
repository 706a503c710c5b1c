"""The dashboard in a browser: who may come in, a page of our own, one process for each window."""

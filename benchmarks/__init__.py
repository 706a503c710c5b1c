"""Benchmarks: run by `make bench`, never as timed tests. Quote ratios taken in one run."""

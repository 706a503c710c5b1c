"""A million-row backlog in one file: memory over idle, and whether the end is as fast as the beginning."""

import tempfile
from pathlib import Path

from benchmarks.common import Line, child, null_endpoint, sample_tree

ROWS = 1_000_000
_MEGABYTE = 1024 * 1024


def measure(*, rows: int = ROWS) -> list[Line]:
    """One file of each generation, each in a process of its own."""
    lines = []
    for generation, wal in (("2025-08", False), ("2025-04", True)):
        with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
            sample_tree(Path(name), files=1, rows=rows, generations=(generation,), wal=wal)
            with null_endpoint() as endpoint:
                result = child("benchmarks.ours", endpoint, name)
        assert result["documents"] == rows, result
        growth = (result["rss_most"] - result["rss_idle"]) / _MEGABYTE
        ratio = result["rate_last"] / result["rate_first"]
        kind = f"{generation}, {'WAL' if wal else 'rollback'}"
        rates = f"{result['rate_first']:.0f}, then {result['rate_last']:.0f} documents/s"
        lines += [
            Line(f"{kind}: memory over idle", f"{growth:.1f} MB", "≤ 60 MB", growth <= 60),
            Line(f"{kind}: first and last 100,000", f"{rates} ({ratio:.2f})", "≥ 0.90", ratio >= 0.9),
        ]
    return lines

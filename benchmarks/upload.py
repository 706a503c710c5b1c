"""Client CPU per document and documents a second: our writer beside Microsoft's, in one run."""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, Line, child, null_endpoint, sample_tree
from sensor_tui.model.reading import Batch, schema_of
from sensor_tui.sync.encode import Encoder

TURNS = 3
AUGUST = "sensor-tui, 2025-08 files, rollback journal"
APRIL = "sensor-tui, 2025-04 files, WAL"
CREATE = "azure-cosmos create_item, 50 at a time"
BATCH = "azure-cosmos execute_item_batch"
BULK = "@azure/cosmos executeBulkOperations"


def measure(*, rows: int = 100_000) -> list[Line]:
    """Ours from SQLite row to marked row; the peers from a document in memory to its answer.

    Every writer runs several times, in turns, and its cheapest run counts: what a busy machine adds is
    never the same for two of them.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
        folder = Path(name)
        documents = folder / "documents.jsonl"
        for turn in range(TURNS):
            august, april = folder / f"august{turn}", folder / f"april{turn}"
            sample_tree(august, files=8, rows=rows // 8, generations=("2025-08",))
            sample_tree(april, files=8, rows=rows // 8, generations=("2025-04",), wal=True)
            if not turn:
                _write_documents(august, documents, 20_000)
            with null_endpoint() as endpoint:
                for writer, run in _writers(endpoint, august, april, documents).items():
                    if (result := run()) is not None:
                        results.setdefault(writer, []).append(result)
    return _lines({writer: min(runs, key=_each) for writer, runs in results.items()})


def _writers(
    endpoint: str, august: Path, april: Path, documents: Path
) -> dict[str, Callable[[], dict[str, Any] | None]]:
    return {
        AUGUST: lambda: child("benchmarks.ours", endpoint, august),
        APRIL: lambda: child("benchmarks.ours", endpoint, april),
        CREATE: lambda: child("benchmarks.azure_sdk", "create", endpoint, documents, 2000),
        BATCH: lambda: child("benchmarks.azure_sdk", "batch", endpoint, documents, 20_000),
        BULK: lambda: _javascript(endpoint, documents),
    }


def _each(result: dict[str, Any]) -> float:
    """CPU microseconds of one document."""
    return float(result["cpu_us"] / result["documents"])


def _lines(results: dict[str, dict[str, Any]]) -> list[Line]:
    each = {writer: _each(result) for writer, result in results.items()}
    ours = each[AUGUST]
    lines = []
    for writer, result in results.items():
        rate = result["documents"] / result["seconds"]
        text = f"{each[writer]:8.1f} µs/document  {rate:8.0f} documents/s"
        met = each[writer] <= 25 if writer in {AUGUST, APRIL} else None
        lines.append(Line(writer, text, "" if met is None else "≤ 25 µs", met))
    lines.append(
        Line("create_item, times ours", f"{each[CREATE] / ours:.0f}", "≥ 100", each[CREATE] >= 100 * ours)
    )
    if BULK in each:
        ratio = each[BULK] / ours
        lines.append(Line("executeBulkOperations, times ours", f"{ratio:.1f}", "≥ 4", ratio >= 4))
    return lines


def _write_documents(folder: Path, path: Path, count: int) -> None:
    """The documents of a tree's first rows, for writers that do not read SQLite."""
    each = -(-count // 8)
    with path.open("wb") as out:
        for database in sorted(folder.rglob("*.db")):
            connection = sqlite3.connect(database)
            columns = tuple(row[1] for row in connection.execute("PRAGMA table_info(sensor_readings)"))
            schema = schema_of(columns)
            names = ", ".join(schema.columns)
            rows = connection.execute(f"SELECT {names} FROM sensor_readings LIMIT {each}").fetchall()
            connection.close()
            batch = Batch(str(database), database.parts[-3], schema, rows, 0, more=False)
            for body in Encoder("city").encode(batch).bodies:
                assert body is not None
                out.write(body + b"\n")


def _javascript(endpoint: str, documents: Path) -> dict[str, Any] | None:
    modules = Path(os.environ.get("SENSOR_TUI_NODE_MODULES", ROOT / "build" / "peers" / "node_modules"))
    if shutil.which("node") is None or not (modules / "@azure" / "cosmos").is_dir():
        print("@azure/cosmos is missing and not measured: see tests/node/package.json")
        return None
    done = subprocess.run(
        ["node", ROOT / "benchmarks" / "peers" / "bulk.js", endpoint, "a2V5", documents],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NODE_PATH": str(modules)},
    )
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result

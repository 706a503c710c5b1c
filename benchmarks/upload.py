"""Client CPU per document and documents a second: our writer beside Microsoft's, in one run."""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, Line, child, null_endpoint, sample_tree
from sensor_tui.model.reading import Batch, schema_of
from sensor_tui.sync.encode import Encoder


def measure(*, rows: int = 200_000) -> list[Line]:
    """Ours from SQLite row to marked row; the peers from a document in memory to its answer."""
    with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
        folder = Path(name)
        sample_tree(folder / "august", files=8, rows=rows // 8, generations=("2025-08",))
        sample_tree(folder / "april", files=8, rows=rows // 8, generations=("2025-04",), wal=True)
        documents = folder / "documents.jsonl"
        _write_documents(folder / "august", documents, 20_000)
        with null_endpoint() as endpoint:
            results = {
                "sensor-tui, 2025-08 files, rollback journal": child(
                    "benchmarks.ours", endpoint, folder / "august"
                ),
                "sensor-tui, 2025-04 files, WAL": child("benchmarks.ours", endpoint, folder / "april"),
                "azure-cosmos create_item, 50 at a time": child(
                    "benchmarks.azure_sdk", "create", endpoint, documents, 3000
                ),
                "azure-cosmos execute_item_batch": child(
                    "benchmarks.azure_sdk", "batch", endpoint, documents, 20_000
                ),
            }
            if (bulk := _javascript(endpoint, documents)) is not None:
                results["@azure/cosmos executeBulkOperations"] = bulk
    return _lines(results)


def _lines(results: dict[str, dict[str, Any]]) -> list[Line]:
    each = {name: result["cpu_us"] / result["documents"] for name, result in results.items()}
    ours, *_ = each.values()
    lines = []
    for name, result in results.items():
        rate = result["documents"] / result["seconds"]
        text = f"{each[name]:8.1f} µs/document  {rate:8.0f} documents/s"
        if name.startswith("sensor-tui"):
            lines.append(Line(name, text, "≤ 25 µs", each[name] <= 25))
        else:
            lines.append(Line(name, text))
    create = each["azure-cosmos create_item, 50 at a time"] / ours
    lines.append(Line("create_item costs, times ours", f"{create:.0f}", "≥ 100", create >= 100))
    if "@azure/cosmos executeBulkOperations" in each:
        bulk = each["@azure/cosmos executeBulkOperations"] / ours
        lines.append(Line("executeBulkOperations costs, times ours", f"{bulk:.1f}", "≥ 4", bulk >= 4))
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

"""Killed at every step, again and again: nothing is lost, nothing is there twice, every file can be read."""

import json
import subprocess
import sys

from sensor_tui.sync.sinks.archive.documents import read
from sensor_tui.sync.sinks.archive.options import SUFFIXES
from tests.archive.kit import documents, ids_in
from tests.archive.lives import IN_A_REQUEST, REQUESTS, WINDOWS


def test_every_document_is_there_once(tmp_path, form):
    folder = tmp_path / "archive"
    done = subprocess.run(
        [sys.executable, "-m", "tests.archive.lives", folder, form],
        check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    deaths = json.loads(done.stdout)
    assert all(deaths[window] == 2 for window in WINDOWS), deaths
    dataset = folder / "London" / f"LON_123456{SUFFIXES[form]}"
    parts = sorted(dataset.glob(f"[!.]*{SUFFIXES[form]}"))
    found = [each for part in parts for each in ids_in(part)]
    [entries] = read(documents(0, REQUESTS * IN_A_REQUEST))[0].values()
    assert sorted(found) == sorted(entry.id for entry in entries)
    assert sorted(path.name for path in dataset.parent.iterdir()) == [f".{dataset.name}.lock", dataset.name]
    assert set(dataset.iterdir()) == set(parts), "a crash left nothing behind"

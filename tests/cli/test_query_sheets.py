"""The forms an answer is written in, where rows change their columns or types on the way."""

import csv
import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli import query_parquet
from sensor_tui.cli.query_sheets import Sheet, sheet_of, unique
from sensor_tui.cli.query_target import target_of
from sensor_tui.errors import StorageError, UsageError

Write = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files are written."""
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.fixture
def write(folder: Path) -> Write:
    """Write batches to a file in a form; what could not be written."""

    def call(form: str, *batches: Any, path: Path | None = None) -> list[str]:
        with target_of(path, force=False) as target:
            sheet = sheet_of(form, target, plain=True)
            for batch in batches:
                put(sheet, batch)
            return sheet.finish()

    return call


def put(sheet: Sheet, batch: Any) -> None:
    if isinstance(batch, list):
        sheet.add_documents(batch)
    else:
        sheet.add(*batch)


def test_a_csv_file_gets_columns_that_come_later(write: Write, folder: Path) -> None:
    path = folder / "a.csv"
    text = 'a "quoted", and\nbroken value'
    batches = [{"a": 1, "b": text}], [{"b": 2, "c": 3}], (["a", "a"], [[4, 5]])
    assert write("csv", *batches, path=path) == []
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert rows == [
        {"a": "1", "b": 'a "quoted", and broken value', "c": "", "a_2": ""},
        {"a": "", "b": "2", "c": "3", "a_2": ""},
        {"a": "4", "b": "", "c": "", "a_2": "5"},
    ]
    assert [each.name for each in folder.iterdir()] == ["a.csv"]


def test_csv_on_standard_output_says_what_it_leaves_out(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = write("csv", [{"a": 1}], [{"a": 2, "late\x1b": 3}])
    assert capsys.readouterr().out == "a\n1\n2\n"
    assert len(problems) == 1
    assert "left out: late\ufffd." in problems[0]


def test_documents_have_the_usual_columns_from_the_beginning(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {"id": "x", "sensorId": "A", "own": 1, "_ts": 5}
    assert write("csv", [first], [first | {"anomalyType": "spike"}]) == []
    head, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert head[:4] == ["id", "sensorId", "timestamp", "city"]
    assert {"own", "_ts", "anomalyType"} <= set(head)
    assert [row[head.index("anomalyType")] for row in rows] == ["", "spike"]


def test_columns_of_the_system_come_last_and_in_one_order(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    system = ["_rid", "_self", "_etag", "_attachments", "_ts"]
    write("csv", [{"id": "x", "sensorId": "A"} | dict.fromkeys(reversed(system), 1)])
    head, *_ = csv.reader(io.StringIO(capsys.readouterr().out))
    assert head[-5:] == system


def test_json_lines_keep_what_a_document_has(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    documents = [{"a": {"b": [1, None]}, "ü": "São \x1b[2J\x7f\ud800\u202e"}, 7, None]
    assert write("jsonl", documents, (["n", "n"], [[1, "x"]])) == []
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x7f" not in out
    assert [json.loads(line) for line in out.splitlines()] == [*documents, {"n": 1, "n_2": "x"}]


def test_unique_names() -> None:
    assert unique(["n", "n", "n_2", "m"]) == ["n", "n_2", "n_2_2", "m"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Row groups of four rows; and what reads them."""
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(query_parquet, "_ROWS", 2)
    monkeypatch.setattr(query_parquet, "_GROUP_ROWS", 4)
    return parquet


def test_parquet_types_are_widened_after_rows_were_written(write: Write, small: Any, folder: Path) -> None:
    path = folder / "a.parquet"
    head = ["i", "r", "t", "n", "b", "large"]
    rows: list[list[Any]] = [[n, n, n, None, True, 2**60 + n] for n in range(6)]
    later = [[7, 0.5, "text", 1.5, False, 0.5], [8, 1, 8, 2, None, None]]
    assert write("parquet", (head, rows), (head, later), [{"i": 9, "new": "x"}], path=path) == []
    table = small.read_table(path)
    assert {field.name: str(field.type) for field in table.schema} == {
        "i": "int64", "r": "double", "t": "string", "n": "double", "b": "bool", "large": "string",
        "new": "string",
    }  # fmt: skip
    assert table.column("i").to_pylist() == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert table.column("r").to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.5, 1.0, None]
    assert table.column("t").to_pylist() == ["0", "1", "2", "3", "4", "5", "text", "8", None]
    assert table.column("n").to_pylist() == [None] * 6 + [1.5, 2.0, None]
    assert table.column("large").to_pylist()[:2] == [str(2**60), str(2**60 + 1)]
    assert table.column("large").to_pylist()[6] == "0.5"
    assert table.column("new").to_pylist() == [None] * 8 + ["x"]
    assert small.ParquetFile(path).num_row_groups > 1
    assert [each.name for each in folder.iterdir()] == ["a.parquet"]


def test_parquet_of_nothing_and_of_odd_values(write: Write, small: Any, folder: Path) -> None:
    assert write("parquet", (["a", "b"], []), path=folder / "empty.parquet") == []
    assert small.read_table(folder / "empty.parquet").column_names == ["a", "b"]
    rows = [[True, "\ud800x", 2**70], [1, "é", 1]]
    assert write("parquet", (["a", "b", "c"], rows), path=folder / "odd.parquet") == []
    table = small.read_table(folder / "odd.parquet").to_pydict()
    assert table == {"a": ["true", "1"], "b": ["?x", "é"], "c": [str(2**70), "1"]}


def test_parquet_needs_a_file(write: Write) -> None:
    with pytest.raises(UsageError, match="--output"):
        write("parquet", (["a"], []))


def test_a_file_that_came_meanwhile_is_not_replaced(folder: Path) -> None:
    path = folder / "a.txt"

    def lose_the_race() -> None:
        with target_of(path, force=False) as target:
            target.write("ours\n")
            path.write_text("theirs")

    with pytest.raises(UsageError, match="there already"):
        lose_the_race()
    assert path.read_text() == "theirs"
    assert [each.name for each in folder.iterdir()] == ["a.txt"]


def test_a_disk_that_is_full_is_said_so(folder: Path) -> None:
    def write_too_much() -> None:
        with target_of(folder / "a.txt", force=False):
            raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"a\.txt cannot be written: No space left"):
        write_too_much()
    assert list(folder.iterdir()) == []


def test_an_interrupted_export_leaves_nothing(spawn: Any, readings: Any) -> None:
    readings(1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    process = spawn("query", "--sql", endless, "--output", "out.csv")
    while not any(path.stat().st_size for path in Path().glob(".out.csv.*.part")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert [path.name for path in Path().iterdir()] == ["data"]

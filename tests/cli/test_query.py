"""`sensor-tui query`."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def sensor_of(path: Path) -> str:
    return path.parent.name


def test_the_newest_readings_first(run: Run, readings: Any) -> None:
    readings(30)
    readings(30, city="Manila", generation="2025-04")
    done = run("query", "--city", "London", "--limit", 5, "--json")
    assert done.code == 0
    assert [row["id"] for row in done.json["rows"]] == [30, 29, 28, 27, 26]
    assert done.json["complete"] is False
    assert "--limit" in done.err
    table = run("query", "--limit", 3)
    assert table.code == 0
    assert "source" in table.out
    assert len(table.out.splitlines()) == 4


def test_one_sensor_in_every_form(run: Run, readings: Any) -> None:
    path = readings(4)
    readings(4, number=2)
    for option in ("--sensor", "--sensor-id"):
        done = run("query", option, sensor_of(path), "--format", "jsonl")
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert [line["id"] for line in lines] == [4, 3, 2, 1]
        assert {line["sensor_id"] for line in lines} == {sensor_of(path)}
    done = run("query", "--sensor", sensor_of(path), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["id"] for row in rows] == ["4", "3", "2", "1"]
    assert float(rows[0]["temperature"])


def test_times_narrow_it_down(run: Run, readings: Any) -> None:
    readings(10)
    newest = run("query", "--limit", 1, "--json").json["rows"][0]["timestamp"]
    done = run("query", "--until", "2020-01-01T00:00:00Z")
    assert (done.code, done.out, done.err) == (0, "", "There are no such readings.\n")
    assert len(run("query", "--since", newest, "--json").json["rows"]) == 1
    assert len(run("query", "--since", "7d", "--json").json["rows"]) == 10
    done = run("query", "--since", "yesterday")
    assert done.code == 2
    assert "--since yesterday is not a time" in done.err


def test_the_list(run: Run, readings: Any) -> None:
    path = readings(3)
    bad = Path("data/London/bad.db")
    bad.write_bytes(b"junk" * 100)
    done = run("query", "--list")
    assert done.code == 1
    assert sensor_of(path) in done.out
    assert "London/bad.db" in done.out
    found = run("query", "--list", "--json").json["rows"]
    assert [row["sensor_id"] for row in found] == [sensor_of(path), None] or found[0]["problem"]


def test_counts(run: Run, readings: Any) -> None:
    readings(7)
    readings(9, city="Manila")
    done = run("query", "--all", "--count", "--json")
    assert sorted(row["count"] for row in done.json["rows"]) == [7, 9]


def test_sql_reads_and_does_nothing_else(run: Run, readings: Any) -> None:
    path = readings(7)
    done = run("query", "--sql", "SELECT count(*) AS n, max(id) AS n FROM sensor_readings", "--json")
    assert done.json["rows"] == [{"n": 7, "n_2": 7}]
    before = path.read_bytes()
    done = run("query", "--sql", "DELETE FROM sensor_readings")
    assert done.code == 2
    assert "may not use DELETE" in done.err
    assert path.read_bytes() == before
    done = run("query", "--sql", "SELECT nope FROM sensor_readings")
    assert (done.code, "no such column: nope" in done.err) == (2, True)


def test_hostile_values_stay_plain(run: Run, readings: Any) -> None:
    readings(1)
    for form in ("table", "json", "jsonl", "csv"):
        done = run(
            "query", "--sql", "SELECT char(27) || '[2J' || char(10) AS \"x\x1b[31m\"", "--format", form
        )
        assert done.code == 0
        assert "\x1b" not in done.out


def test_cosmos_tells_what_it_cost(run: Run, readings: Any, endpoint: Any) -> None:
    readings(12)
    assert run("sync").code == 0
    done = run("query", "--cosmos", "--count")
    assert (done.code, done.out.split()) == (0, ["count", "12"])
    assert done.err.endswith("RU\n")
    done = run("query", "--cosmos", "--city", "London", "--limit", 5, "--json")
    assert [row["sqlite_id"] for row in done.json["rows"]] == [12, 11, 10, 9, 8]
    assert done.json["request_units"] > 0
    done = run("query", "--query", "SELECT TOP 2 c.id FROM c", "--format", "jsonl")
    assert len(done.out.splitlines()) == 2
    assert "_etag" not in run("query", "--cosmos", "--limit", 1).out
    assert run("query", "--query", "SELEC").code == 2


def test_cosmos_without_an_endpoint_is_said_so(run: Run) -> None:
    done = run("query", "--cosmos", "--count")
    assert (done.code, "COSMOS_ENDPOINT" in done.err) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        ("--cosmos", "--sql", "SELECT 1"),
        ("--cosmos", "--list"),
        ("--query", "SELECT 1", "--count"),
        ("--query", "SELECT 1", "--city", "London"),
        ("--sql", "SELECT 1", "--count"),
        ("--sql", "SELECT 1", "--since", "1h"),
        ("--all", "--city", "London"),
        ("--limit", "-1"),
        ("--limit", "5", "--no-limit"),
        ("--format", "xml"),
        ("--format", "parquet"),
        ("--format", "csv", "--json"),
        ("--force",),
        ("--analyze", "--count"),
        ("--analyze", "--sql", "SELECT 1"),
        ("--query", "SELECT 1", "--analyze"),
        ("--output", "nowhere/x.csv"),
        ("--output", "/dev/null", "--force"),
        ("--sensor", "nobody"),
        ("--sql", ""),
        ("--query", " "),
        ("--city", ""),
        ("--cosmos", "--compare", "5"),
        ("--since", "2h", "--until", "7d"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, readings: Any, options: tuple[str, ...]) -> None:
    readings(1)
    assert run("query", *options).code == 2


def test_without_files_it_says_what_to_name(run: Run) -> None:
    done = run("query")
    assert (done.code, "--data-dir" in done.err) == (2, True)


def parquet(path: Path) -> Any:
    return pytest.importorskip("pyarrow.parquet").read_table(path)


def test_everything_on_request_and_to_a_file_without_asking(run: Run, readings: Any) -> None:
    readings(30)
    for option in (("--no-limit",), ("--limit", 0)):
        assert len(run("query", "--format", "jsonl", *option).out.splitlines()) == 30
    cut = run("query", "--format", "csv")
    assert (len(cut.out.splitlines()), "There are more: the first 20 rows" in cut.err) == (21, True)
    for name in ("a.csv", "a.jsonl", "a.ndjson", "a.json", "a.parquet", "a.txt"):
        done = run("query", "--output", name)
        assert (done.code, done.out, done.err) == (0, "", f"Wrote 30 rows to {name}.\n")
    assert len(Path("a.csv").read_text().splitlines()) == 31
    assert [json.loads(line)["id"] for line in Path("a.jsonl").read_text().splitlines()] == [
        *range(30, 0, -1)
    ]
    assert len(json.loads(Path("a.json").read_text())["rows"]) == 30
    assert len(Path("a.txt").read_text().splitlines()) == 31
    assert parquet(Path("a.parquet")).column("id").to_pylist() == [*range(30, 0, -1)]
    assert run("query", "--output", "b.csv", "--limit", 3).code == 0
    assert len(Path("b.csv").read_text().splitlines()) == 4


def test_a_file_is_there_whole_or_not_at_all_and_never_overwritten_unasked(run: Run, readings: Any) -> None:
    readings(5)
    out = Path("out.csv")
    out.write_text("precious")
    done = run("query", "--output", out)
    assert (done.code, "--force" in done.err, out.read_text()) == (2, True, "precious")
    assert run("query", "--output", out, "--force").code == 0
    assert len(out.read_text().splitlines()) == 6
    assert run("query", "--sql", "SELEC", "--output", "new.csv").code == 2
    assert sorted(path.name for path in Path().iterdir()) == ["data", "out.csv"]


def test_parquet_keeps_types_and_says_what_it_needs(
    run: Run, readings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(3)
    sql = (
        "SELECT 1 AS i, 1.5 AS r, 'x' AS t, NULL AS n, x'00' AS b, CASE WHEN id = 2 THEN 'a' ELSE id END AS m"
    )
    assert run("query", "--sql", f"{sql} FROM sensor_readings", "--output", "t.parquet").code == 0
    table = parquet(Path("t.parquet"))
    assert [str(field.type) for field in table.schema] == [
        "int64", "double", "string", "string", "string", "string"
    ]  # fmt: skip
    assert table.column("m").to_pylist() == ["1", "a", "3"]
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    done = run("query", "--output", "u.parquet")
    assert (done.code, "sensor-tui[parquet]" in done.err, Path("u.parquet").exists()) == (2, True, False)


def test_a_file_of_several_generations_has_the_columns_of_all(run: Run, readings: Any) -> None:
    readings(3)
    readings(4, city="Manila", generation="2025-04")
    assert run("query", "--output", "all.csv").code == 0
    rows = list(csv.DictReader(io.StringIO(Path("all.csv").read_text())))
    assert len(rows) == 7
    assert {bool(row["humidity"]) for row in rows if "London" in row["source"]} == {True}
    assert {row["humidity"] for row in rows if "Manila" in row["source"]} == {""}


def test_the_list_and_counts_in_every_form(run: Run, readings: Any) -> None:
    path = readings(3)
    assert run("query", "--list", "--format", "csv").out.splitlines()[1].split(",")[0] == sensor_of(path)
    assert json.loads(run("query", "--count", "--format", "jsonl").out)["count"] == 3
    assert run("query", "--count", "--output", "n.parquet").code == 0
    assert parquet(Path("n.parquet")).column("count").to_pylist() == [3]


def test_the_first_line_comes_before_the_last_row_is_read(spawn: Any, readings: Any) -> None:
    readings(1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    for form, first in (("jsonl", '{"i": 1}\n'), ("csv", "i\n")):
        process = spawn("query", "--sql", endless, "--format", form, "--no-limit")
        assert process.stdout.readline() == first
        process.stdout.close()
        assert process.wait(30) == 141


def test_counting_files_says_how_cosmos_is_asked(run: Run, readings: Any, endpoint: Any) -> None:
    readings(2)
    assert "--cosmos counts what Cosmos DB has" in run("query", "--count").err


def test_cosmos_in_every_form(run: Run, readings: Any, endpoint: Any) -> None:
    path = readings(150)
    readings(10, city="Manila", generation="2025-04")
    assert run("sync").code == 0
    lines = run("query", "--cosmos", "--no-limit", "--format", "jsonl")
    assert len(lines.out.splitlines()) == 160
    assert lines.err.endswith("RU\n")
    newest = run("query", "--cosmos", "--city", "London", "--limit", 5, "--format", "jsonl")
    assert [json.loads(line)["sqlite_id"] for line in newest.out.splitlines()] == [150, 149, 148, 147, 146]
    assert "There are more" in newest.err
    done = run("query", "--cosmos", "--output", "c.csv")
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(Path("c.csv").read_text())))
    assert len({row["id"] for row in rows}) == 160
    assert sum(bool(row["humidity"]) for row in rows) == 150
    assert run("query", "--cosmos", "--output", "c.parquet").code == 0
    assert parquet(Path("c.parquet")).num_rows == 160
    few = run("query", "--cosmos", "--sensor", sensor_of(path), "--format", "csv", "--limit", 2)
    head, *rest = few.out.splitlines()
    assert (len(rest), "anomalyType" in head.split(",")) == (2, True)


def test_what_cosmos_has_by_city_sensor_and_day_and_whether_it_is_complete(
    run: Run, readings: Any, endpoint: Any
) -> None:
    path = readings(30)
    readings(12, city="Manila", generation="2025-04")
    assert run("sync").code == 0
    readings(5)
    done = run("query", "--analyze", "--json")
    assert done.code == 0
    found = done.json
    assert found["documents"] == 42
    assert found["by_city"] == [
        {"city": "London", "documents": 30, "readings": 30},
        {"city": "Manila", "documents": 12, "readings": 12},
    ]
    assert sum(each["documents"] for each in found["by_day"]) == 42
    london = next(each for each in found["completeness"] if each["sensor"] == sensor_of(path))
    expected = {"rows": 35, "closed": 30, "open": 5, "dead": 0, "documents": 30, "compared": 30, "missing": 0}
    assert london.items() >= (expected | {"verdict": "complete"}).items()
    assert found["request_units"] > 0
    table = run("query", "--cosmos", "--analyze", "--city", "London")
    assert table.code == 0
    assert "Manila" not in table.out
    assert [part.split()[0] for part in table.out.split("\n\n")] == ["city", "sensor", "day", "sensor"]
    counts = run("query", "--analyze", "--format", "csv").out.splitlines()
    assert counts[0] == "city,sensor,day,stage,documents,readings"
    sampled = run("query", "--analyze", "--compare", 7, "--sensor", sensor_of(path), "--json").json
    # one of seven places in the file has open rows only
    assert sampled["completeness"][0]["verdict"] == "complete as far as looked: 6 rows"


def test_closed_rows_that_cosmos_does_not_have_are_missed(run: Run, readings: Any, endpoint: Any) -> None:
    from contextlib import closing
    from sqlite3 import connect

    path = readings(8)
    assert run("sync").code == 0
    readings(3)
    with closing(connect(path)) as db, db:
        db.execute("UPDATE sensor_readings SET synced = 1 WHERE id > 9")
    done = run("query", "--analyze")
    assert done.code == 1
    assert f"{sensor_of(path)}: 2 closed rows are not in this container" in done.err
    assert "2 missing" in done.out
    nowhere = run("query", "--analyze", "--data-dir", "nowhere")
    assert nowhere.code == 2


def test_an_analysis_without_files_counts_what_there_is(
    run: Run, readings: Any, endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(4)
    assert run("sync").code == 0
    monkeypatch.chdir(tmp_path)
    done = run("query", "--analyze", "--json")
    assert (done.code, done.json["documents"], done.json["completeness"]) == (0, 4, None)
    assert "no files to compare with" in done.err
    assert "--cosmos asks Cosmos DB instead" in run("query", "--count").err


def test_what_is_empty_or_exchanged_is_named(run: Run, readings: Any) -> None:
    readings(1)
    for options, words in (
        (("--sql", ""), "--sql is empty"),
        (("--query", ""), "--query is empty"),
        (("--cosmos", "--compare", 5), "--compare goes with --analyze"),
        (("--since", "2h", "--until", "7d"), "--since 2h is later than --until 7d"),
    ):
        assert words in run("query", *options).err
    done = run("query", "--limit", 0, "--json")
    assert (done.code, len(done.json["rows"])) == (0, 1)


def test_one_row_is_told_as_one(run: Run, readings: Any) -> None:
    readings(3)
    assert "the first 1 row is shown" in run("query", "--limit", 1).err
    assert "the first 2 rows are shown" in run("query", "--limit", 2).err


def test_a_folder_without_databases_is_named(run: Run) -> None:
    folder = Path("empty").absolute()
    folder.mkdir()
    done = run("query", "--data-dir", folder, "--all")
    assert (done.code, f"No sensor database was found in {folder}" in done.err) == (2, True)
    assert run("query", "--data-dir", folder, "--list").code == 0


def test_a_city_written_otherwise_is_told(run: Run, readings: Any, endpoint: Any) -> None:
    readings(3)
    assert run("sync").code == 0
    for options in (("--count",), ("--limit", 2), ("--format", "csv"), ("--analyze",)):
        done = run("query", "--cosmos", "--city", "london", *options)
        assert (done.code, "No city 'london'; there is 'London'." in done.err) == (0, True)
    assert "No city" not in run("query", "--cosmos", "--city", "London", "--since", "9999-01-01").err
    done = run("query", "--query", "SELECT c.city, COUNT(1) AS n FROM c GROUP BY c.city")
    assert (done.code, "GROUP BY over several partitions" in done.err, "SDK" in done.err) == (2, True, False)


def test_an_endpoint_that_does_not_answer_is_told_in_our_words(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COSMOS_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("COSMOS_KEY", "a2V5a2V5a2V5a2V5")
    done = run("query", "--cosmos", "--limit", "1")
    assert done.code == 3
    assert "connection refused" in done.err
    assert "ssl" not in done.err

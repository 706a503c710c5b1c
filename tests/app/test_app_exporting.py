"""Files that are exported: safe for spreadsheets, valid JSON, never half written."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from sensor_tui.app.exporting import suggested, text_of, write
from sensor_tui.errors import StorageError
from sensor_tui.model.table import Table
from tests.app.fake import NOW


def cells(*values) -> list[str]:
    table = Table([f"c{place}" for place in range(len(values))], [values])
    return list(csv.reader(io.StringIO(text_of(table, "csv"))))[1]


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1", '=HYPERLINK("x")']
)
def test_what_a_spreadsheet_would_run_is_led_by_an_apostrophe(text):
    assert cells(text) == [f"'{text}"]


@pytest.mark.parametrize("text", ["-5.3", "+1", "1,234", "a=b", "", "London", "-1e-9", "-12%"])
def test_numbers_and_words_stay_what_they_are(text):
    assert cells(text) == [text]


def test_values_that_are_no_text():
    assert cells(1, -2.5, None, True) == ["1", "-2.5", "", "True"]


def test_headings_are_guarded_too():
    assert text_of(Table(["=x"], []), "csv") == "'=x\r\n"


def test_json_has_every_column_and_no_infinity():
    rows = json.loads(text_of(Table(["a", "a", "b"], [(1, 2, math.inf), (None, "\u202e", math.nan)]), "json"))
    assert rows == [{"a": 1, "a_2": 2, "b": "inf"}, {"a": None, "a_2": "\u202e", "b": "nan"}]


def test_a_name_from_others_is_no_path():
    path = suggested(Path("/x"), "../../etc/[red]\x1b", NOW, "csv")
    assert path == Path("/x/etc-red-2026-03-14-150926.csv")
    assert suggested(Path("/x"), "///", NOW, "json").name == "table-2026-03-14-150926.json"


def test_a_file_is_not_replaced_unless_said(tmp_path):
    path = tmp_path / "x"
    assert write(path, "one", replace=False) == 3
    with pytest.raises(StorageError, match="exists"):
        write(path, "two", replace=False)
    assert path.read_text() == "one"
    write(path, "two", replace=True)
    assert path.read_text() == "two"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_why_it_cannot_be_written(tmp_path):
    with pytest.raises(StorageError, match="no folder"):
        write(tmp_path / "no" / "x", "", replace=False)
    with pytest.raises(StorageError, match="is a folder"):
        write(tmp_path, "", replace=True)
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write(tmp_path / "f" / "x", "", replace=False)

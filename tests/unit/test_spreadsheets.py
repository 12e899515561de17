"""Tables of names from strangers: nothing in them is a formula to a spreadsheet, and everything comes back."""

import csv
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taglens.cli.main import main
from taglens.errors import TableError
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import read_table
from taglens.labels.files.thresholds import read_thresholds, write_thresholds
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.runs.comparison import RunMetrics, comparison_csv
from taglens.spreadsheets import UNGUARD, guard, guarded_columns, unguard

FORMULAS = {
    "a command": "=cmd|' /C calc'!A0",
    "a sum": "+1+1",
    "a difference": "-1+1",
    "a function of old": "@SUM(1)",
    "behind a tab": "\t=1",
    "behind a line end": "a\r\n=1",
    "behind the sign at which other countries split": "a.jpg;=1",
    "behind spaces": "a; =1",
    "wide": "\uff1d1",
    "guarded by somebody else": "'=1",
}
COMPUTED = re.compile("(^|[,;\t\r\n]) *[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""What some spreadsheet would compute, wherever it splits lines."""


@pytest.mark.parametrize("name", FORMULAS)
def test_no_formula_is_left(name):
    assert COMPUTED.search(FORMULAS[name]) or FORMULAS[name].startswith("'")
    assert not COMPUTED.search(guard(FORMULAS[name]))
    assert unguard(guard(FORMULAS[name])) == FORMULAS[name]


@pytest.mark.parametrize("name", ["dog", "a-b", "it's", "a=b", "dog|!cat", "", "1", "photos/a+b.jpg"])
def test_what_is_no_formula_stays_as_it_is(name):
    assert guard(name) == name


@settings(deadline=None)
@given(st.text(alphabet="=+-@'; ,\t\r\na|\uff1d") | st.text())
def test_the_guard_is_taken_away_exactly(text):
    assert not COMPUTED.search(guard(text))
    assert unguard(guard(text)) == text
    if text.isprintable():
        assert pc.replace_substring_regex(pa.array([guard(text)]), UNGUARD, r"\1\2").to_pylist() == [text], "as the reader does it"


names = st.text(alphabet="=+-@'; ,|!a\uff1d", min_size=1, max_size=6).map(lambda text: text.strip(" |!") or "x")
tables = st.builds(
    lambda images, classes, cells, split: LabelTable(
        images=tuple(dict.fromkeys(images)),
        classes=tuple(dict.fromkeys(classes)),
        labels=PartialLabels(np.resize(np.array(cells, np.int8), (len(dict.fromkeys(images)), len(dict.fromkeys(classes))))),
        splits=(split,) * len(dict.fromkeys(images)),
        origins=(Origin("given"), Origin("reviewed", "=ada", "2026-11-21T11:02Z")),
        origin_index=np.ones((len(dict.fromkeys(images)), len(dict.fromkeys(classes))), np.int16),
    ),
    st.lists(names, min_size=1, max_size=3),
    st.lists(names.map(lambda name: name.replace("|", "a").lstrip("!") or "x"), min_size=1, max_size=3),
    st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=9),
    names,
)


@pytest.mark.parametrize("form", ["wide", "tags"])
@settings(deadline=None)
@given(table=tables)
def test_a_table_for_spreadsheets_reads_back(tmp_path_factory, table, form):
    table = table if form == "wide" else table.with_labels(PartialLabels(np.abs(table.labels.values)))
    path = tmp_path_factory.mktemp("guarded") / "t.csv"
    table.write(path, form=form, for_spreadsheets=True)
    with path.open(encoding="utf-8", newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if COMPUTED.search(cell)]
    # names such as '+=' that come again could be tags between plus signs, which reading asks about
    options = TableOptions(tag_separator="bar" if form == "tags" else None)
    assert read_table(path, options=options) == table


def test_a_table_that_is_not_guarded_keeps_its_apostrophes(tmp_path):
    (tmp_path / "t.csv").write_text("image,'=dog\n'=a.jpg,1\n")
    table = LabelTable.read(tmp_path / "t.csv")
    assert (table.images, table.classes) == (("'=a.jpg",), ("'=dog",))


@pytest.mark.parametrize("separator", ";\t")
def test_a_guarded_table_that_a_spreadsheet_saved_otherwise_is_read(tmp_path, separator):
    (tmp_path / "t.csv").write_text(
        separator.join(["image:guarded", "'=dog"]) + "\n" + separator.join(["'=a.jpg", "1"]) + "\n", "utf-8-sig"
    )
    table = LabelTable.read(tmp_path / "t.csv")
    assert (table.images, table.classes) == (("=a.jpg",), ("=dog",))


def test_convert_writes_them_and_reads_them(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("image,=dog\n=a.jpg,1\n")
    assert main(["convert", str(tmp_path / "t.csv"), "--out", str(tmp_path / "g.csv"), "--for-spreadsheets"]) == 0
    assert (tmp_path / "g.csv").read_text() == "image:guarded,'=dog\n'=a.jpg,1\n"
    assert main(["convert", str(tmp_path / "g.csv"), "--out", str(tmp_path / "again.csv")]) == 0
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "t.csv").read_text()
    assert main(["convert", str(tmp_path / "t.csv"), "--out", str(tmp_path / "g.parquet"), "--for-spreadsheets"]) == 2
    with pytest.raises(SystemExit):
        main(["convert", str(tmp_path / "t.csv"), "--to", "label-studio", "--out", str(tmp_path / "g.json"), "--for-spreadsheets"])
    assert capsys.readouterr().err.count("for-spreadsheets") == 2
    with pytest.raises(TableError, match="only CSV is guarded"):
        LabelTable.read(tmp_path / "t.csv").write(tmp_path / "g.json", for_spreadsheets=True)


def test_columns_of_names_are_guarded_and_numbers_keep_their_signs():
    table = guarded_columns(("class", "run", "change"), [("=1+1", "first", "-0.5"), ("dog", "second", "-1")], ("class", "run"))
    assert table == (["class:guarded", "run", "change"], [["'=1+1", "first", "-0.5"], ["dog", "second", "-1"]])


def test_a_table_without_formulas_looks_as_it_always_did():
    assert guarded_columns(("class", "change"), [("dog", -1)], ("class",)) == (["class", "change"], [["dog", -1]])
    assert guarded_columns(("class", "change"), [], ("class",)) == (["class", "change"], [])


@pytest.mark.parametrize(
    "classes", [("dog", "cat"), tuple(FORMULAS[name] for name in ("a command", "a sum", "wide", "guarded by somebody else"))]
)
def test_thresholds_come_back_whatever_the_classes_are_called(classes, tmp_path):
    values = np.linspace(0.25, 0.75, len(classes))
    write_thresholds(tmp_path / "thresholds.csv", classes, values, {"known": [-1] * len(classes)})
    with (tmp_path / "thresholds.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert not any(COMPUTED.search(row[0]) for row in rows)
    assert {row[2] for row in rows[1:]} == {"-1"}
    np.testing.assert_array_equal(read_thresholds(tmp_path / "thresholds.csv", classes), values)


def test_reports_hold_no_formula_of_a_run_folder():
    shown = comparison_csv([RunMetrics("=cmd|' /C calc'!A0", {"mAP": 50.0})])
    assert shown.splitlines()[0].startswith("run:guarded,")
    assert shown.splitlines()[1].startswith("'=cmd")

"""What is written can be read back, comes complete or not at all, and streams."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from taglens.errors import OutputError, TagLensError
from taglens.inference import writers
from taglens.inference.writers import form_of, write_predictions
from taglens.labels.files.tags import written_tag
from taglens.labels.states import POSITIVE
from taglens.labels.table import LabelTable

CLASSES = ("dog", 'odd "name", é')
HALF = np.full(2, 0.5)
ROWS = [
    SimpleNamespace(path=Path("a b/1.jpg"), probabilities=np.array([0.7, 1e-9], np.float32), deviations=np.array([0.25, 2.5], np.float32)),
    SimpleNamespace(
        path=Path("é,2.jpg"), probabilities=np.array([0.49999997, 0.5], np.float32), deviations=np.array([1, 0.125], np.float32)
    ),
]


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_keeps_every_float32(tmp_path):
    write_predictions(ROWS, CLASSES, HALF, tmp_path / "p.csv")
    found = read_csv(tmp_path / "p.csv")
    assert [row["image"] for row in found] == ["a b/1.jpg", "é,2.jpg"]
    numbers = np.array([[row[name] for name in CLASSES] for row in found], np.float32)
    np.testing.assert_allclose(numbers, [row.probabilities for row in ROWS], rtol=1e-7)


def test_tags_form_is_a_label_table(tmp_path):
    write_predictions(ROWS, CLASSES, HALF, tmp_path / "p.csv", "tags")
    assert [row["tags"] for row in read_csv(tmp_path / "p.csv")] == ["dog", written_tag(CLASSES[1], POSITIVE)]
    assert set(LabelTable.read(tmp_path / "p.csv").classes) == set(CLASSES)


def test_json_lines(tmp_path):
    write_predictions(ROWS, CLASSES, HALF, tmp_path / "p.jsonl", "jsonl")
    found = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").splitlines()]
    assert found[0]["tags"] == ["dog"]
    assert found[0]["probabilities"][CLASSES[1]] == pytest.approx(1e-9)
    assert found[1]["image"] == "é,2.jpg"


def test_parquet_in_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "ROW_GROUP_ENTRIES", 4)
    write_predictions(ROWS * 3, CLASSES, HALF, tmp_path / "p.parquet", "parquet")
    file = pq.ParquetFile(tmp_path / "p.parquet")
    assert file.num_row_groups == 3
    table = file.read()
    assert table.column_names == ["image", *CLASSES]
    np.testing.assert_array_equal(table["dog"].to_numpy(), np.array([0.7, 0.49999997] * 3, np.float32))


@pytest.mark.parametrize("form", writers.WRITERS)
def test_nothing_to_write_gives_a_valid_file(tmp_path, form):
    write_predictions([], CLASSES, HALF, tmp_path / "p", form)
    if form == "parquet":
        assert pq.read_table(tmp_path / "p").num_rows == 0
    else:
        assert len((tmp_path / "p").read_text("utf-8").splitlines()) == (form != "jsonl")


@pytest.mark.parametrize("form", writers.WRITERS)
def test_an_interruption_leaves_no_half_file(tmp_path, form):
    def broken():
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(broken(), CLASSES, HALF, tmp_path / "p", form)
    assert list(tmp_path.iterdir()) == []


def test_rows_reach_a_stream_as_they_come():
    stream = io.BytesIO()
    seen = []

    def watched():
        for row in ROWS:
            seen.append(stream.getvalue().count(b"\n"))
            yield row

    write_predictions(watched(), CLASSES, HALF, stream)
    assert seen == [1, 2], "header before the first picture, each row before the next picture"
    assert not stream.closed


def test_thresholds_are_reached_in_the_probabilities_own_precision(tmp_path):
    write_predictions(ROWS[:1], CLASSES, np.array([0.7, 0.7]), tmp_path / "p.csv", "tags")
    assert read_csv(tmp_path / "p.csv")[0]["tags"] == "dog"


@pytest.mark.parametrize(
    ("name", "form"), [("a.csv", "csv"), ("a.JSONL", "jsonl"), ("a.ndjson", "jsonl"), ("a.parquet", "parquet"), ("a.txt", "csv")]
)
def test_form_by_suffix(name, form):
    assert form_of(Path(name)) == form


def test_errors_say_what_to_do(tmp_path):
    (tmp_path / "p.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"exists already.*--force"):
        write_predictions(ROWS, CLASSES, HALF, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == "mine"
    with pytest.raises(TagLensError, match="unknown format 'json'; did you mean 'jsonl'"):
        write_predictions(ROWS, CLASSES, HALF, tmp_path / "q", "json")


@pytest.mark.parametrize("classes", [("a|b", "c"), ("!a", "?b"), ("a, b", "c;d")], ids=["separator", "marks", "other separators"])
def test_tags_hold_every_name(tmp_path, classes):
    write_predictions(ROWS, classes, HALF, tmp_path / "p.csv", "tags")
    assert set(LabelTable.read(tmp_path / "p.csv").classes) == set(classes)


def test_for_spreadsheets_no_name_is_a_formula_and_tags_read_back(tmp_path):
    rows = [
        SimpleNamespace(path=Path(name), probabilities=np.array([0.7, 1e-9], np.float32)) for name in ("=cmd.jpg", "a;=b.jpg", "'+.jpg")
    ]
    write_predictions(rows, ("=dog", "cat"), HALF, tmp_path / "p.csv", for_spreadsheets=True)
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        header, *found = csv.reader(file)
    assert header == ["image:guarded", "'=dog", "cat"]
    assert [row[0] for row in found] == ["'=cmd.jpg", "a;'=b.jpg", "''+.jpg"]
    write_predictions(rows, ("=dog", "cat"), HALF, tmp_path / "t.csv", "tags", for_spreadsheets=True)
    table = LabelTable.read(tmp_path / "t.csv")
    assert (table.images, table.classes) == (("=cmd.jpg", "a;=b.jpg", "'+.jpg"), ("=dog",))


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_only_csv_is_guarded(form, tmp_path):
    with pytest.raises(OutputError, match=f"only CSV is guarded for spreadsheets, came the format {form}"):
        write_predictions(ROWS, CLASSES, HALF, tmp_path / "p", form, for_spreadsheets=True)
    assert not list(tmp_path.iterdir())


def test_deviations_have_columns_behind_the_probabilities(tmp_path):
    write_predictions(ROWS, CLASSES, HALF, tmp_path / "p.csv", uncertainty=True)
    rows = read_csv(tmp_path / "p.csv")
    assert list(rows[0]) == ["image", *CLASSES, "dog (deviation)", 'odd "name", é (deviation)']
    assert [(row["dog"], row["dog (deviation)"]) for row in rows] == [("0.7", "0.25"), ("0.5", "1")]
    write_predictions(ROWS, CLASSES, HALF, tmp_path / "p.jsonl", "jsonl", uncertainty=True)
    line = json.loads((tmp_path / "p.jsonl").read_text("utf-8").splitlines()[0])
    assert line["deviations"] == {"dog": 0.25, CLASSES[1]: 2.5}
    write_predictions(ROWS, CLASSES, HALF, tmp_path / "p.parquet", "parquet", uncertainty=True)
    np.testing.assert_array_equal(pq.read_table(tmp_path / "p.parquet")["dog (deviation)"], [0.25, 1])


@pytest.mark.parametrize(
    ("classes", "form", "message"),
    [
        (("dog", "dog (deviation)"), "csv", r"'dog \(deviation\)' has the name of another one's column"),
        (("dog", "dog (deviation)"), "parquet", "choose --format jsonl"),
        (CLASSES, "tags", "no place for deviations"),
    ],
    ids=["two columns of one name", "in Parquet, too", "tags are names alone"],
)
def test_deviations_that_a_form_cannot_hold_are_refused(tmp_path, classes, form, message):
    with pytest.raises(OutputError, match=message):
        write_predictions(ROWS, classes, HALF, tmp_path / "p", form, uncertainty=True)
    assert not (tmp_path / "p").exists()


def test_predictions_without_deviations_are_no_zeros(tmp_path):
    rows = [SimpleNamespace(path=Path("1.jpg"), probabilities=np.array([0.7, 0.1], np.float32), deviations=None)]
    with pytest.raises(TagLensError, match=r"deviations of 1\.jpg"):
        write_predictions(rows, CLASSES, HALF, tmp_path / "p.csv", uncertainty=True)

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
from taglens.labels.table import LabelTable

CLASSES = ("dog", 'odd "name", é')
HALF = np.full(2, 0.5)
ROWS = [
    SimpleNamespace(path=Path("a b/1.jpg"), probabilities=np.array([0.7, 1e-9], np.float32)),
    SimpleNamespace(path=Path("é,2.jpg"), probabilities=np.array([0.49999997, 0.5], np.float32)),
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
    assert [row["tags"] for row in read_csv(tmp_path / "p.csv")] == ["dog", CLASSES[1]]
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
    with pytest.raises(OutputError, match=r"tags form cannot hold the class 'a\|b'"):
        write_predictions(ROWS, ("a|b", "c"), HALF, tmp_path / "q", "tags")

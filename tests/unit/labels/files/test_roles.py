"""Which column is what: read and said where it is sure, asked where a name or a cell leaves a question, never guessed in silence."""

import json
from pathlib import Path

import pandas as pd
import pytest

from taglens.datasets.source import DataOptions, read_data
from taglens.errors import TableError
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import examine_table, read_table
from taglens.labels.table import LabelTable


def read(folder: Path, text: str, **options: object) -> LabelTable:
    path = folder / "t.csv"
    path.write_text(text)
    return read_table(path, None, TableOptions(**options))


def said(table: LabelTable) -> str:
    return "\n".join(table.warnings)


SPLITS = {
    "Split": (["train", "test"], ("train", "test")),
    "subset": (["Train", "Val"], ("Train", "Val")),
    "partition": (["dev", "train"], ("dev", "train")),
    "set": (["training", "testing"], ("training", "testing")),
    "fold": (["0", "4"], ("0", "4")),
    "is_valid": (["True", "False"], ("valid", "train")),
    "is_test": (["1", "0"], ("test", "train")),
    "is_train": (["1", "0"], ("train", "test")),
    "is_dev": (["", "1"], ("", "valid")),
}


@pytest.mark.parametrize("name", SPLITS)
def test_the_split_in_its_usual_spellings_is_recognised_and_said(tmp_path, name):
    cells, splits = SPLITS[name]
    table = read(tmp_path, f"image,dog,{name}\na.jpg,1,{cells[0]}\nb.jpg,0,{cells[1]}\n")
    assert (table.classes, table.splits) == (("dog",), splits)
    assert f"the split is taken from column {name!r}" in said(table)


@pytest.mark.parametrize("name", ["valid", "test"])
def test_truth_values_of_a_split_that_was_asked_for(tmp_path, name):
    table = read(tmp_path, f"image,dog,{name}\na.jpg,1,0\nb.jpg,0,1\n", split_column=name)
    assert table.splits == ("train", name)


def test_an_option_says_the_split_where_the_name_does_not(tmp_path):
    table = read(tmp_path, "image,dog,group\na.jpg,1,x\nb.jpg,0,y\n", split_column="group")
    assert table.splits == ("x", "y")


@pytest.mark.parametrize(
    ("word", "part"), [("valid", "test"), ("dev", "test"), ("eval", "test"), ("testing", "test"), ("training", "train")]
)
def test_parts_in_other_words(tmp_path, word, part):
    (tmp_path / "t.csv").write_text(f"image,split,dog\na.jpg,{word},1\nb.jpg,other,0\n")
    table = read_data(tmp_path / "t.csv", part)
    assert table.images == ("a.jpg",)
    assert any("no split is called test" in line for line in table.warnings) == (word in ("valid", "dev", "eval"))


INDICES = {
    "pandas, unnamed": ",image,dog\n0,a.jpg,1\n1,b.jpg,0\n",
    "pandas, written twice": "Unnamed: 0.1,Unnamed: 0,image,dog\n0,0,a.jpg,1\n1,1,b.jpg,0\n",
    "an index of 0 and 1 in Parquet's name": "image,dog,__index_level_0__\na.jpg,1,0\nb.jpg,0,1\n",
}


@pytest.mark.parametrize("name", INDICES)
def test_row_numbers_that_programs_write_are_left_out_and_said(tmp_path, name):
    table = read(tmp_path, INDICES[name])
    assert table.classes == ("dog",)
    assert table.labels.values.ravel().tolist() == [1, 0]
    assert "left out: column" in said(table)


NO_CLASSES = [
    ["id"], ["image_id"], ["patient_id"], ["ImageId"], ["index"], ["confidence"], ["score"], ["prob"], ["weight"], ["x", "y"],
    ["x1", "y1", "x2", "y2"], ["xmin", "ymin", "xmax", "ymax"], ["bbox_w"], ["width", "height"], ["count"], ["num_objects"], ["total"],
    ["dog_count"], ["valid"], ["test"], ["age"], ["iscrowd"],
]  # fmt: skip


@pytest.mark.parametrize("names", NO_CLASSES, ids=" ".join)
def test_names_that_are_no_class_are_a_question_with_its_answers(tmp_path, names):
    header, cells = ",".join(names), ",".join("1" * len(names))
    text = f"image,{header},dog\na.jpg,{cells},1\nb.jpg,{cells},0\n"
    with pytest.raises(TableError) as caught:
        read(tmp_path, text)
    assert f"--ignore {' '.join(names)}" in str(caught.value)
    assert f"--class-columns {' '.join(names)}" in str(caught.value)
    left = read(tmp_path, text, ignore=tuple(names))
    assert left.classes == ("dog",)
    assert f"left out: column{'s' * (len(names) > 1)} {names[0]!r}" in said(left)
    assert read(tmp_path, text, class_columns=tuple(names)).classes == (*names, "dog")


@pytest.mark.parametrize("name", ["left", "top", "box", "x", "orchid", "squid", "mind", "squared", "summer", "numbat"])
def test_names_of_things_are_classes(tmp_path, name):
    """A name that also a thing has is asked only where a second column is of the same kind; parts of words say nothing."""
    assert read(tmp_path, f"image,{name},dog\na.jpg,1,0\n").classes == (name, "dog")


WHOLE_COLUMNS = {
    "ages": (["34", "21", "1"], "if it is no class: --ignore more"),
    "words": (["sunny", "rainy", ""], "if it lists tags: --tags-column more; if it is no class: --ignore more"),
    "splits": (["train", "test", "train"], "if it says the split: --split-column more"),
    "pictures": (["a.png", "b.png", "c.png"], "if it names the pictures: --image-column more; else --ignore more"),
    "a foreign code": (["-1", "-1.0", "-1"], "projects mean different things by -1: write 0 or leave the cell blank"),
    "shares": (["0.4", "0.7", "0.1"], "if it is no class: --ignore more"),
}


@pytest.mark.parametrize("name", WHOLE_COLUMNS)
def test_a_column_that_is_wrong_as_a_whole_is_said_once(tmp_path, name):
    cells, advice = WHOLE_COLUMNS[name]
    path = tmp_path / "t.csv"
    path.write_text("image,dog,more\n" + "".join(f"{row}.jpg,1,{cell}\n" for row, cell in enumerate(cells)))
    (problem,) = examine_table(path).problems
    assert (problem.row, problem.column) == (None, "more")
    assert problem.message.endswith(advice)


@pytest.mark.parametrize("word", ["Total", "Summe", "total:", "sum", "Gesamt"])
def test_totals_in_the_last_row_are_no_picture(tmp_path, word):
    with pytest.raises(TableError, match=rf"t\.csv, row 4: '{word}' looks like a row of totals, not a picture; delete the row"):
        read(tmp_path, f"image,dog,cat\na.jpg,1,0\nb.jpg,0,1\n{word},1,1\n")


@pytest.mark.parametrize("name", ["file_name", "filename", "Image Path", "ImageID", "path"])
def test_the_pictures_under_another_usual_name(tmp_path, name):
    table = read(tmp_path, f"dog,{name}\n1,a.jpg\n")
    assert table.images == ("a.jpg",)
    assert f"the pictures are taken from column {name!r}" in said(table)


def test_an_option_names_the_pictures_column_and_a_wrong_one_is_refused(tmp_path):
    assert read(tmp_path, "what;dog\na.jpg;1\n", image_column="what").images == ("a.jpg",)
    with pytest.raises(TableError, match="unknown column 'dgo'; did you mean 'dog'"):
        read(tmp_path, "image,dog\na.jpg,1\n", ignore=("dgo",))


def test_a_table_that_taglens_wrote_leaves_no_question(tmp_path):
    table = read(tmp_path, "image,score,id\na.jpg,1,0\n", class_columns=("score", "id"))
    table.write(tmp_path / "own.parquet")
    assert LabelTable.read(tmp_path / "own.parquet") == table


def test_options_travel_through_a_runs_configuration():
    written = json.loads(json.dumps({"ignore": ("id",), "class_columns": ("score",)}))
    assert DataOptions(**written) == DataOptions(ignore=("id",), class_columns=("score",))


def test_pandas_index_in_parquet(tmp_path):
    pd.DataFrame({"image": ["a.jpg", "b.jpg"], "dog": [1, 0]}, index=[1, 0]).to_parquet(tmp_path / "t.parquet")
    table = LabelTable.read(tmp_path / "t.parquet")
    assert table.classes == ("dog",)
    assert "left out: column '__index_level_0__'" in said(table)

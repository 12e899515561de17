"""Long tables: a row for each picture and class, by their looks and by --long."""

from pathlib import Path

import numpy as np
import pytest

from taglens.errors import TableError
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import examine_table, read_table
from taglens.labels.table import LabelTable


def read(folder: Path, text: str, **options: object) -> LabelTable:
    path = folder / "t.csv"
    path.write_text(text)
    return read_table(path, None, TableOptions(**options))


LONG = {
    "values": "image,class,value\na.jpg,dog,1\na.jpg,cat,0\nb.jpg,cat,1\n",
    "words": "image,label,present\na.jpg,dog,ja\na.jpg,cat,nein\nb.jpg,cat,ja\n",
    "Open Images": "ImageID,Source,LabelName,Confidence\na.jpg,verification,dog,1\na.jpg,verification,cat,0\nb.jpg,crowd,cat,1\n",
    "a name beside its number": "image,class_id,class_name,confidence\na.jpg,4,dog,1\na.jpg,7,cat,0\nb.jpg,7,cat,1.0\n",
    "the columns in another order": "value,class,image\n1,dog,a.jpg\n0,cat,a.jpg\n1,cat,b.jpg\n",
    "rows that say the same twice": "image,class,value\na.jpg,dog,1\na.jpg,dog,1\na.jpg,cat,0\nb.jpg,cat,1\nb.jpg,cat,\n",
}


@pytest.mark.parametrize("name", LONG)
def test_what_looks_long_is_read_so_and_said(tmp_path, name):
    table = read(tmp_path, LONG[name])
    assert (table.images, table.classes) == (("a.jpg", "b.jpg"), ("dog", "cat"))
    assert table.labels.values.tolist() == [[1, 0], [-1, 1]]
    assert any("read as a long table" in line for line in table.warnings)
    assert any("of 2 pictures were put together" in line for line in table.warnings)


def test_one_class_a_row_says_what_is_present(tmp_path):
    table = read(tmp_path, "image,label\na.jpg,dog\na.jpg,cat\nb.jpg,cat\n")
    assert table.labels.values.tolist() == [[1, 1], [-1, 1]]


def test_a_class_beside_a_value_is_one_name_whatever_its_signs(tmp_path):
    table = read(tmp_path, 'image,class,value\na.jpg,"red, green",1\na.jpg,a|b,0\n')
    assert table.classes == ("red, green", "a|b")


def test_a_value_between_is_a_probability_and_its_label_not_checked(tmp_path):
    table = read(tmp_path, "image,class,confidence\na.jpg,dog,1\na.jpg,cat,0.7\nb.jpg,cat,0\n")
    assert table.labels.values.tolist() == [[1, -1], [-1, 0]]
    assert table.probabilities is not None
    assert np.allclose(table.probabilities, [[np.nan, 0.7], [np.nan, np.nan]], equal_nan=True)
    assert [entry.number for entry in table.left_out] == [1]
    assert "1 values between 0 and 1 in column 'confidence'" in "\n".join(table.warnings)


def test_contradictions_are_listed_and_not_checked(tmp_path):
    text = "image,class,value\na.jpg,dog,1\nb.jpg,dog,1\na.jpg,dog,0\na.jpg,dog,1\n"
    table = read(tmp_path, text)
    assert table.labels.values.tolist() == [[-1], [1]]
    assert f"{tmp_path}/t.csv, row 4: 'dog' of 'a.jpg' is present in one row and absent in another; taken as not checked" in table.warnings


def test_numbers_that_name_classes(tmp_path):
    table = read(tmp_path, "image,class_id,confidence\na.jpg,0,1\nb.jpg,1,1\n")
    assert table.classes == ("0", "1")
    assert table.labels.values.tolist() == [[1, -1], [-1, 1]]
    assert any("classes are numbers (0, 1" in line for line in table.warnings)


def test_a_column_of_0_and_1_may_be_either_and_is_asked(tmp_path):
    text = "image,label\na.jpg,0\nb.jpg,1\n"
    with pytest.raises(
        TableError, match=r"is it one class \(--class-columns label\), or a number that names a class in each row \(--long\)"
    ):
        read(tmp_path, text)
    assert read(tmp_path, text, class_columns=("label",)).labels.values.tolist() == [[0], [1]]
    assert read(tmp_path, text, long=True).classes == ("0", "1")


def test_long_by_its_option(tmp_path):
    assert read(tmp_path, "image,what,v\na.jpg,dog,1\na.jpg,cat,0\n", long=True).labels.values.tolist() == [[1, 0]]
    with pytest.raises(TableError, match="--long expects the columns image, class and value"):
        read(tmp_path, "image,a,b,c\na.jpg,dog,1,1\n", long=True)


def test_wrong_rows_of_a_long_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image,split,class,value\na.jpg,train,dog,1\na.jpg,test,cat,1\nb.jpg,train,dog,7\n")
    reading = examine_table(path)
    errors = [(problem.row, problem.message) for problem in reading.problems if problem.level == "error"]
    assert errors == [
        (3, "image 'a.jpg' is in split 'train' in row 2 but in 'test' in row 3; keep one"),
        (4, "column 'value': expected 1 (present), 0 (absent), blank or a probability between them, came '7'"),
    ]

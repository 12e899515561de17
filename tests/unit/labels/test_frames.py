"""Tables in memory: what a data scientist has in hand becomes the table that the same content in a file would be."""

import datetime
from importlib.metadata import packages_distributions
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens import LabelTable, PartialLabels
from taglens.errors import TableError, TagLensError

pandas = pytest.importorskip("pandas")

CELLS = [  # a column of pandas, what its cells mean, why
    ([1, 0, 1], [1, 0, 1], "whole numbers"),
    ([1.0, 0.0, np.nan], [1, 0, -1], "what pandas makes of blanks in whole numbers"),
    ([True, False, True], [1, 0, 1], "truth values"),
    ([True, False, None], [1, 0, -1], "an object column of truth values"),
    ([1, 0, None], [1, 0, -1], "None"),
    ([1, "0", "x"], [1, 0, 1], "mixed cells by their text"),
    (["yes", "nein", ""], [1, 0, -1], "words"),
    ([None, None, None], [-1, -1, -1], "a class nobody checked"),
    ([np.True_, np.int64(0), float("nan")], [1, 0, -1], "numpy's scalars in an object column"),
]


def frame(**columns):
    return pandas.DataFrame({"file": ["a.jpg", "b.jpg", "c.jpg"]} | columns)


@pytest.mark.parametrize(("cells", "meaning", "why"), CELLS, ids=[why for *_, why in CELLS])
def test_a_cell_means_what_it_means_in_a_file(cells, meaning, why, tmp_path):
    column = pandas.Series(cells, dtype=object if len({type(cell) for cell in cells}) > 1 else None)
    made = frame(dog=column, cat=[1, 0, 1])
    table = LabelTable.from_frame(made, image="file")
    assert table.labels.values[:, 0].tolist() == meaning
    made.to_csv(tmp_path / "table.csv", index=False)
    assert LabelTable.read(tmp_path / "table.csv").labels == table.labels


@pytest.mark.parametrize(
    ("dtype", "blank"), [("Int8", pandas.NA), ("Int64", pandas.NA), ("boolean", pandas.NA), ("float32", np.nan), ("string", pandas.NA)]
)
def test_extension_types(dtype, blank):
    table = LabelTable.from_frame(frame(dog=pandas.array(["1", "0", blank] if dtype == "string" else [1, 0, blank], dtype=dtype)), "file")
    assert table.labels.values.tolist() == [[1], [0], [-1]]


def test_categories_and_the_index_are_read():
    made = frame(dog=pandas.Categorical(["present", "absent", None])).set_index("file")
    table = LabelTable.from_frame(made, image="file")
    assert table.images == ("a.jpg", "b.jpg", "c.jpg")
    assert table.labels.values.tolist() == [[1], [0], [-1]]


def test_an_index_of_numbers_is_no_class():
    made = frame(dog=[1, 0, 1]).sort_values("file", ascending=False)
    assert LabelTable.from_frame(made, image="file").classes == ("dog",)


def test_columns_that_are_no_class_are_asked_about_in_pythons_words():
    made = frame(dog=[1, 0, 1], score=[0.1, 0.2, 0.3])
    with pytest.raises(TableError, match=r"'score' \(how sure somebody was\).*ignore=score"):
        LabelTable.from_frame(made, "file")
    assert LabelTable.from_frame(made, "file", ignore=("score",)).classes == ("dog",)
    made["score"] = [1, 0, None]
    assert LabelTable.from_frame(made, "file", class_columns=("score",)).classes == ("dog", "score")


def test_splits_and_lists_of_tags():
    made = frame(tags=["dog|!cat", "", "cat"], subset=["train", "test", "train"])
    table = LabelTable.from_frame(made, "file", split_column="subset")
    assert table.splits == ("train", "test", "train")
    assert (table.classes, table.labels.values.tolist()) == (("dog", "cat"), [[1, 0], [-1, -1], [-1, 1]])
    lists = LabelTable.from_frame(frame(tags=[["dog", "cat"], [], ["cat"]]), "file")
    assert lists.labels.values.tolist() == [[1, 1], [-1, -1], [-1, 1]]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: frame(dog=[1, 0, 2]), r"frame, row 2, column 'dog': expected 1 \(present\), 0 \(absent\) or blank.*came '2'"),
        (lambda: frame(dog=[1, 0, -1]), "projects mean different things by -1"),
        (lambda: frame(dog=[datetime.date(2026, 1, 1)] * 3), "column 'dog' holds date32"),
        (lambda: pandas.DataFrame({"dog": [1]}), "no column 'file'|no column|unknown column"),
        (lambda: pandas.DataFrame([["a.jpg", 1, 0]], columns=["file", "dog", "dog"]), "'dog' comes twice"),
        (lambda: [1, 2], "expected a data frame, came list"),
        (lambda: pandas.DataFrame({"file": [], "dog": []}), "no row"),
    ],
)
def test_what_cannot_be_read_is_said(made, message):
    with pytest.raises(TableError, match=message):
        LabelTable.from_frame(made(), image="file")


STATES = st.lists(st.lists(st.sampled_from([1, 0, -1]), min_size=3, max_size=3), min_size=1, max_size=5)


@given(STATES)
def test_there_and_back(values):
    names = tuple(f"{row}.jpg" for row in range(len(values)))
    table = LabelTable(images=names, classes=("dog", "cat", "tree"), labels=PartialLabels(np.array(values, np.int8)))
    for kind in ("pandas", "arrow"):
        assert LabelTable.from_frame(table.to_frame(kind)) == table


def test_provenance_survives():
    table = LabelTable.from_frame(
        pandas.DataFrame({"image": ["a"], "dog": [1], "dog:probability": [0.75], "dog:source": ["predicted|run"], "split": ["train"]})
    )
    assert table.probabilities[0, 0] == 0.75
    assert table.origins[table.origin_index[0, 0]].kind == "predicted"
    assert LabelTable.from_frame(table.to_frame()) == table


def test_pandas_keeps_whole_numbers_beside_blanks():
    made = LabelTable.from_array([[1, None], [0, 1]], ("dog", "cat")).to_frame()
    assert str(made["cat"].dtype) == "Int8"
    assert made["cat"].isna().tolist() == [True, False]


def test_polars():
    polars = pytest.importorskip("polars")
    made = polars.DataFrame({"file": ["a.jpg", "b.jpg"], "dog": [1, None], "cat": [True, False]})
    table = LabelTable.from_frame(made, "file")
    assert table.labels.values.tolist() == [[1, 1], [-1, 0]]
    assert table.to_frame("polars").columns == ["image", "dog", "cat"]
    assert LabelTable.from_frame(table.to_frame("polars")) == table


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_kind_that_is_not_installed_says_what_to_do(kind, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, kind, None)
    with pytest.raises(TagLensError, match=f"pip install {kind}"):
        LabelTable.from_array([[1]], ["dog"]).to_frame(kind)


def test_an_unknown_kind_lists_the_right_ones():
    with pytest.raises(TagLensError, match="arrow, pandas, polars"):
        LabelTable.from_array([[1]], ["dog"]).to_frame("spark")


ARRAYS = [  # what numpy, lists and torch have for (image, class), why
    (np.array([[1, 0], [np.nan, 1]]), "floats with NaN"),
    ([[1, 0], [None, 1]], "nested lists"),
    (np.array([[1, 0], [pandas.NA, 1]], dtype=object), "NA"),
    (np.array([["1", "0"], ["", "yes"]]), "texts"),
    (np.ma.masked_array([[1, 0], [0, 1]], mask=[[0, 0], [1, 0]]), "a mask"),
]


@pytest.mark.parametrize(("values", "why"), ARRAYS, ids=[why for _, why in ARRAYS])
def test_arrays(values, why):
    table = LabelTable.from_array(values, ("dog", "cat"))
    assert table.labels.values.tolist() == [[1, 0], [-1, 1]]
    assert table.images == ("000000", "000001")


def test_tensors_and_names():
    torch = pytest.importorskip("torch")
    table = LabelTable.from_array(torch.tensor([[1.0, float("nan")]]), ("dog", "cat"), images=["a.jpg"], splits=["train"])
    assert (table.images, table.splits, table.labels.values.tolist()) == (("a.jpg",), ("train",), [[1, -1]])


@pytest.mark.parametrize(
    ("values", "classes", "message"),
    [
        ([[1, 0]], ("dog",), "with 1 classes, came shape"),
        ([1, 0], ("dog", "cat"), "came shape"),
        ([[1, -1]], ("dog", "cat"), "class 'cat'.*projects mean different things by -1.*PartialLabels"),
        ([[1, 0.5]], ("dog", "cat"), "row 0, class 'cat'.*came '0.5'"),
    ],
)
def test_arrays_that_cannot_be_read(values, classes, message):
    with pytest.raises(TableError, match=message):
        LabelTable.from_array(values, classes)


class Image:
    """Called as Hugging Face calls its feature of pictures."""


class Stand:
    """What TagLens uses of ``datasets.Dataset``."""

    def __init__(self, features, columns):
        self.features, self._columns = features, columns

    def select_columns(self, names):
        return Stand(self.features, {name: self._columns[name] for name in names})

    def with_format(self, kind):
        assert kind == "arrow"
        return self

    def __getitem__(self, rows):
        assert rows == slice(None)
        return pa.table(self._columns)


LABEL = SimpleNamespace(names=["dog", "cat"])


@pytest.mark.parametrize("feature", [[LABEL], SimpleNamespace(feature=LABEL)], ids=["list", "Sequence"])
def test_a_data_set_of_hugging_face(feature):
    made = Stand({"image": Image(), "labels": feature}, {"image": [b"", b""], "labels": [[0, 1], [1]]})
    table = LabelTable.from_dataset(made)
    assert (table.images, table.classes) == (("000000", "000001"), ("dog", "cat"))
    assert table.labels.values.tolist() == [[1, 1], [-1, 1]], "tags that are not listed were not checked"


def test_a_data_set_with_a_column_for_each_class():
    made = Stand({"name": None, "dog": None}, {"name": ["a.jpg", "b.jpg"], "dog": [1, None]})
    table = LabelTable.from_dataset(made, image="name")
    assert (table.images, table.labels.values.tolist()) == (("a.jpg", "b.jpg"), [[1], [-1]])


@pytest.mark.skipif("datasets" not in packages_distributions(), reason="datasets of Hugging Face is not installed")
def test_the_real_library():
    import datasets  # installed, it goes before the folder of tests of that name

    features = datasets.Features({"labels": datasets.Sequence(datasets.ClassLabel(names=["dog", "cat"]))})
    table = LabelTable.from_dataset(datasets.Dataset.from_dict({"labels": [[0], [1]]}, features=features))
    assert table.classes == ("dog", "cat")


def test_all_parts_at_once_are_refused():
    with pytest.raises(TableError, match=r"dataset\[\.\.\.\] of train, test"):
        LabelTable.from_dataset({"train": None, "test": None})

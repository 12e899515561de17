"""Tables: what good ones mean and what wrong ones are told, word for word."""

# ruff: noqa: E501  messages are written out whole

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from taglens.errors import OutputError, TableError, TagLensError
from taglens.labels.files.tables import examine_table
from taglens.labels.joining import join_tables, seen_from
from taglens.labels.origins import GIVEN, Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str | bytes, name: str = "labels.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def _table(values: list[list[int]], **fields: object) -> LabelTable:
    images = tuple(f"{row}.jpg" for row in range(len(values)))
    return LabelTable(
        **{"images": images, "classes": ("dog", "cat", "tree")[: len(values[0])], "labels": PartialLabels(np.array(values))} | fields
    )


GOOD = "image,split,dog,cat\na.jpg,train,1,0\nb/c.jpg,test,,1\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD, id="plain"),
        pytest.param("\ufeff" + GOOD.replace("\n", "\r\n"), id="as Excel saves CSV UTF-8"),
        pytest.param(GOOD.rstrip("\n"), id="no line break at the end"),
        pytest.param(GOOD.replace("\n", "\n\n"), id="blank lines"),
        pytest.param(GOOD.replace(",", " , ").replace("a.jpg ", "a.jpg").replace("c.jpg ", "c.jpg"), id="spaces around cells"),
        pytest.param('"image","split","dog","cat"\n"a.jpg","train","1","0"\n"b/c.jpg","test","","1"\n', id="everything quoted"),
        pytest.param("dog,image,cat,split\n1,a.jpg,0,train\n,b/c.jpg,1,test\n", id="columns in another order"),
        pytest.param("image,split,tags\na.jpg,train,dog|!cat\nb/c.jpg,test,cat\n", id="tags"),
        pytest.param("image,split,tags\na.jpg,train, dog | ! cat |\nb/c.jpg,test,cat|?dog\n", id="tags with spaces and marks"),
    ],
)
def test_one_table_in_many_dresses(write: Write, text: str) -> None:
    table = LabelTable.read(write(text))
    assert table == LabelTable(("a.jpg", "b/c.jpg"), ("dog", "cat"), PartialLabels(np.array([[1, 0], [-1, 1]])), ("train", "test"))
    assert table.root is not None
    assert table.path(1) == table.root / "b" / "c.jpg"
    assert table.warnings == ()


def test_class_names_may_be_nearly_anything(write: Write) -> None:
    text = 'image,"red, green",train,tags,Ünïcode 犬,a:b,"say ""hi""",1\na.jpg,1,0,,1,0,1,0\n'
    assert LabelTable.read(write(text)).classes == ("red, green", "train", "tags", "Ünïcode 犬", "a:b", 'say "hi"', "1")


def test_provenance_columns(write: Write) -> None:
    text = "image,dog,dog:probability,dog:source,cat\na.jpg,1,0.93,predicted|runs/voc10|2026-11-21T11:00:00Z,0\nb.jpg,0,,reviewed|anna,1\nc.jpg,,0.4,,\n"
    table = LabelTable.read(write(text))
    assert table.classes == ("dog", "cat")
    assert table.origins == (GIVEN, Origin("predicted", "runs/voc10", "2026-11-21T11:00:00Z"), Origin("reviewed", "anna"))
    assert table.origin_index is not None
    assert table.origin_index.tolist() == [[1, 0], [2, 0], [0, 0]]
    assert table.probabilities is not None
    assert np.array_equal(
        table.probabilities, np.array([[0.93, np.nan], [np.nan, np.nan], [0.4, np.nan]], dtype=np.float32), equal_nan=True
    )


PLACE = "{path}, row {row}, column {column!r}: "


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("image,dog,cat\r\na.jpg,1,\r\nb.jpg,0,1\r\n", id="commas, line ends of Windows"),
        pytest.param("\ufeffimage;dog;cat\r\na.jpg;1;\r\nb.jpg;0;1\r\n", id="semicolons and a mark, as Excel writes in half of Europe"),
        pytest.param("image\tdog\tcat\na.jpg\t1\t\nb.jpg\t0\t1\n", id="tabs, as copied from a spreadsheet"),
        pytest.param("Image, dog ,cat\na.jpg, 1,\nb.jpg,0 ,1\n", id="a capital, blanks around"),
        pytest.param("image,dog,cat\na.jpg,TRUE,\nb.jpg,FALSE,true\n", id="truth values of a spreadsheet"),
        pytest.param("image,dog,cat\na.jpg,Yes,\nb.jpg,no,YES\n", id="yes and no"),
        pytest.param("image,dog,cat\na.jpg,1.0,\nb.jpg,0.0,1.0\n", id="pandas, of columns with blanks"),
        pytest.param("image;tags\na.jpg;dog|?cat\nb.jpg;!dog|cat\n", id="tags behind a semicolon"),
    ],
)
def test_spreadsheets_of_all_kinds_say_the_same(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode())
    table = LabelTable.read(path)
    assert (table.images, table.classes) == (("a.jpg", "b.jpg"), ("dog", "cat"))
    assert table.labels.values.tolist() == [[1, -1], [0, 1]]


CELL = "expected 1 (present), 0 (absent) or blank (not checked), came "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "image,dog\na.jpg,1\nb.jpg,maybe\n", "{path}, row 3, column 'dog': " + CELL + "'maybe'; correct the cell", id="a word"
        ),
        pytest.param(
            "image,dog\na.jpg,1\n\n\nb.jpg,2\n", "{path}, row 5, column 'dog': " + CELL + "'2'; correct the cell", id="after blank lines"
        ),
        pytest.param(
            'image,dog\n"a.jpg",1\nb.jpg,"1\n"\nc.jpg,u\n',
            "{path}, row 5, column 'dog': " + CELL + "'u'; correct the cell",
            id="after a break in a cell",
        ),
        pytest.param(
            "image,dog\na.jpg,-1\n",
            "{path}, row 2, column 'dog': " + CELL + "'-1'; projects mean different things by -1: write 0 or leave the cell blank",
            id="a foreign code",
        ),
        pytest.param(
            "image,dog\na.jpg,1\nb.jpg,u\nc.jpg,0\nd.jpg,1\ne.jpg,v\n",
            "{path}, row 3, column 'dog': " + CELL + "'u'; correct the cell (1 more problem: taglens inspect {path})",
            id="several",
        ),
        pytest.param(
            "image,dog\na.jpg,u\nb.jpg,v\nc.jpg,w\n",
            "{path}, column 'dog': 3 of the column's 3 cells are neither 1 (present), 0 (absent) nor blank (not checked), such as 'u', 'v', "
            "'w'; if it lists tags: --tags-column dog; if it is no class: --ignore dog",
            id="a whole column, said once",
        ),
        pytest.param(
            "image,dog,dog\na.jpg,1,1\n", "{path}, row 1: class 'dog' comes twice; rename or remove one of them", id="a class twice"
        ),
        pytest.param(
            "image,dog,cat\na.jpg,1,0\nb.jpg,0,0\na.jpg,1,1\n",
            "{path}, row 4, column 'cat': image 'a.jpg' is 0 in row 2 but 1 in row 4; keep one of the rows",
            id="an image twice, in conflict",
        ),
        pytest.param(
            "image,dog,cat\na.jpg,1,0\n./a.jpg,0,1\n",
            "{path}, row 3, column 'dog': image './a.jpg' is 1 in row 2 but 0 in row 3; keep one of the rows (2 classes differ)",
            id="an image twice under two spellings",
        ),
        pytest.param(
            "image,split,dog\na.jpg,train,1\na.jpg,test,1\n",
            "{path}, row 3, column 'split': image 'a.jpg' is in split 'train' in row 2 but in 'test' in row 3; keep one",
            id="an image in two splits",
        ),
        pytest.param(
            "image,dog\na.jpg,1\nb.jpg\n", "{path}, row 3: expected 2 cells as in the header, came 1; add or remove commas", id="short row"
        ),
        pytest.param(
            "image,dog\na.jpg,1\nb.jpg,1,0\n",
            "{path}, row 3: expected 2 cells as in the header, came 3; add or remove commas",
            id="long row",
        ),
        pytest.param(
            "image,dog\n,1\n", "{path}, row 2, column 'image': no picture is named; fill the cell or delete the row", id="no name"
        ),
        pytest.param("", "{path}: the table is empty; expected a header such as image,dog,cat", id="empty file"),
        pytest.param("image,dog\n", "{path}: the table has no row; expected one row for each picture", id="only a header"),
        pytest.param("image\na.jpg\n", "{path}, row 1: no class at all; expected at least one class", id="no class"),
        pytest.param(
            "what,dog\na.jpg,1\n",
            "{path}, row 1: no column 'image', came 'what', 'dog'; name the column of the pictures 'image', or say which it is with "
            "--image-column",
            id="no image column",
        ),
        pytest.param(
            "name;dog\na.jpg;1\n",
            "{path}, row 1: no column 'image', came 'name', 'dog'; name the column of the pictures 'image', or say which it is with "
            "--image-column",
            id="no image column, semicolons",
        ),
        pytest.param(
            "image;dog\na.jpg;1;0\n",
            "{path}, row 2: expected 2 cells as in the header, came 3; add or remove semicolons",
            id="long, semicolons",
        ),
        pytest.param("image,dog,\na.jpg,1,0\n", "{path}, row 1: column 3 has no name; name or remove it", id="a column without a name"),
        pytest.param("image,dog,image\na.jpg,1,b\n", "{path}, row 1: column 'image' comes twice; remove one of them", id="image twice"),
        pytest.param(
            "image,dog,cat:source\na.jpg,1,\n",
            "{path}, row 1: column 'cat:source' belongs to no class of the table; add the class or remove the column",
            id="provenance of nothing",
        ),
        pytest.param(
            "image,dog,dog:probability\na.jpg,1,1.5\n",
            "{path}, row 2, column 'dog:probability': expected a probability between 0 and 1 or blank, came '1.5'",
            id="no probability",
        ),
        pytest.param(
            "image,dog,dog:probability\na.jpg,1,high\n",
            "{path}, row 2, column 'dog:probability': expected a probability between 0 and 1 or blank, came 'high'",
            id="a word as probability",
        ),
        pytest.param(
            "image,tags\na.jpg,dog|!dog\n",
            "{path}, row 2, column 'tags': 'dog' is both present and absent (!dog); keep one of the two",
            id="tag and not",
        ),
        pytest.param(
            "image,tags\na.jpg,dog|!\n",
            "{path}, row 2, column 'tags': a sign ! or ? without a name; write the class behind it",
            id="sign alone",
        ),
        pytest.param(
            b"image,dog\nb\xe4r.jpg,1\n",
            "{path}, row 2: not UTF-8 text; it looks like windows-1252: a word there reads 'bär.jpg' in windows-1252, 'b‰r.jpg' in mac_roman, "
            "'bдr.jpg' in windows-1251; pass the right one, such as --encoding windows-1252, or save it as UTF-8 ('CSV UTF-8')",
            id="Latin-1",
        ),
    ],
)
def test_wrong_csv(write: Write, text: str | bytes, message: str) -> None:
    path = write(text)
    with pytest.raises(TableError) as caught:
        LabelTable.read(path)
    assert str(caught.value) == message.format(path=path)


def test_wrong_sources_name_the_kinds(write: Write) -> None:
    path = write("image,dog,dog:source\na.jpg,1,guessed|me\n")
    with pytest.raises(
        TableError, match=r"row 2, column 'dog:source': unknown label source 'guessed'; Choose one of: given, implied, predicted, reviewed"
    ):
        LabelTable.read(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.csv", "gone.csv: table not found; expected a .csv, .parquet or .json file"),
        (
            "labels.xls",
            "labels.xls: unknown kind of table '.xls'; expected .csv, .json, .jsonl, .ndjson, .parquet, .tsv, .txt, .xlsx; save it as .xlsx "
            "or CSV",
        ),
        ("folder", "folder: table a folder; expected a .csv, .parquet or .json file"),
    ],
)
def test_no_table(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "labels.xls").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TableError) as caught:
        LabelTable.read(tmp_path / name)
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_agreeing_rows_are_merged_with_a_warning(write: Write) -> None:
    path = write("image,dog,cat\na.jpg,1,\nb.jpg,0,0\na.jpg,1,0\n")
    table = LabelTable.read(path)
    assert table.images == ("a.jpg", "b.jpg")
    assert table.labels.values.tolist() == [[1, 0], [0, 0]]  # what either row knows is kept
    assert table.warnings == (f"{path}, row 4: image 'a.jpg' comes again (first in row 2) and agrees; the rows were merged",)


def test_absolute_names(write: Write, tmp_path: Path) -> None:
    picture = tmp_path / "elsewhere.jpg"
    picture.touch()
    path = write(f"image,dog\n{picture},1\n")
    assert LabelTable.read(path).path(0) == picture  # no images folder was named: the table says it all
    with pytest.raises(TableError) as caught:
        LabelTable.read(path, images=tmp_path)
    assert str(caught.value) == (
        f"{path}, row 2, column 'image': expected a picture relative to the images folder {tmp_path}, "
        f"came the absolute path '{picture}'; leave out one of the two"
    )
    picture.unlink()  # a path of another machine: its picture may be in the folder, where readers of data look for it
    assert LabelTable.read(path, images=tmp_path).images == (str(picture),)


def test_names_that_lead_out_of_a_named_folder(write: Write, tmp_path: Path) -> None:
    path = write("image,dog\n../a.jpg,1\n")
    assert LabelTable.read(path).path(0) == tmp_path / "../a.jpg"
    with pytest.raises(TableError) as caught:
        LabelTable.read(path, images=tmp_path)
    assert str(caught.value) == (
        f"{path}, row 2, column 'image': expected a picture inside the images folder {tmp_path}, came '../a.jpg'; leave out one of the two"
    )


@pytest.mark.parametrize(
    ("root", "folder", "names"),
    [
        pytest.param(".", ".", ("b/a.jpg", "/data/a.jpg"), id="the same folder"),
        pytest.param(".", "done", ("../b/a.jpg", "/data/a.jpg"), id="below"),
        pytest.param("photos", ".", ("photos/b/a.jpg", "/data/a.jpg"), id="above"),
        pytest.param("../x", "b", ("../../x/b/a.jpg", "/data/a.jpg"), id="beside"),
        pytest.param(".", "link", ("../../b/a.jpg", "/data/a.jpg"), id="behind a link, from where .. leads elsewhere"),
    ],
)
def test_a_table_at_another_place_means_the_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, folder: str, names: tuple[str, ...]
) -> None:
    home = tmp_path / "home"
    (home / "deep" / "deeper").mkdir(parents=True)
    (home / "link").symlink_to(home / "deep" / "deeper")
    monkeypatch.chdir(home)
    table = LabelTable(images=("b/a.jpg", "/data/a.jpg"), classes=("dog",), labels=PartialLabels([[1], [0]]), root=Path(root))
    moved = seen_from(table, Path(folder))
    assert moved.images == names
    assert [moved.path(row).resolve() for row in range(2)] == [table.path(row).resolve() for row in range(2)]
    assert seen_from(moved, Path(root)).images == table.images
    nowhere = replace(table, root=None)
    assert seen_from(nowhere, Path(folder)) is nowhere


def test_images_folder(write: Write, tmp_path: Path) -> None:
    path = write(GOOD)
    assert LabelTable.read(path).path(0) == tmp_path / "a.jpg"
    assert LabelTable.read(path, images=Path("/photos")).path(0) == Path("/photos/a.jpg")


def test_every_problem_is_found_at_once_with_its_row(write: Write) -> None:
    path = write("image,dog,cat\na.jpg,1,u\nb.jpg\nc.jpg,v,0\n,1,0\n")
    reading = examine_table(path)
    assert reading.table is None
    assert [(problem.row, problem.column) for problem in reading.problems] == [(2, "cat"), (3, None), (4, "dog"), (5, "image")]


def test_rows_of_the_images_are_known(write: Write) -> None:
    reading = examine_table(write("image,dog\n\na.jpg,1\nb.jpg,0\na.jpg,1\nc.jpg,\n"))
    assert reading.rows is not None
    assert reading.rows.tolist() == [3, 4, 6]


PARQUET_COLUMNS = [
    pytest.param(pa.array([1, 0, None], pa.int8()), id="whole numbers with null"),
    pytest.param(pa.array([1.0, 0.0, float("nan")]), id="floats, as pandas keeps gaps"),
    pytest.param(pa.array([True, False, None]), id="true and false"),
    pytest.param(pa.array(["1", "0", ""]), id="text"),
    pytest.param(pa.array([1, 0, None], pa.uint64()), id="unsigned"),
]


@pytest.mark.parametrize("column", PARQUET_COLUMNS)
def test_parquet_of_other_programs(tmp_path: Path, column: pa.Array) -> None:
    path = tmp_path / "labels.parquet"
    pyarrow.parquet.write_table(pa.table({"image": ["a", "b", "c"], "dog": column}), path)
    assert LabelTable.read(path).labels.values.ravel().tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, 2]), "{path}, row 2, column 'dog': " + CELL + "'2'; correct the cell"),
        (pa.array([0.5, 1.0]), "{path}, row 1, column 'dog': " + CELL + "'0.5'; correct the cell"),
        (pa.array([[1], [0]]), "{path}: column 'dog' holds list<element: int64>; " + CELL.removesuffix(", came ")),
    ],
)
def test_wrong_parquet(tmp_path: Path, column: pa.Array, message: str) -> None:
    path = tmp_path / "labels.parquet"
    pyarrow.parquet.write_table(pa.table({"image": ["a", "b"], "dog": column}), path)
    with pytest.raises(TableError) as caught:
        LabelTable.read(path)
    assert str(caught.value) == message.format(path=path)


def test_no_parquet(write: Write) -> None:
    with pytest.raises(TableError, match=r"labels.parquet: not a readable Parquet file .*; write it again"):
        LabelTable.read(write("image,dog\n", "labels.parquet"))


def test_json_table(write: Write) -> None:
    records = [
        {"image": "a.jpg", "split": "train", "labels": {"dog": 1, "cat": 0, "tree": None}},
        {"image": "b.jpg", "split": "test", "labels": {"tree": 1}, "probabilities": {"tree": 0.9}, "sources": {"tree": "predicted|r"}},
    ]
    table = LabelTable.read(write(json.dumps(records), "labels.json"))
    assert table.classes == ("dog", "cat", "tree")
    assert table.labels.values.tolist() == [[1, 0, -1], [-1, -1, 1]]
    assert table.splits == ("train", "test")
    assert table.origins == (GIVEN, Origin("predicted", "r"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "labels.json: not readable as JSON"),
        ('{"a": 1}', r'expected a list of \{"image": ..., "labels": \{"dog": 1\}\}, came dict'),
        ('[{"image": "a"}]', "no class at all; expected at least one class"),
        ('[{"labels": {"dog": 1}}]', "row 1: expected"),
        ('[{"image": "a", "labels": {"dog": 1}, "lables": 3}]', "row 1: unknown name 'lables'; choose among image, split, labels"),
        (
            '[{"image": "a", "labels": {"dog": 0.5}}]',
            r"row 1, column 'dog': expected 1 \(present\), 0 \(absent\) or null \(not checked\), came 0.5",
        ),
        ('[{"image": "a", "labels": {"dog": "2"}}]', 'came "2"; correct the value'),
        ('[{"image": "a", "labels": {"dog": 1, "dog": 0}}]', "the name 'dog' comes twice in one object; remove one of them"),
        (
            '[{"image": "a", "labels": {"dog": 1}, "probabilities": {"dog": 2}}]',
            "expected a probability between 0 and 1 of a class, came 2",
        ),
        ("[]", "no class at all|the table has no row"),
    ],
)
def test_wrong_json(write: Write, text: str, words: str) -> None:
    with pytest.raises(TableError, match=words):
        LabelTable.read(write(text, "labels.json"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"classes": ("dog", "dog")}, "class 'dog' comes twice"),
        ({"classes": ("dog", " cat")}, "class name ' cat' is blank or has a line break, control sign or outer space"),
        ({"classes": ("dog", "image")}, "class name 'image' is reserved"),
        ({"classes": ("dog", "cat:source")}, "class name 'cat:source' is reserved"),
        ({"images": ("a.jpg",)}, r"labels must be \(image, label\) = \(1, 2\), came \(2, 2\)"),
        ({"images": ("a.jpg", "b\n.jpg")}, "image name .* is blank or has a line break"),
        ({"splits": ("train",)}, "2 images but 1 splits"),
        ({"probabilities": np.full((2, 2), 1.5)}, "probabilities must lie between 0 and 1"),
        ({"origin_index": np.full((2, 2), 3)}, r"origin_index must lie in 0..0, came 3..3"),
        ({"origins": (Origin("reviewed"),)}, "1 label sources but no origin_index"),
    ],
)
def test_wrong_tables_are_not_built(fields: dict, words: str) -> None:
    with pytest.raises(TableError, match=words):
        _table([[1, 0], [0, 1]], **fields)


def test_wrong_origins() -> None:
    with pytest.raises(TagLensError, match="unknown label source 'predict'; did you mean 'predicted'"):
        Origin("predict")
    with pytest.raises(TableError, match=r"must have no '\|'"):
        Origin("reviewed", "a|b")


def test_rows_and_splits() -> None:
    table = _table([[1, 0], [0, 1], [-1, -1]], splits=("train", "val", "train"))
    assert table.split("train").images == ("0.jpg", "2.jpg")
    assert table.rows(np.array([2, 0])).labels.values.tolist() == [[-1, -1], [1, 0]]
    assert table.rows([False, True, False]).splits == ("val",)
    assert table.split_names == ("train", "val")
    with pytest.raises(TableError, match="unknown split 'vall'; did you mean 'val'"):
        table.split("vall")
    with pytest.raises(TableError, match="has no 'split' column"):
        _table([[1, 0]]).split("train")


def test_changed_labels_lose_their_source() -> None:
    by = Origin("predicted", "run")
    table = _table([[1, 0]], origins=(GIVEN, by), origin_index=np.ones((1, 2), np.int16), probabilities=np.array([[0.9, 0.1]], np.float32))
    changed = table.with_labels(PartialLabels(np.array([[1, 1]])))
    assert changed.origin_index is not None
    assert changed.origin_index.tolist() == [[1, 0]]
    assert changed.probabilities is not None
    assert np.isnan(changed.probabilities).tolist() == [[False, True]]


def test_writing(tmp_path: Path) -> None:
    table = _table([[1, 0, -1], [-1, 1, -1]], splits=("train", "test"))
    table.write(tmp_path / "wide.csv")
    assert (tmp_path / "wide.csv").read_text() == "image,split,dog,cat,tree\n0.jpg,train,1,0,\n1.jpg,test,,1,\n"
    table.write(tmp_path / "tags.csv", form="tags")
    assert (tmp_path / "tags.csv").read_text() == "image,split,tags\n0.jpg,train,dog|!cat|?tree\n1.jpg,test,cat\n"
    with pytest.raises(OutputError, match=r"wide.csv exists already; choose another name or pass --force"):
        table.write(tmp_path / "wide.csv")
    table.write(tmp_path / "wide.csv", force=True)
    with pytest.raises(TableError, match=r"only CSV has the tags form, came x\.parquet"):
        table.write(tmp_path / "x.parquet", form="tags")
    with pytest.raises(TableError, match=r"unknown kind of table '.txt'; expected .csv, .json, .parquet"):
        table.write(tmp_path / "x.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tags.csv", "wide.csv"]


@pytest.mark.parametrize(
    "name", ["a|b", "!a", "?a", "|_|", ":|", ":)", "\\m/", "\\|", "red, green", "#x", "[a]", "a\\", "wire haired fox", "nan"]
)
def test_the_tags_form_holds_every_name(tmp_path: Path, name: str) -> None:
    """Signs that would part or mark tags stand behind a backslash."""
    table = _table([[1, 0], [0, 1], [1, -1]], classes=(name, "dog"))
    table.write(tmp_path / "x.csv", form="tags")
    assert LabelTable.read(tmp_path / "x.csv") == table


def test_a_wide_table_with_one_class_called_tags_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="a wide CSV whose only class is 'tags' reads as the tags form"):
        _table([[1]], classes=("tags",)).write(tmp_path / "x.csv")


def test_other_programs_read_ours(tmp_path: Path) -> None:
    table = _table([[1, 0, -1], [-1, 1, -1]], splits=("train", "test"))
    table.write(tmp_path / "t.csv")
    table.write(tmp_path / "t.parquet")
    for frame in (pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")):
        assert frame["image"].tolist() == ["0.jpg", "1.jpg"]
        assert np.array_equal(frame[["dog", "cat", "tree"]].astype(float), [[1, 0, np.nan], [np.nan, 1, np.nan]], equal_nan=True)


def test_joining() -> None:
    one = _table([[1, 0]], splits=("train",), root=Path("/data/train2014"))
    two = _table(
        [[0, 1]], splits=("val",), root=Path("/data/val2014"), origins=(GIVEN, Origin("reviewed", "anna")), origin_index=np.array([[1, 0]])
    )
    both = join_tables([one, two])
    assert both.images == ("train2014/0.jpg", "val2014/0.jpg")
    assert both.path(1) == two.path(0)
    assert both.labels.values.tolist() == [[1, 0], [0, 1]]
    assert both.origin_index is not None
    assert both.origin_index.tolist() == [[0, 0], [1, 0]]
    with pytest.raises(TableError, match="tables with other classes cannot be joined"):
        join_tables([one, _table([[1]])])


@pytest.mark.slow
def test_big_tables_read_in_seconds(tmp_path: Path) -> None:
    """Ten times the time measured (0.8 s for 8 million cells), so that only a change of kind fails."""
    import time

    values = np.random.default_rng(0).integers(-1, 2, (10_000, 200))
    table = _table([[1]])
    table = LabelTable(tuple(f"{row}.jpg" for row in range(10_000)), tuple(f"c{place}" for place in range(200)), PartialLabels(values))
    table.write(tmp_path / "big.csv")
    start = time.perf_counter()
    again = LabelTable.read(tmp_path / "big.csv")
    assert time.perf_counter() - start < 5
    assert again == table


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("image,dog\na.jpg,1\nb.jpg,\n,\n,\n", id="blank rows at the end"),
        pytest.param("image,dog\na.jpg,1\n , \nb.jpg,\n", id="one of spaces in between"),
        pytest.param("image,dog,,\na.jpg,1,,\nb.jpg,,,\n,,,\n", id="columns without a name or a cell"),
    ],
)
def test_what_a_spreadsheet_leaves_blank_is_left_out(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    table = LabelTable.read(tmp_path / "t.csv")
    assert (table.images, table.classes) == (("a.jpg", "b.jpg"), ("dog",))
    assert table.labels.values.tolist() == [[1], [-1]]


def test_rows_are_counted_as_in_the_file_where_some_are_blank(tmp_path):
    (tmp_path / "t.csv").write_text("image,dog,\n,,\na.jpg,2,\n")
    with pytest.raises(TableError, match=r"row 3, column 'dog': .* came '2'"):
        LabelTable.read(tmp_path / "t.csv")

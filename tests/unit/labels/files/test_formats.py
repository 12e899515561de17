"""One set of rules for every format: what a cell may say, lists, splits, long tables, questions and left-outs."""

import decimal
import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from taglens.errors import TableError
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import examine_table, read_table

Rows = list[list[object]]


def _text(separator: str, before: str = "") -> Callable[[Path, Rows], None]:
    def write(path: Path, rows: Rows) -> None:
        cells = [["" if cell is None else f'"{cell}"' if separator in str(cell) else str(cell) for cell in row] for row in rows]
        path.write_text(before + "".join(separator.join(row) + "\r\n" for row in cells), "utf-8")

    return write


def _records(rows: Rows) -> list[dict[str, object]]:
    return [dict(zip(map(str, rows[0]), row, strict=True)) for row in rows[1:]]


def _json(path: Path, rows: Rows) -> None:
    path.write_text("\ufeff" + json.dumps(_records(rows)), "utf-8")


def _lines(path: Path, rows: Rows) -> None:
    path.write_text("\n\n".join(map(json.dumps, _records(rows))), "utf-8")


def _by_columns(path: Path, rows: Rows) -> None:
    pd.DataFrame(rows[1:], columns=rows[0]).to_json(path)


def _split(path: Path, rows: Rows) -> None:
    pd.DataFrame(rows[1:], columns=rows[0]).to_json(path, orient="split")


def _parquet(path: Path, rows: Rows) -> None:
    columns = {str(name): [row[index] for row in rows[1:]] for index, name in enumerate(rows[0])}
    texts = {name: pa.array([None if cell is None else str(cell) for cell in cells]) for name, cells in columns.items()}
    pyarrow.parquet.write_table(pa.table(texts), path)


def _categories(path: Path, rows: Rows) -> None:
    pd.DataFrame([[None if cell is None else str(cell) for cell in row] for row in rows[1:]], columns=rows[0]).astype(
        "category"
    ).to_parquet(path)


def _excel(path: Path, rows: Rows) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


FORMATS: dict[str, tuple[str, Callable[[Path, Rows], None]]] = {
    "CSV": ("t.csv", _text(",")),
    "CSV of Excel in Europe": ("t.csv", _text(";", "\ufeff")),
    "CSV with a sep line": ("t.csv", _text(";", "sep=;\r\n")),
    "TSV": ("t.tsv", _text("\t")),
    "TXT": ("t.txt", _text("\t")),
    "JSON": ("t.json", _json),
    "JSON by columns": ("t.json", _by_columns),
    "JSON as pandas splits it": ("t.json", _split),
    "JSON lines": ("t.jsonl", _lines),
    "JSON lines called JSON": ("t.json", _lines),
    "Parquet": ("t.parquet", _parquet),
    "Parquet with categories": ("t.parquet", _categories),
    "Excel": ("t.xlsx", _excel),
}


@pytest.fixture(params=FORMATS)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Rows], Path]:
    name, writer = FORMATS[request.param]

    def written(rows: Rows) -> Path:
        writer(tmp_path / name, rows)
        return tmp_path / name

    return written


CELLS = [
    (1, [1, "1", "1.0", "1,0", "true", "TRUE", "yes", "ja", "WAHR", "x", "vrai", "✓"]),
    (0, [0, "0", "0.0", "0,0", "false", "FALSE", "no", "nein", "FALSCH", "faux"]),
    (-1, [None, "", "NaN", "None", "NA", "n/a", "null", "<NA>", "?", "unknown"]),
]


def test_what_a_cell_may_say(write):
    rows = [[f"{state}-{place}.jpg", state, cell] for state, cells in CELLS for place, cell in enumerate(cells)]
    table = read_table(write([["image", "sure", "dog"], *([name, max(state, 0), cell] for name, state, cell in rows)]))
    assert table.classes == ("sure", "dog")
    assert table.labels.values[:, 1].tolist() == [state for _, state, _ in rows]


def test_tags_and_a_split_by_another_name(write):
    table = read_table(write([["file_name", "tags", "is_valid"], ["a.jpg", "dog|cat", "True"], ["b.jpg", "!dog", "False"]]))
    assert (table.images, table.classes, table.splits) == (("a.jpg", "b.jpg"), ("dog", "cat"), ("valid", "train"))
    assert table.labels.values.tolist() == [[1, 1], [0, -1]]


def test_long(write):
    table = read_table(write([["image", "class", "value"], ["a.jpg", "dog", 1], ["a.jpg", "cat", 0], ["b.jpg", "cat", 1]]))
    assert table.labels.values.tolist() == [[1, 0], [-1, 1]]


def test_questions_are_asked_and_answered(write):
    path = write([["image", "id", "dog"], ["a.jpg", 0, 1], ["b.jpg", 1, 0]])
    with pytest.raises(TableError, match=r"'id' \(a number of rows or things\): by the name no class; to leave out: --ignore id"):
        read_table(path)
    table = read_table(path, None, TableOptions(ignore=("id",)))
    assert (table.classes, table.labels.values.ravel().tolist()) == (("dog",), [1, 0])
    assert any("left out: column 'id'" in line for line in table.warnings)


def test_a_whole_column_is_said_once(write):
    problems = examine_table(write([["image", "dog", "years"], ["a.jpg", 1, 34], ["b.jpg", 0, 21]])).problems
    assert [(problem.column, problem.level) for problem in problems] == [("years", "error")]


PARQUET = {
    "decimals": pa.array([decimal.Decimal("1.0"), decimal.Decimal("0.0"), None]),
    "true and false": pa.array([True, False, None]),
    "coded numbers": pa.array([1, 0, None]).dictionary_encode(),
    "floats": pa.array([1.0, 0.0, float("nan")]),
    "large text": pa.array(["ja", "nein", ""], pa.large_string()),
}


@pytest.mark.parametrize("name", PARQUET)
def test_types_of_parquet(tmp_path, name):
    pyarrow.parquet.write_table(pa.table({"image": ["a", "b", "c"], "dog": PARQUET[name]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").labels.values.ravel().tolist() == [1, 0, -1]


LISTS = {
    "Parquet": lambda path, rows: pyarrow.parquet.write_table(pa.table({"image": ["a", "b"], "labels": pa.array(rows)}), path),
    "JSON": lambda path, rows: path.write_text(
        json.dumps([{"image": name, "labels": tags} for name, tags in zip("ab", rows, strict=True)])
    ),
    "JSON by picture": lambda path, rows: path.write_text(json.dumps({f"{name}.jpg": tags for name, tags in zip("ab", rows, strict=True)})),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_need_no_separator_and_no_signs(tmp_path, name):
    path = tmp_path / ("t.parquet" if name == "Parquet" else "t.json")
    LISTS[name](path, [["red, green", "a|b"], ["!?"]])
    table = read_table(path)
    assert table.classes == ("red, green", "a|b", "!?")
    assert table.labels.values.tolist() == [[1, 1, -1], [-1, -1, 1]]


def test_class_numbers_take_the_names_that_hugging_face_wrote_beside_them(tmp_path):
    features = {"info": {"features": {"labels": {"feature": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "_type": "Sequence"}}}}
    table = pa.table({"image": ["a", "b"], "labels": [[1], [0, 1]]}).replace_schema_metadata({"huggingface": json.dumps(features)})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").classes == ("dog", "cat")
    pyarrow.parquet.write_table(table.replace_schema_metadata(None), tmp_path / "t.parquet")
    unnamed = read_table(tmp_path / "t.parquet")
    assert unnamed.classes == ("1", "0")
    assert any("classes are numbers (1, 0...): the file does not say their names" in line for line in unnamed.warnings)


def test_label_studios_short_form(tmp_path):
    records = [
        {"image": "a.jpg", "id": 1, "annotator": 3, "lead_time": 1.5, "tags": {"choices": ["dog", "cat"]}},
        {"image": "b.jpg", "id": 2, "annotator": 3, "lead_time": 2.5, "tags": "cat"},
    ]
    (tmp_path / "t.json").write_text(json.dumps(records))
    table = read_table(tmp_path / "t.json")
    assert table.labels.values.tolist() == [[1, 1], [-1, 1]]
    assert any("left out: columns 'id', 'annotator', 'lead_time'" in line for line in table.warnings)


def test_splits_of_json_may_be_numbers(tmp_path):
    records = [{"image": "a", "split": 0, "labels": {"dog": 1}}, {"image": "b", "split": 1, "labels": {"dog": 0}}]
    (tmp_path / "t.json").write_text(json.dumps(records))
    assert read_table(tmp_path / "t.json").splits == ("0", "1")


def test_a_formula_without_its_result_is_no_blank(tmp_path):
    _excel(tmp_path / "t.xlsx", [["image", "dog"], ["a.jpg", 1], ["b.jpg", "=1+0"]])
    with pytest.raises(TableError, match=r"row 3: column 'dog': a formula \(=1\+0\) without a stored result"):
        read_table(tmp_path / "t.xlsx")


def test_what_a_workbook_has_besides_the_table(tmp_path):
    book = openpyxl.Workbook()
    for row in ([None, None], ["image", "dog", None], ["a.jpg", True], [None, None], ["b.jpg", 0.0]):
        book.active.append(row)
    book.create_sheet("notes").append(["by", "anna"])
    book.create_sheet("empty")
    book.save(tmp_path / "t.xlsx")
    reading = examine_table(tmp_path / "t.xlsx")
    assert reading.table is not None
    assert reading.table.labels.values.ravel().tolist() == [1, 0]
    assert reading.rows is not None
    assert reading.rows.tolist() == [3, 5]
    assert [(entry.what, entry.number) for entry in reading.table.left_out] == [("further sheets (notes)", 1)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", "sep=|\nimage|dog\na|1\n", r"row 1: the line sep=\| declares a separator that is not read"),
        ("t.csv", "sep=;\nimage;dog\na;1\nb;q\n", "row 4, column 'dog': expected 1"),
        ("t.jsonl", '{"image": "a", "labels": {"dog": 1}}\n\n{\n', "row 3: not readable as JSON"),
        ("t.json", '[{"image": "a", "dog": {"x": 1}}]', "'dog' holds objects"),
        ("t.json", '[{"image": "a", "tags": ["x"]}, {"image": "b", "tags": "y"}]', "'tags' is a list in one object and none in another"),
        ("t.xlsx", "PK", "not a readable Excel workbook"),
        ("t.ods", "PK", "unknown kind of table '.ods'; expected .*; save it as .xlsx or CSV"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=words):
        read_table(tmp_path / name)


def test_excel_needs_its_extra(tmp_path, monkeypatch):
    _excel(tmp_path / "t.xlsx", [["image", "dog"], ["a.jpg", 1]])
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(TableError, match=r"reading Excel needs openpyxl: pip install 'taglens\[excel\]'"):
        read_table(tmp_path / "t.xlsx")

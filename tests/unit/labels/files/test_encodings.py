"""Text in other encodings: read where a mark or the user says it, else refused with what it looks like; no wrong letters in silence."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from taglens.datasets.source import DataOptions, examine_data, read_data
from taglens.datasets.voc import read_voc
from taglens.encoded import encoding_of, misread, open_text
from taglens.errors import RunError, TableError
from taglens.labels.files.thresholds import read_thresholds
from taglens.relations.file import read_relations

CLASSES = ("Straße", "日本")
CSV = "image,Straße,日本\nbär.jpg,1,0\nb.jpg,,1\n"
OBJECTS = [{"image": "bär.jpg", "labels": {"Straße": 1, "日本": 0}}, {"image": "b.jpg", "labels": {"日本": 1}}]
COCO = {
    "images": [{"id": 1, "file_name": "bär.jpg", "neg_category_ids": [2]}, {"id": 2, "file_name": "b.jpg", "neg_category_ids": []}],
    "categories": [{"id": 1, "name": "Straße"}, {"id": 2, "name": "日本"}],
    "annotations": [{"image_id": 1, "category_id": 1}, {"image_id": 2, "category_id": 2}],
}
TEXTS = {
    "t.csv": CSV,
    "excel.csv": "sep=;\n" + CSV.replace(",", ";"),
    "t.tsv": CSV.replace(",", "\t"),
    "t.txt": CSV.replace("\n", "\r\n"),
    "t.json": json.dumps(OBJECTS, ensure_ascii=False),
    "t.jsonl": "\n".join(json.dumps(entry, ensure_ascii=False) for entry in OBJECTS),
    "coco.json": json.dumps(COCO, ensure_ascii=False),
}
MARKED = {
    "UTF-8 with a mark": "utf-8-sig",
    "UTF-16, little end first": "utf-16-le",
    "UTF-16, big end first": "utf-16-be",
    "UTF-32": "utf-32-le",
}


@pytest.mark.parametrize("encoding", MARKED.values(), ids=MARKED)
@pytest.mark.parametrize("name", TEXTS)
def test_a_byte_order_mark_is_certain(tmp_path: Path, name: str, encoding: str) -> None:
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    (tmp_path / name).write_bytes((mark + TEXTS[name]).encode(encoding))
    table = read_data(tmp_path / name, "all")
    assert table.classes == CLASSES
    assert table.images == ("bär.jpg", "b.jpg")
    assert table.labels.values.tolist() == [[1, 0], [-1, 1]]


LOOKS = {
    # what the file is in -> (a class, the first guess)
    "cp1252": ("Straße", "windows-1252"),
    "latin-1": ("Größe", "windows-1252"),
    "cp1251": ("собака", "windows-1251"),
    "shift_jis": ("ひらがな", "shift_jis"),
    "gb18030": ("狗天空", "gb18030"),
    "euc_kr": ("하늘개", "euc_kr"),
    "mac_roman": ("Löwe", "mac_roman"),
}


@pytest.mark.parametrize("encoding", LOOKS)
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.json", "t.jsonl"])
def test_without_a_mark_it_is_refused_with_what_it_looks_like_and_read_once_that_is_said(tmp_path: Path, name: str, encoding: str) -> None:
    label, guess = LOOKS[encoding]
    text = TEXTS[name].replace("Straße", label).replace("日本", "b").replace("bär", "a")
    (tmp_path / name).write_bytes(text.encode(encoding))
    [problem] = examine_data(tmp_path / name, "all").problems
    assert problem.message.startswith(f"not UTF-8 text; it looks like {guess}: a word there reads {label!r} in {guess}")
    assert f"--encoding {guess}" in problem.message
    assert problem.row == 1
    assert read_data(tmp_path / name, "all", DataOptions(encoding=guess)).classes == (label, "b")


def test_coco_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_bytes(TEXTS["coco.json"].replace("日本", "b").encode("latin-1"))
    with pytest.raises(TableError, match="looks like windows-1252"):
        read_data(path, "all")
    assert read_data(path, "all", DataOptions(encoding="latin-1")).classes == ("Straße", "b")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_without_a_mark_is_no_text_with_zero_bytes(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"image,dog\na.jpg,1\n".decode().encode(encoding))
    [problem] = examine_data(path, "all").problems
    assert f"--encoding {encoding}" in problem.message
    assert read_data(path, "all", DataOptions(encoding=encoding)).classes == ("dog",)


@pytest.mark.parametrize(
    ("asked", "words"),
    [("hex", "no encoding of text"), ("klingon", "no encoding of text"), ("utf-16", "not UTF-16 text from one end to the other")],
)
def test_an_encoding_that_is_none_or_another(tmp_path: Path, asked: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"image,d\xe4g\na.jpg,1\n")
    [problem] = examine_data(path, "all", DataOptions(encoding=asked)).problems
    assert words in problem.message


def test_a_mark_counts_more_than_what_was_asked() -> None:
    assert encoding_of("\ufeffimage".encode("utf-16-le"), "t", "latin-1") == "utf-16"


def test_packed_text_and_a_row_far_down(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"image\n" * 100_000 + "bär\n".encode("latin-1")))
    with pytest.raises(TableError, match="row 100001: not UTF-8 text"), open_text(path) as file:
        file.read()


def test_other_files_that_people_write(tmp_path: Path) -> None:
    (tmp_path / "thresholds.csv").write_text("class,threshold\nStraße,0.5\n", "utf-16")
    assert read_thresholds(tmp_path / "thresholds.csv", ["Straße"]).tolist() == [0.5]
    (tmp_path / "thresholds.csv").write_text("class,threshold\nStraße,0.5\n", "latin-1")
    with pytest.raises(RunError, match="looks like windows-1252"):
        read_thresholds(tmp_path / "thresholds.csv", ["Straße"])
    (tmp_path / "relations.txt").write_text("Straße > dog\n", "latin-1")
    with pytest.raises(TableError, match="row 1: not UTF-8 text; it looks like windows-1252"):
        read_relations(tmp_path / "relations.txt", ["Straße", "dog"])
    lists = tmp_path / "VOC2007" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("000001\n", "utf-8-sig")
    (lists / "forklift_train.txt").write_text("000001 1\n", "utf-16")
    table = read_voc(tmp_path, 2007, "train")
    assert table.images == ("000001.jpg",)
    assert np.count_nonzero(table.labels.positive) == 1


@pytest.mark.parametrize(
    ("name", "before"), [("StraÃŸe", "Straße"), ("Gr√∂√üe", "Größe"), ("Gr\ufffdße", ""), ("Ã", None), ("Straße", None)]
)
def test_letters_that_an_earlier_program_broke(name: str, before: str | None) -> None:
    assert misread(name) == before


def test_broken_letters_in_classes_are_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,StraÃŸe\na.jpg,1\n", "utf-8")
    assert "'StraÃŸe' ('Straße'?)" in " ".join(read_data(tmp_path / "t.csv", "all").warnings)

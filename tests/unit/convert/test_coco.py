"""COCO with federated negatives: out and back, nothing lost; what other programs changed since counts."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taglens.cli.main import main
from taglens.convert.coco import write_coco
from taglens.datasets.source import DataOptions, read_data
from taglens.errors import OutputError, PictureError, TableError
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

FILLED = Origin("predicted", "runs/first", "2026-11-21T11:00:00Z")
REVIEWED = Origin("reviewed", "ada", "2026-11-22T11:00:00Z")


@pytest.fixture
def table(tmp_path: Path) -> LabelTable:
    images = ("a.jpg", "in a folder/bär.jpg", "c.jpg")
    for number, name in enumerate(images):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20 + number, 30)).save(tmp_path / name)
    return LabelTable(
        images,
        ("dog", "None", "Straße"),
        PartialLabels(np.array([[1, 0, -1], [-1, 1, 0], [-1, -1, -1]], np.int8)),
        ("train", "", "test"),
        tmp_path,
        (Origin("given"), FILLED, REVIEWED),
        np.array([[0, 2, 0], [0, 1, 1], [0, 0, 0]], np.int16),
        np.array([[np.nan, np.nan, 0.3], [0.4, 0.97, 0.02], [0.5, np.nan, np.nan]], np.float32),
    )


def test_states_are_lvis_form(table: LabelTable, tmp_path: Path) -> None:
    assert write_coco(table, tmp_path / "coco.json") == tmp_path
    content = json.loads((tmp_path / "coco.json").read_text("utf-8"))
    assert [(image["neg_category_ids"], image["not_exhaustive_category_ids"]) for image in content["images"]] == [
        ([2], [1]),
        ([3], [2]),
        ([], []),
    ]
    assert [(found["image_id"], found["category_id"], found["bbox"]) for found in content["annotations"]] == [
        (1, 1, [0, 0, 20, 30]),
        (2, 2, [0, 0, 21, 30]),
    ]


def test_out_and_back_by_the_command_line_loses_nothing(table: LabelTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write(tmp_path / "labels.csv")
    (tmp_path / "other").mkdir()
    out = tmp_path / "other" / "coco.json"
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "coco", "--out", str(out)]) == 0
    assert f"--images {tmp_path}" in " ".join(capsys.readouterr().err.split())
    back = read_data(out, "all", DataOptions(images=tmp_path))
    assert back == table
    assert [back.path(row).is_file() for row in range(3)] == [True] * 3
    assert main(["convert", str(out), "--images", str(tmp_path), "--out", str(tmp_path / "back.csv")]) == 0
    assert LabelTable.read(tmp_path / "back.csv") == table


def test_without_sources_nothing_of_ours_is_in_the_file(table: LabelTable, tmp_path: Path) -> None:
    plain = LabelTable(table.images, table.classes, table.labels, None, tmp_path)
    write_coco(plain, tmp_path / "coco.json")
    assert "taglens_" not in (tmp_path / "coco.json").read_text("utf-8")
    assert read_data(tmp_path / "coco.json", "all") == plain


def test_only_absent_and_unchecked_labels_are_no_lost_tags(table: LabelTable, tmp_path: Path) -> None:
    absent = LabelTable(table.images[:1], table.classes, PartialLabels(np.array([[0, -1, -1]], np.int8)), None, tmp_path)
    write_coco(absent, tmp_path / "coco.json")
    assert read_data(tmp_path / "coco.json", "all") == absent


def test_what_another_program_changed_counts(table: LabelTable, tmp_path: Path) -> None:
    write_coco(table, tmp_path / "coco.json")
    content = json.loads((tmp_path / "coco.json").read_text("utf-8"))
    content["annotations"] = content["annotations"][:1]
    (tmp_path / "coco.json").write_text(json.dumps(content), "utf-8")
    back = read_data(tmp_path / "coco.json", "all")
    assert back.labels.values[1].tolist() == [-1, -1, 0]
    assert back.probabilities is not None
    assert np.isnan(back.probabilities[1, 1])
    assert "1 labels were changed since TagLens wrote them" in " ".join(back.warnings)


def test_pictures_outside_the_tables_folder_have_no_dots(table: LabelTable, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    outside = LabelTable(("../a.jpg", "../c.jpg"), ("dog",), PartialLabels(np.array([[1], [0]], np.int8)), None, tmp_path / "tables")
    assert write_coco(outside, tmp_path / "tables" / "coco.json") == tmp_path
    back = read_data(tmp_path / "tables" / "coco.json", "all", DataOptions(images=tmp_path))
    assert back.images == ("a.jpg", "c.jpg")
    assert back.labels.values.tolist() == [[1], [0]]


def test_refusals(table: LabelTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "coco.json").write_text("mine")
    with pytest.raises(OutputError, match=r"coco\.json"):
        write_coco(table, tmp_path / "coco.json")
    table.write(tmp_path / "labels.csv")
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "coco", "--out", str(tmp_path / "coco.csv")]) == 2
    assert "COCO is JSON" in capsys.readouterr().err
    (tmp_path / "c.jpg").unlink()
    with pytest.raises(PictureError, match=r"c\.jpg: picture not found"):
        write_coco(table, tmp_path / "new.json")


@pytest.mark.parametrize(("entry", "words"), [({"taglens_split": 3}, "must be a text"), ({"taglens_labels": 3}, "must be an object")])
def test_entries_that_taglens_does_not_write(tmp_path: Path, entry: dict[str, object], words: str) -> None:
    content = {"images": [{"id": 1, "file_name": "a.jpg"} | entry], "categories": [{"id": 1, "name": "dog"}],
               "annotations": [{"image_id": 1, "category_id": 1}]}  # fmt: skip
    (tmp_path / "coco.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(TableError, match=words):
        read_data(tmp_path / "coco.json", "all")

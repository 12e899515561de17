"""Small files after public bug reports (``../shared/cases``): each read as its author meant it, or refused with what to do."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from taglens.datasets.files import list_pictures
from taglens.datasets.pictures import open_picture
from taglens.datasets.source import DataOptions, examine_data
from taglens.errors import TagLensError
from tests.conftest import SHARED

CASES = SHARED / "cases"

READ: dict[str, tuple[str, dict[str, object], list[list[int]], str]] = {
    # folder: (file, classes or splits expected by name, labels, words that must be said)
    "capital-Split": (
        "t.csv",
        {"classes": ("dog", "cat"), "splits": ("train", "test")},
        [[1, 0], [0, 1]],
        "split is taken from column 'Split'",
    ),
    "coco-lvis-federated": (
        "t.json",
        {"classes": ("dog", "cat", "beach")},
        [[1, 0, -1], [1, 0, -1], [-1, 0, 1]],
        "negatives are federated",
    ),
    "coco-roboflow-root": (
        "t.json",
        {"classes": ("dog", "cat")},
        [[1, 0], [0, 1]],
        "only group others and are never annotated ('animals')",
    ),
    "coco-same-file-two-ids": ("t.json", {"images": ("a.jpg", "b.jpg")}, [[1, 1], [1, 0]], "only some of its ids have cat, dog"),
    "fastai-is_valid": (
        "t.csv",
        {"classes": ("dog", "cat"), "splits": ("train", "train", "valid", "valid")},
        [[1, 0], [0, 1], [1, -1], [-1, 1]],
        "the split is taken from column 'is_valid': true is 'valid'",
    ),
    "german": ("t.csv", {"classes": ("dog", "cat")}, [[1, 0], [0, 1]], ""),
    "json-bom": ("t.json", {"classes": ("dog",)}, [[1], [0]], ""),
    "json-split-num": ("t.json", {"splits": ("0", "1")}, [[1], [0]], ""),
    "long-binary": ("t.csv", {"classes": ("0", "1")}, [[1, -1], [-1, 1], [-1, 1], [1, -1]], "read as a long table: class from 'class_id'"),
    "ls-boxes": ("t.json", {"classes": ("cat",)}, [[-1], [1]], "left out: 1 answers of type rectanglelabels (parts of a picture)"),
    "ls-ground-truth": ("t.json", {"classes": ("dog",)}, [[1]], "left out: 1 other annotations of a task (the newest ground truth counts"),
    "ls-single": ("t.json", {"classes": ("dog",)}, [[1]], ""),
    "ls-taxonomy": ("t.json", {"classes": ("Animal/Dog", "Place/Beach", "cat")}, [[1, 1, -1], [-1, -1, 1]], "with all their levels"),
    "ls-yesno": ("t.json", {"classes": ("has_dog", "has_cat")}, [[1, 0], [0, 0]], "questions answered by yes and no are classes"),
    "openimages-long": (
        "t.csv",
        {"classes": ("/m/0bt9lr", "/m/01yrx")},
        [[1, 0], [-1, -1]],
        "1 values between 0 and 1 in column 'Confidence'",
    ),
    "pq-hf-image": ("t.parquet", {"images": ("a.jpg", "b.jpg"), "classes": ("0", "1")}, [[1, -1], [1, 1]], "does not say their names"),
    "pq-index": ("t.parquet", {"classes": ("dog",)}, [[1], [0]], "left out: column '__index_level_0__'"),
    "sep-line": ("t.csv", {"classes": ("dog", "cat")}, [[1, 0], [0, 1]], ""),
    "tsv": ("t.tsv", {"classes": ("dog",)}, [[1], [0]], ""),
    "voc-own-classes": (
        "voc2012:VOCdevkit",
        {"classes": ("Person", "forklift", "pallet")},
        [[1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 0, 1]] * 2,
        "among them 'Person', 'forklift', 'pallet', which VOC does not have",
    ),
}

REFUSED = {
    "bbox-rows": ("t.csv", "row 1: 'x' (a box), 'y' (a box): by the name no class; to leave out: --ignore x y"),
    "chexpert": ("t.csv", "row 2, column 'Pneumonia': expected 1 (present), 0 (absent) or blank (not checked), came '-1.0'; projects mean"),
    "coco-no-annotations": ("t.json", "2 pictures and 2 categories but not one annotation"),
    "danbooru-kaomoji": (
        "t.csv",
        r"row 2, column 'tags': '1girl|:||solo' has '|' with nothing on one side: an empty tag, or a tag with '|'",
    ),
    "ls-multi-image": ("t.json", "row 1: 2 pictures (image1, image2), and the answer 'class-left' is about 'img-left', which names none"),
    "planet-space-tags": (
        "t.csv",
        "column 'tags' has blanks in its tags, such as 'haze primary', and words that come again; if blanks stand",
    ),
}

ANSWERED = {
    "bbox-rows": ({"ignore": ("x", "y")}, [[1], [0]]),
    "planet-space-tags": ({"tag_separator": "space"}, [[1, 1, -1, -1, -1, -1, -1], [-1, 1, 1, 1, 1, -1, -1],
                          [-1, 1, -1, 1, -1, -1, -1], [-1, 1, -1, 1, -1, 1, 1]]),
    "ls-multi-image": ({"image_column": "image1"}, [[1, 1]]),
}  # fmt: skip

ELSEWHERE = {
    "case-suffix": "a.JPG", "file-url": "file:///home/me/photos/a.jpg", "ls-upload": "/data/upload/1/8f2d1c3a-a.jpg",
    "windows-abs": r"C:\Users\me\a.jpg", "positives-only": "photos/2008_001171.jpg", "split-valid": "a.jpg", "ls-roundtrip-split": "a.jpg",
}  # fmt: skip
"""Cases that are about pictures' names, or a later step: their labels are read, the name stays as written, and the file is found."""


@pytest.fixture
def case(monkeypatch, tmp_path):
    monkeypatch.setenv("TAGLENS_CACHE", str(tmp_path))

    def found(name: str, file: str = "t.csv") -> str:
        if not (CASES / name).is_dir():
            pytest.skip(f"{CASES.name}/{name} is not at hand; set TAGLENS_SHARED to its folder")
        prefix, separator, place = file.rpartition(":")
        return f"{prefix}{separator}{CASES / name / place}"

    return found


@pytest.mark.parametrize("name", READ)
def test_read_as_meant_and_said(case, name):
    file, expected, labels, words = READ[name]
    reading = examine_data(case(name, file), "all")
    assert reading.table is not None, [problem.message for problem in reading.problems]
    assert reading.table.labels.values.tolist() == labels
    assert {key: getattr(reading.table, key) for key in expected} == expected
    assert words in "\n".join(reading.table.warnings)
    assert bool(reading.table.warnings) == bool(words), "what needs no word gets none"


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_what_to_do(case, name):
    file, words = REFUSED[name]
    data = case(name, file)
    try:
        reading = examine_data(data, "all")
    except TagLensError as error:
        said = str(error)
    else:
        assert reading.table is None
        said = "\n".join(problem.at(data) for problem in reading.problems)
    assert words in said


@pytest.mark.parametrize("name", ANSWERED)
def test_the_answer_that_the_refusal_names(case, name):
    options, labels = ANSWERED[name]
    reading = examine_data(case(name, REFUSED[name][0]), "all", DataOptions(**options))
    assert reading.table is not None
    assert reading.table.labels.values.tolist() == labels


@pytest.mark.parametrize("name", ELSEWHERE)
def test_names_of_pictures_stay_as_written_and_all_files_are_found(case, name):
    file = next((entry for entry in ("t.csv", "t.json") if Path(case(name, entry)).is_file()), "t.csv")
    reading = examine_data(case(name, file), "all")
    assert reading.table is not None
    assert reading.table.images[0] == ELSEWHERE[name]
    assert all(reading.table.path(row).is_file() for row in range(len(reading.table)))
    assert bool(reading.table.files) == any("are found although the table writes" in words for words in reading.table.warnings)


def test_deep_greys_are_neither_black_nor_blank(case):
    folder = Path(case("deep-grey", ""))
    plain = np.asarray(open_picture(folder / "grey8.png"), np.int16)
    for name in ("png12in16.png", "tiff12in16.tif"):
        assert np.abs(np.asarray(open_picture(folder / name), np.int16) - plain).max() <= 1
    values = np.asarray(open_picture(folder / "tiff_float_nodata.tif"), np.int16)
    assert np.mean(np.abs(values - plain) <= 1) > 0.9, "the others are places without data"


def test_a_folder_says_what_is_passed_over(case):
    counted = Counter()
    found = [path.name for path in list_pictures([case("predict-folder-skips", "")], counted)]
    assert found == ["IMG_1.HEIC", "photo.jfif", "photo.jpe", "photo.tga", "plain.jpg"]
    assert counted == {"": 2}, "README and a JPEG without a suffix"
    for name in found[1:]:
        assert open_picture(Path(case("predict-folder-skips", name))).mode == "RGB"


def test_the_test_part_of_a_split_called_valid_is_said(case):
    reading = examine_data(case("split-valid"), "test")
    assert reading.table is not None
    assert reading.table.images == ("c.jpg", "d.jpg")
    assert "no split is called test, so 'valid' is the test part" in reading.table.warnings[-1]


def test_every_folder_is_a_test(case):
    case("german")
    others = {"deep-grey", "predict-folder-skips"}  # pictures, not tables
    assert {entry.name for entry in os.scandir(CASES) if entry.is_dir()} == {*READ, *REFUSED, *ELSEWHERE} | others

"""VOC and COCO in their official layouts, written small here and genuine where the shared photos are at hand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from taglens.datasets.coco import coco_boxes, read_coco, read_coco_file
from taglens.datasets.pictures import Box
from taglens.datasets.source import DataOptions, read_boxes, read_data
from taglens.datasets.voc import VOC_CLASSES, read_voc, voc_boxes
from taglens.errors import TableError, TagLensError
from taglens.labels.table import LabelTable

DOG, CAT, TRAIN = (VOC_CLASSES.index(name) for name in ("dog", "cat", "train"))
OBJECT = """<object><name>{}</name><difficult>{}</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def _voc(root: Path, lists: bool = True) -> Path:
    """Two pictures: a dog and a difficult cat; a difficult dog, a plain dog and a train."""
    folder = root / "VOC2007"
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "trainval.txt").write_text("000005\n000007\n")
    (folder / "JPEGImages").mkdir()
    (folder / "Annotations").mkdir()
    objects = {
        "000005": [("dog", 0, 1, 1, 100, 50), ("cat", 1, 11, 6, 50, 25)],
        "000007": [("dog", 1, 1, 1, 2, 2), ("dog", 0, 1, 1, 2, 2), ("train", 0, 1, 1, 2, 2)],
    }
    for name, found in objects.items():
        text = "".join(OBJECT.format(*each) for each in found)
        size = "<size><width>100</width><height>50</height></size>"
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}{text}</annotation>")
    if lists:
        codes = {"dog": (1, 1), "cat": (0, -1), "train": (-1, 1)}
        for label in VOC_CLASSES:
            one, two = codes.get(label, (-1, -1))
            (folder / "ImageSets" / "Main" / f"{label}_trainval.txt").write_text(f"000005 {one:2d}\n000007 {two:2d}\n")
    return root


@pytest.mark.parametrize("lists", [True, False], ids=["official lists", "XML annotations"])
@pytest.mark.parametrize(("difficult", "cat"), [("negative", 0), ("unknown", -1), ("positive", 1)])
def test_voc(tmp_path: Path, lists: bool, difficult: str, cat: int) -> None:
    table = read_voc(_voc(tmp_path, lists), 2007, "trainval", difficult)
    assert table.images == ("000005.jpg", "000007.jpg")
    assert table.classes == VOC_CLASSES
    assert table.path(0) == tmp_path / "VOC2007" / "JPEGImages" / "000005.jpg"
    expected = np.zeros((2, 20), dtype=np.int8)
    expected[0, DOG] = expected[1, DOG] = expected[1, TRAIN] = 1
    expected[0, CAT] = cat  # seen only as difficult
    assert np.array_equal(table.labels.values, expected)


@pytest.mark.parametrize("place", [".", "VOC2007", ".."])
def test_voc_root_may_be_any_of_its_folders(tmp_path: Path, place: str) -> None:
    root = _voc(tmp_path / "VOCdevkit") / place
    assert len(read_voc(root.resolve(), 2007, "trainval")) == 2


def test_voc_boxes(tmp_path: Path) -> None:
    boxes = voc_boxes(_voc(tmp_path), 2007, ["000005.jpg"])
    assert boxes == {"000005.jpg": [Box("dog", 0.0, 0.0, 1.0, 1.0), Box("cat", 0.1, 0.1, 0.5, 0.5)]}


def test_boxes_of_the_pictures_of_a_table(tmp_path: Path) -> None:
    """Where the data have boxes, those of the table's own pictures; elsewhere none."""
    voc, coco = f"voc2007:{_voc(tmp_path / 'voc')}", f"coco2014:{_coco(tmp_path / 'coco')}"
    table = read_data(voc, "train")
    assert list(read_boxes(voc, table.rows(np.array([1])))) == ["000007.jpg"]
    assert read_boxes(coco, read_data(coco, "train"))["9.jpg"] == [Box("dog", 0.1, 0.1, 0.5, 0.5)]
    shutil.rmtree(tmp_path / "voc" / "VOC2007" / "Annotations")
    assert read_boxes(voc, table) == {}
    assert read_boxes("labels.csv", table) == {}
    with pytest.raises(TableError, match="no VOC2007"):
        read_boxes("voc2007:nowhere", table)


def test_boxes_of_drawn_scenes_are_those_drawn() -> None:
    table = read_data("scenes:20", "test")
    boxes = read_boxes("scenes:20", table)
    assert [{box.name for box in boxes[image]} for image in table.images] == [
        {name for name, value in zip(table.classes, row, strict=True) if value} for row in table.labels.values
    ]
    assert all(0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1 for found in boxes.values() for box in found)


def test_wrong_voc(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no VOC2007/ImageSets/Main in it; expected the VOCdevkit folder of VOC 2007"):
        read_voc(tmp_path, 2007, "trainval")
    main = _voc(tmp_path) / "VOC2007" / "ImageSets" / "Main"
    with pytest.raises(TableError, match=r"Main/test.txt: no such split; choose one of: trainval"):
        read_voc(tmp_path, 2007, "test")
    with pytest.raises(TagLensError, match="unknown treatment of difficult objects 'ignore'"):
        read_voc(tmp_path, 2007, "trainval", "ignore")
    (main / "dog_trainval.txt").write_text("000005 1\n000007 7\n")
    with pytest.raises(TableError, match=r"dog_trainval.txt, row 2: expected a picture and 1, -1 or 0, came '000007 7'; correct the line"):
        read_voc(tmp_path, 2007, "trainval")
    (main / "dog_trainval.txt").write_text("000005 1\n")
    with pytest.raises(TableError, match=r"dog_trainval.txt: no line for picture '000007' of the split"):
        read_voc(tmp_path, 2007, "trainval")
    (main / "dog_trainval.txt").unlink()
    with pytest.raises(TableError, match=r"dog_trainval.txt: not found although other classes have theirs"):
        read_voc(tmp_path, 2007, "trainval")


def test_voc_without_lists_and_annotations(tmp_path: Path) -> None:
    _voc(tmp_path, lists=False)
    annotation = tmp_path / "VOC2007" / "Annotations" / "000007.xml"
    annotation.write_text("<annotation>")
    with pytest.raises(TableError, match=r"000007.xml: not readable as XML"):
        read_voc(tmp_path, 2007, "trainval")
    annotation.unlink()
    with pytest.raises(TableError, match=r"000007.xml: not found, and ImageSets/Main has no list for each class; restore one of the two"):
        read_voc(tmp_path, 2007, "trainval")


CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}]
PICTURES = [{"id": 9, "file_name": "9.jpg", "width": 100, "height": 50}, {"id": 3, "file_name": "3.jpg", "width": 10, "height": 10}]
PICTURES += [{"id": 5, "file_name": "5.jpg", "width": 10, "height": 10}]
ANNOTATIONS = [
    {"id": 1, "image_id": 9, "category_id": 18, "iscrowd": 0, "bbox": [10, 5, 40, 20]},
    {"id": 2, "image_id": 9, "category_id": 1, "iscrowd": 1, "bbox": [0, 0, 100, 50]},
    {"id": 3, "image_id": 5, "category_id": 90, "iscrowd": 0, "bbox": [0, 0, 5, 10]},
]


def _coco(root: Path, name: str = "instances_train2014.json", **parts: object) -> Path:
    (root / "annotations").mkdir(exist_ok=True, parents=True)
    content = {"images": PICTURES, "annotations": ANNOTATIONS, "categories": CATEGORIES} | parts
    (root / "annotations" / name).write_text(json.dumps(content))
    return root


def test_coco(tmp_path: Path) -> None:
    table = read_coco(_coco(tmp_path), 2014, "train")
    assert table.images == ("9.jpg", "3.jpg", "5.jpg")  # in the order of the "images" list: published masks go by it
    assert table.classes == ("person", "dog", "toothbrush")  # by category id
    assert table.labels.values.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]  # a crowd counts
    assert table.root == tmp_path / "train2014"
    assert table.warnings == ("coco2014 train: 3 pictures; 1 of them without annotations, all their labels negative",)


def test_coco_with_annotated_pictures_only(tmp_path: Path) -> None:
    table = read_coco(_coco(tmp_path), 2014, "train", annotated_only=True)
    assert table.images == ("9.jpg", "5.jpg")
    assert table.warnings == ("coco2014 train: 2 pictures; 1 without annotations are left out",)


def test_coco_in_parts_is_read_together(tmp_path: Path) -> None:
    _coco(tmp_path, "a_instances_val2017.json", images=PICTURES[:1], annotations=ANNOTATIONS[:2])
    _coco(tmp_path, "b_instances_val2017.json", images=PICTURES[1:], annotations=ANNOTATIONS[2:])
    assert read_coco(tmp_path, 2017, "val") == read_coco(_coco(tmp_path / "whole", "instances_val2017.json"), 2017, "val")


def test_coco_boxes_leave_crowds_out(tmp_path: Path) -> None:
    boxes = coco_boxes(_coco(tmp_path), 2014, "train")
    assert boxes == {"9.jpg": [Box("dog", 0.1, 0.1, 0.5, 0.5)], "5.jpg": [Box("toothbrush", 0.0, 0.0, 0.5, 1.0)]}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"images": None}, "not an instances file of COCO: expected a list 'images' of objects with file_name, id"),
        ({"annotations": [{"image_id": 9}]}, "expected a list 'annotations' of objects with category_id, image_id"),
        (
            {"annotations": [{"id": 7, "image_id": 8, "category_id": 1}]},
            "annotation 7 names a picture or category that the file",
        ),
    ],
)
def test_wrong_coco(tmp_path: Path, parts: dict, words: str) -> None:
    with pytest.raises(TableError, match=words):
        read_coco(_coco(tmp_path, **parts), 2014, "train")


def test_missing_coco(tmp_path: Path) -> None:
    _coco(tmp_path)
    with pytest.raises(TableError, match=r"instances_val2014.json: not found; .* came: instances_train2014.json"):
        read_coco(tmp_path, 2014, "val")
    (tmp_path / "annotations" / "instances_val2014.json").write_text("{")
    with pytest.raises(TableError, match=r"instances_val2014.json: not readable as JSON"):
        read_coco(tmp_path, 2014, "val")


def test_an_instances_file_may_be_the_data(tmp_path: Path) -> None:
    path = _coco(tmp_path) / "annotations" / "instances_train2014.json"
    table = read_data(path, "train", DataOptions(images=tmp_path))
    assert table.root == tmp_path
    assert table.labels == read_coco_file(path, tmp_path).labels


TABLE = "image,split,dog\na.jpg,train,1\nb.jpg,val,0\nc.jpg,test,1\nd.jpg,spare,1\n"


@pytest.mark.parametrize(
    ("text", "part", "split", "expected"),
    [
        (TABLE, "train", None, "a.jpg"),
        (TABLE, "test", None, "c.jpg"),  # test goes before val
        (TABLE.replace("test", "other"), "test", None, "b.jpg"),
        (TABLE.replace("train", "trainval"), "train", None, "a.jpg"),
        (TABLE, "all", None, "a.jpg b.jpg c.jpg d.jpg"),
        (TABLE, "train", "spare", "d.jpg"),  # --split names it
    ],
)
def test_parts_of_an_own_table(tmp_path: Path, text: str, part: str, split: str | None, expected: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert " ".join(read_data(tmp_path / "t.csv", part, DataOptions(split=split)).images) == expected


def test_an_own_table_without_split(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,dog\na.jpg,1\nb.jpg,0\n")
    assert read_data(tmp_path / "t.csv", "train").warnings == ()
    test = read_data(str(tmp_path / "t.csv"), "test")
    assert len(test) == 2
    assert test.warnings == (f"{tmp_path}/t.csv: no split column, so all 2 rows are the test part",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            "voc2013:/data",
            "unknown data set 'voc2013'; did you mean 'voc2012'.* Choose one of: chexpert, coco2014, .*, openimages, scenes",
        ),
        ("gone.csv", "gone.csv: table not found; expected a .csv, .parquet or .json file"),
        ("C:/gone.csv", "table not found"),
        (".", ": a folder; expected a .csv, .parquet or .json table, or one of: voc2007:"),
        ("scenes:nowhere", "scenes:nowhere: no labels.csv in it; expected a number of scenes to draw or a folder"),
        ("scenes:1", "at least 2 scenes are needed"),
    ],
)
def test_wrong_data(data: str, words: str) -> None:
    with pytest.raises(TagLensError, match=words):
        read_data(data, "train")


def test_a_table_without_the_part(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,split,dog\na.jpg,fold1,1\n")
    with pytest.raises(TableError) as caught:
        read_data(tmp_path / "t.csv", "test")
    assert str(caught.value) == (
        f"{tmp_path}/t.csv: no row of the test part; expected test or testing or val or valid or validation or dev or eval in the "
        "split column, came 'fold1'; "
        "choose one with --split"
    )


def test_drawn_scenes_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLENS_CACHE", str(tmp_path))
    train, test = read_data("scenes:6", "train"), read_data("scenes:6", "test")
    assert len(train) + len(test) == 6
    assert train.path(0).is_file()
    drawn = train.path(0).stat().st_mtime_ns
    assert read_data("scenes:6", "train") == train
    assert train.path(0).stat().st_mtime_ns == drawn
    assert read_data(f"scenes:{train.root}", "test") == test


@pytest.mark.photos
def test_genuine_voc(voc_root: Path) -> None:
    train, val = read_data(f"voc2012:{voc_root}", "train"), read_data(f"voc2012:{voc_root}", "test")
    assert (len(train), len(val)) == (1767, 1826)
    positives = dict(zip(val.classes, val.labels.counts().positive.tolist(), strict=True))
    assert {name: positives[name] for name in ("dog", "cat", "tvmonitor", "diningtable", "aeroplane")} == {
        "dog": 682, "cat": 563, "tvmonitor": 22, "diningtable": 11, "aeroplane": 0,
    }  # fmt: skip
    folder = voc_root / "VOC2012"
    own = LabelTable.read(folder / "labels.csv", folder / "JPEGImages")
    both = read_data(f"voc2012:{voc_root}", "all")
    order = np.array([own.images.index(name) for name in both.images])
    assert own.rows(order) == both
    assert all(both.path(row).is_file() for row in range(len(both)))


@pytest.mark.photos
def test_genuine_coco(coco_root: Path) -> None:
    own = LabelTable.read(coco_root / "labels.csv", coco_root / "images")
    for part, count in (("train", 178), ("test", 50)):
        table = read_data(f"coco2017:{coco_root}", part)
        assert len(table) == count
        assert table.classes == own.classes
        assert all(table.path(row).is_file() for row in range(count))
        assert own.rows(np.array([own.images.index(name) for name in table.images])).labels == table.labels

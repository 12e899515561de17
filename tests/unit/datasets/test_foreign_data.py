"""COCO, VOC and Hugging Face as other tools write them: read as meant and said, or refused with what to do."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from taglens.convert.image_folder import write_image_folder
from taglens.datasets.coco import coco_boxes, read_coco, read_coco_file
from taglens.datasets.source import DataOptions, examine_data, read_data
from taglens.datasets.voc import VOC_CLASSES, read_voc
from taglens.errors import TableError
from taglens.labels.left_out import LeftOut
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

BOX = [1, 1, 5, 5]


def coco(folder: Path, images: object, annotations: object, categories: object = ("dog", "cat", "tree")) -> Path:
    """Write an instances file; categories by name get the ids 1, 2, 3; annotations are pairs of picture and category."""
    listed = (
        [{"id": number, "name": name} for number, name in enumerate(categories, start=1)] if isinstance(categories, tuple) else categories
    )
    pairs = [{"id": number, "image_id": image, "category_id": label, "bbox": BOX} for number, (image, label) in enumerate(annotations)]
    path = folder / "t.json"
    path.write_text(json.dumps({"images": images, "annotations": pairs, "categories": listed}))
    return path


def pictures(*entries: tuple[object, str], **more: object) -> list[dict[str, object]]:
    return [{"id": identity, "file_name": name, "width": 10, "height": 10} | more for identity, name in entries]


A_B = pictures((1, "a.jpg"), (2, "b.jpg"))


@pytest.mark.parametrize(
    ("images", "annotations", "categories"),
    [
        pytest.param([1.0, 2.0], [(1, 1.0), (2.0, 2)], [1, 2.0], id="floats, as pandas writes ids"),
        pytest.param(["1", "2"], [(1, "1"), ("2", 2)], ["1", 2], id="numbers as text"),
        pytest.param(["a", "b"], [("a", "x"), ("b", "y")], ["x", "y"], id="texts"),
        pytest.param([7, "b"], [(7, 1), ("b", "y")], [1, "y"], id="both"),
    ],
)
def test_ids_of_any_kind(tmp_path, images, annotations, categories):
    named = [{"id": identity, "name": name} for identity, name in zip(categories, ("dog", "cat"), strict=True)]
    table = read_coco_file(coco(tmp_path, pictures(*zip(images, ("a.jpg", "b.jpg"), strict=True)), annotations, named), tmp_path)
    assert (table.images, table.classes) == (("a.jpg", "b.jpg"), ("dog", "cat"))
    assert table.labels.values.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("identity", [True, None, 1.5, "", [1]])
def test_ids_that_are_none(tmp_path, identity):
    with pytest.raises(TableError, match=r"t.json, images 1: 'id' must be a number or a text"):
        read_coco_file(coco(tmp_path, pictures((identity, "a.jpg")), []), tmp_path)


def test_federated_negatives_are_the_only_ones(tmp_path):
    images = [A_B[0] | {"neg_category_ids": [2], "not_exhaustive_category_ids": [1]}, A_B[1] | {"neg_category_ids": []}]
    table = read_coco_file(coco(tmp_path, images, [(1, 1), (2, 3)]), tmp_path)
    assert table.labels.values.tolist() == [[1, 0, -1], [-1, -1, 1]]
    assert "negatives are federated: 1 labels are known absent, what is not listed was not checked" in table.warnings[0]


def test_federated_contradictions_are_not_checked_and_counted(tmp_path):
    images = [A_B[0] | {"neg_category_ids": [1, 2]}]
    table = read_coco_file(coco(tmp_path, images, [(1, 1)]), tmp_path)
    assert table.labels.values.tolist() == [[-1, 0, -1]]
    assert any("1 labels are annotated and listed as absent" in line for line in table.warnings)


def test_lvis_names_its_pictures_by_address(tmp_path):
    images = [{"id": 1, "coco_url": "http://images.cocodataset.org/val2017/000000397133.jpg", "neg_category_ids": [2]}]
    assert read_coco_file(coco(tmp_path, images, [(1, 1)]), tmp_path).images == ("val2017/000000397133.jpg",)


def test_a_picture_under_two_ids_is_one_picture(tmp_path):
    table = read_coco_file(coco(tmp_path, pictures((1, "a.jpg"), (2, "a.jpg"), (3, "b.jpg")), [(1, 1), (2, 2), (3, 1)]), tmp_path)
    assert table.images == ("a.jpg", "b.jpg")
    assert table.labels.values.tolist() == [[1, 1, 0], [1, 0, 0]]
    assert any("1 pictures under several ids, such as a.jpg (ids 1, 2)" in line for line in table.warnings)
    assert any("a.jpg: only some of its ids have cat, dog" in line for line in table.warnings)


def test_one_id_for_two_pictures_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"picture id 1 names two files \(a.jpg, b.jpg\); give each picture an id of its own"):
        read_coco_file(coco(tmp_path, pictures((1, "a.jpg"), (1, "b.jpg")), [(1, 1)]), tmp_path)


def test_tags_that_an_export_to_coco_lost(tmp_path):
    with pytest.raises(TableError, match=r"2 pictures and 3 categories but not one annotation; .* \(CVAT\) loses them: export the tags"):
        read_coco_file(coco(tmp_path, A_B, []), tmp_path)


def test_a_category_that_groups_others_is_left_out(tmp_path):
    categories = [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 1, "name": "dog", "supercategory": "animals"},
        {"id": 2, "name": "person", "supercategory": "person"},
    ]
    table = read_coco_file(coco(tmp_path, A_B, [(1, 1)], categories), tmp_path)
    assert table.classes == ("dog", "person"), "COCO's own person is a class"
    assert table.left_out == (LeftOut("categories that only group others", 1),)
    assert any("('animals')" in line for line in table.warnings)
    assert read_coco_file(coco(tmp_path, A_B, [(1, 0)], categories), tmp_path).classes == ("animals", "dog", "person")


def test_boxes_go_by_the_same_ids(tmp_path):
    (tmp_path / "annotations").mkdir()
    coco(tmp_path, pictures(("1", "a.jpg")), [(1, 1.0)]).rename(tmp_path / "annotations" / "instances_val2017.json")
    assert list(coco_boxes(tmp_path, 2017, "val")) == ["a.jpg"]
    assert read_coco(tmp_path, 2017, "val").labels.values.tolist() == [[1, 0, 0]]


def voc(folder: Path, objects: dict[str, list[str]], **lists: str) -> Path:
    main = folder / "VOC2012" / "ImageSets" / "Main"
    main.mkdir(parents=True)
    (folder / "VOC2012" / "Annotations").mkdir()
    for split, names in (("train", list(objects)[:1]), ("val", list(objects)[1:])):
        (main / f"{split}.txt").write_text("\n".join(names))
    for name, found in objects.items():
        body = "".join(f"<object><name>{label}</name></object>" for label in found)
        (folder / "VOC2012" / "Annotations" / f"{name}.xml").write_text(f"<annotation>{body}</annotation>")
    for name, text in lists.items():
        (main / f"{name}.txt").write_text(text)
    return folder


def test_own_classes_of_annotations_are_those_of_all_splits(tmp_path):
    """The training part may lack a class that the other has; both parts need the same classes."""
    root = voc(tmp_path, {"a": ["pallet", "person"], "b": ["forklift", "person"]})
    train, val = read_voc(root, 2012, "train"), read_voc(root, 2012, "val")
    assert train.classes == val.classes == ("forklift", "pallet", "person")
    assert (train.labels.values.tolist(), val.labels.values.tolist()) == ([[0, 1, 1]], [[1, 0, 1]])
    assert "own classes: the annotations name 3, among them 'forklift', 'pallet', which VOC does not have" in train.warnings[0]


def test_own_classes_of_lists(tmp_path):
    root = voc(tmp_path, {"a": [], "b": []}, pallet_train="a 1\n", dog_train="a -1\n")
    table = read_voc(root, 2012, "train")
    assert table.classes == ("dog", "pallet")
    assert table.labels.values.tolist() == [[0, 1]]
    assert "own classes: the 2 that have a list" in table.warnings[0]


def test_vocs_own_classes_stay_and_objects_without_a_name_are_counted(tmp_path):
    table = read_voc(voc(tmp_path, {"a": ["dog", ""], "b": []}), 2012, "train")
    assert table.classes == VOC_CLASSES
    assert table.warnings == ("voc2012 train: left out: 1 objects without a name",)


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
def test_a_folder_of_hugging_face(tmp_path, name):
    for split, label in (("train", "dog"), ("test", "cat")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.png").write_bytes(picture())
        path = tmp_path / split / name
        if path.suffix == ".csv":
            path.write_text(f"file_name,tags\na.png,{label}\n")
        elif path.suffix == ".jsonl":
            path.write_text(json.dumps({"file_name": "a.png", "tags": [label]}))
        else:
            pyarrow.parquet.write_table(pa.table({"file_name": ["a.png"], "tags": [[label]]}), path)
    table = read_data(tmp_path, "all")
    assert (table.classes, table.splits) == (("cat", "dog"), ("test", "train"))
    assert table.labels.values.tolist() == [[1, -1], [-1, 1]]
    assert all(table.path(row).is_file() for row in range(2))
    assert read_data(str(tmp_path), "train").images == ("train/a.png",)


def test_what_taglens_writes_for_hugging_face_comes_back(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(picture())
    table = LabelTable(
        ("a.png", "b.png", "c.png"),
        ("dog", "cat"),
        PartialLabels(np.array([[1, 0], [-1, 1], [0, -1]])),
        ("train", "train", "test"),
        tmp_path,
        (Origin("given"), Origin("predicted", "run")),
        np.array([[0, 1], [0, 0], [0, 0]]),
    )
    write_image_folder(table, tmp_path / "hub")
    back = read_data(tmp_path / "hub", "all")
    order = [back.classes.index(name) for name in table.classes]
    by_split = {split: back.split(split).labels.values[:, order].tolist() for split in back.split_names}
    assert by_split == {"train": [[1, 0], [-1, 1]], "test": [[0, -1]]}
    assert back.of_kind("predicted").sum() == 1
    assert LeftOut("column 'source'", 2) in back.left_out


def test_two_metadata_tables_in_a_folder_are_refused(tmp_path):
    for name in ("metadata.csv", "metadata.jsonl"):
        (tmp_path / name).write_text("file_name,dog\n")
    with pytest.raises(TableError, match=r"metadata.csv and metadata.jsonl; a folder has one metadata table"):
        read_data(tmp_path, "all")


@pytest.mark.parametrize(("paths", "images"), [(["x/a.png", "b.png"], ("a.png", "b.png")), ([None, None], ("000001.png", "000002.png"))])
def test_parquet_with_picture_bytes_is_unpacked_once(tmp_path, monkeypatch, paths, images):
    monkeypatch.setenv("TAGLENS_CACHE", str(tmp_path / "cache"))
    entries = [{"bytes": picture(), "path": path} for path in paths]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pyarrow.parquet.write_table(pa.table({"image": pa.array(entries, kind), "labels": [["dog"], ["dog", "cat"]]}), tmp_path / "t.parquet")
    table = read_data(tmp_path / "t.parquet", "all")
    assert table.images == images
    assert table.labels.values.tolist() == [[1, -1], [1, 1]]
    written = [table.path(row).stat().st_mtime_ns for row in range(2)]
    again = read_data(tmp_path / "t.parquet", "all")
    assert again == table
    assert [again.path(row).stat().st_mtime_ns for row in range(2)] == written


def test_parquet_with_a_row_without_its_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("TAGLENS_CACHE", str(tmp_path / "cache"))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    entries = pa.array([{"bytes": picture(), "path": "a.png"}, None], kind)
    pyarrow.parquet.write_table(pa.table({"image": entries, "dog": [1, 0]}), tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"t.parquet, row 2: no picture in the row"):
        read_data(tmp_path / "t.parquet", "all")


def test_problems_of_an_unpacked_table_name_the_users_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TAGLENS_CACHE", str(tmp_path / "cache"))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    entries = pa.array([{"bytes": picture(), "path": "a.png"}], kind)
    pyarrow.parquet.write_table(pa.table({"image": entries, "id": [1], "dog": [1]}), tmp_path / "t.parquet")
    with pytest.raises(TableError, match=rf"^{tmp_path}/t.parquet: 'id' \(a number of rows"):
        read_data(tmp_path / "t.parquet", "all")
    assert examine_data(tmp_path / "t.parquet", "all", DataOptions(ignore=("id",))).table is not None

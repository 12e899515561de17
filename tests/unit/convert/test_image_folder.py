"""Tables for Hugging Face's datasets and for FiftyOne."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from taglens.cli.main import main
from taglens.convert.fiftyone import samples, write_fiftyone
from taglens.datasets.source import read_data
from taglens.errors import TagLensError
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

CLASSES = ("red", "green")


@pytest.fixture
def table(tmp_path):
    for number in range(4):
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(tmp_path / f"{number}.png")
    return LabelTable(
        images=tuple(f"{number}.png" for number in range(4)),
        classes=CLASSES,
        labels=PartialLabels(np.array([[1, 0], [1, -1], [-1, -1], [0, 1]], np.int8)),
        splits=("train", "train", "test", "test"),
        root=tmp_path,
        origins=(Origin("given"), Origin("predicted", "runs/a", "2026-11-21T11:00:00Z")),
        origin_index=np.array([[0, 0], [1, 0], [0, 0], [0, 0]], np.int16),
        probabilities=np.array([[np.nan, np.nan], [0.9, 0.7], [0.2, 0.1], [np.nan, np.nan]], np.float32),
    )


def test_an_image_folder_holds_pictures_and_three_lists(table, tmp_path, capsys):
    table.write(tmp_path / "labels.csv")
    out = tmp_path / "hub"
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "huggingface", "--out", str(out)]) == 0
    assert "load_dataset" in capsys.readouterr().err
    rows = parquet.read_table(out / "train" / "metadata.parquet").to_pylist()
    assert rows[0] == {"file_name": "000000.png", "source": "0.png", "present": ["red"], "absent": ["green"], "filled": []}
    assert rows[1]["filled"] == ["red"]
    assert (out / "test" / "000003.png").read_bytes() == (tmp_path / "3.png").read_bytes()
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "huggingface", "--out", str(out)]) == 2
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "huggingface", "--out", str(out), "--force"]) == 0


def test_hugging_faces_own_reader_finds_rows_and_pictures(table, tmp_path):
    pytest.importorskip("datasets.arrow_dataset", reason="Hugging Face datasets is not installed")  # not our folder of that name
    import datasets

    from taglens.convert.image_folder import write_image_folder

    write_image_folder(table, tmp_path / "hub")
    found = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in found.items()} == {"train": 2, "test": 2}
    assert found["train"][0]["present"] == ["red"]
    assert found["train"][0]["image"].size == (8, 8)


def test_a_missing_picture_is_named(table, tmp_path, capsys):
    table.write(tmp_path / "labels.csv")
    (tmp_path / "2.png").unlink()
    assert main(["convert", str(tmp_path / "labels.csv"), "--to", "huggingface", "--out", str(tmp_path / "hub")]) == 2
    assert "2.png: picture not found" in " ".join(capsys.readouterr().err.split())


class Made(dict):
    """Stands for FiftyOne's samples and labels: remembers what it was made with."""

    def __init__(self, **fields):
        super().__init__(fields)


def test_samples_for_fiftyone_tell_known_labels_from_predictions(table, tmp_path):
    module = SimpleNamespace(**dict.fromkeys(("Sample", "Classifications", "Classification", "Heatmap"), Made))
    asked = []

    def maps(row, places):
        asked.append((row, list(places)))
        return {place: tmp_path / f"{row}-{place}.png" for place in places}

    made = list(samples(table, module, maps))
    assert made[0]["present"]["classifications"] == [{"label": "red"}]
    assert made[0]["absent"]["classifications"] == [{"label": "green"}]
    assert made[1]["present"]["classifications"] == [], "a filled label is a prediction, not a known label"
    assert [(found["label"], found["filled"]) for found in made[1]["predictions"]["classifications"]] == [("red", True), ("green", False)]
    assert asked == [(0, []), (1, [0, 1]), (2, []), (3, [])]
    assert made[1]["heat_red"]["map_path"].endswith("1-0.png")
    assert made[2]["tags"] == ["test"]


def test_what_fiftyone_exports_as_coco_or_csv_is_read(tmp_path):
    """Forms of its COCODetectionDataset and CSVDataset exporters; FiftyOne itself is not asked."""
    content = {
        "info": {"year": "", "version": "", "url": "https://voxel51.com/fiftyone"},
        "licenses": [],
        "categories": [{"id": 0, "name": "red", "supercategory": None}, {"id": 1, "name": "green", "supercategory": None}],
        "images": [{"id": 1, "file_name": "1.png", "height": 8, "width": 8, "license": None, "coco_url": None}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [0, 0, 8, 8], "area": 64, "iscrowd": 0, "score": 0.9}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(content))
    table = read_data(tmp_path / "labels.json", "all")
    assert (table.images, table.classes, table.labels.values.tolist()) == (("1.png",), ("red", "green"), [[1, 0]])
    (tmp_path / "labels.csv").write_text('filepath,tags\n/data/1.png,"red,green"\n/data/2.png,green\n')
    table = read_data(tmp_path / "labels.csv", "all")
    assert (table.classes, table.labels.values.tolist()) == (("red", "green"), [[1, 1], [-1, 1]])


def test_without_fiftyone_it_is_said(table, tmp_path):
    try:
        import fiftyone  # noqa: F401
    except ImportError:
        with pytest.raises(TagLensError, match="pip install fiftyone"):
            write_fiftyone(table, "name", tmp_path)
    else:
        pytest.skip("FiftyOne is installed")


@pytest.mark.slow
def test_fiftyones_own_dataset(table, tmp_path):
    fiftyone = pytest.importorskip("fiftyone", reason="FiftyOne is not installed")
    write_fiftyone(table, "taglens-test", tmp_path / "maps", force=True)
    try:
        assert fiftyone.load_dataset("taglens-test").count("predictions.classifications") == 2
    finally:
        fiftyone.delete_dataset("taglens-test")

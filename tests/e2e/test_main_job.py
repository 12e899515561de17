"""The main job from the command line: train, evaluate and predict on half-labelled tables."""

import csv
import json
import re

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.labels.table import LabelTable

QUICK = ["--backbone", "tiny", "--training.epochs", "2", "--method-options", "hidden", "16"]
RUN_FILES = {"config.json", "history.csv", "labels.parquet", "metrics.json", "recognizer.json", "report.html", "thresholds.csv"}
RUN_FILES |= {"weights.safetensors"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 90, seed=3)
    return folder


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    """A finished run on the drawn scenes' own table."""
    out = tmp_path_factory.mktemp("runs") / "first"
    assert main(["train", str(scenes / "labels.csv"), "--known", "0.3", "--out", str(out), *QUICK]) == 0
    return out


def test_the_run_folder_holds_everything(run, scenes):
    assert {path.name for path in run.iterdir()} == RUN_FILES
    config = json.loads((run / "config.json").read_text())
    assert config["known"] == 0.3
    assert set(config["hashes"]) == {"names", "labels", "data", "pictures"}
    assert "torch" in config["versions"]
    table = LabelTable.read(run / "labels.parquet", images=scenes)
    assert 0.25 < table.labels.known.mean() < 0.35
    assert (run / "history.csv").read_text() == "", "nothing was trained in epochs"
    chosen = json.loads((run / "metrics.json").read_text())["choices"]
    assert chosen["weights"]["name"] > 0
    assert len(list(csv.DictReader((run / "thresholds.csv").open()))) == len(table.classes)
    page = (run / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "data:image/" in page


def test_evaluate_agrees_with_the_run_to_the_store_precision(run, scenes, tmp_path):
    assert main(["evaluate", str(run), str(scenes / "labels.csv"), "--out", str(tmp_path)]) == 0
    there, here = (json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path))
    assert set(here["per_class"]["tree"]) == {"ap", "ap_interpolated", "auroc", "positives", "negatives"}
    assert here["images"] == there["images"]
    # Features of a run are stored in 16 bits; evaluate computes them anew.
    assert abs(here["mAP"] - there["mAP"]) < 0.5


def test_predict_writes_a_row_and_heatmaps_for_each_picture(run, scenes, tmp_path):
    table = LabelTable.read(scenes / "labels.csv")
    pictures = [str(table.path(row)) for row in range(3)]
    out = tmp_path / "tags.csv"
    assert (
        main(["predict", str(run), *pictures, "--out", str(out), "--heatmaps", str(tmp_path / "maps"), "--classes", "tree", "house"]) == 0
    )
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 3
    assert all(0 <= float(row["tree"]) <= 1 for row in rows)
    assert len(list((tmp_path / "maps").rglob("*.png"))) >= 1


def test_an_own_table_without_split_is_judged_by_leave_one_out(scenes, tmp_path, capsys):
    table = LabelTable.read(scenes / "labels.csv")
    own = tmp_path / "own.csv"
    LabelTable(images=table.images, classes=table.classes, labels=table.labels).write(own)
    out = tmp_path / "run"
    assert main(["train", str(own), "--images", str(scenes), "--known", "0.5", "--out", str(out), *QUICK]) == 0
    assert json.loads((out / "metrics.json").read_text())["evaluated_on"] == "leave-one-out on the known training labels"
    assert "no split column, so nothing to test on" in capsys.readouterr().err


def test_blank_cells_are_unknown_not_absent(scenes, tmp_path):
    table = LabelTable.read(scenes / "labels.csv").split("train")
    values = table.labels.values.copy()
    values[:, ::2] = -1
    values[0, 0] = 1
    half = table.with_labels(type(table.labels)(values))
    half.write(tmp_path / "half.csv")
    out = tmp_path / "run"
    assert main(["train", str(tmp_path / "half.csv"), "--images", str(scenes), "--out", str(out), *QUICK]) == 0
    stored = LabelTable.read(out / "labels.parquet", images=scenes)
    assert np.array_equal(stored.labels.values, values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda line: line, "output folder .* exists already; choose another --out or pass --force", id="the output exists"),
        pytest.param(lambda line: [*line, "--method", "semantic_awre"], "did you mean 'semantic_aware'", id="misspelt method"),
        pytest.param(lambda line: [*line, "--backbone", "RN10/openai"], "RN101", id="unknown backbone, near ones listed"),
        pytest.param(lambda line: [*line, "--training.loss", "bce"], "partial_bce", id="misspelt loss"),
    ],
)
def test_mistakes_are_explained_and_cost_nothing(run, scenes, tmp_path, capsys, change, message):
    out = run if message.startswith("output folder") else tmp_path / "new"
    before = sorted(path.stat().st_mtime_ns for path in run.iterdir())
    assert main(change(["train", str(scenes / "labels.csv"), "--out", str(out), *QUICK])) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert "Traceback" not in error
    assert sorted(path.stat().st_mtime_ns for path in run.iterdir()) == before


def test_a_class_list_that_differs_is_refused_with_the_difference(run, scenes, tmp_path, capsys):
    table = LabelTable.read(scenes / "labels.csv")
    renamed = LabelTable(
        images=table.images, classes=("unicorn", *table.classes[1:]), labels=table.labels, splits=table.splits, root=table.root
    )
    renamed.write(tmp_path / "renamed.csv")
    assert main(["evaluate", str(run), str(tmp_path / "renamed.csv"), "--images", str(scenes)]) == 2
    error = capsys.readouterr().err
    assert "'unicorn'" in error
    assert f"not in the data: '{table.classes[0]}'" in error


def test_a_bad_picture_stops_or_is_skipped_and_listed(scenes, tmp_path, capsys):
    table = LabelTable.read(scenes / "labels.csv")
    part = table.rows(np.arange(40))
    for row in range(40):
        (tmp_path / f"{row}.jpg").write_bytes(part.path(row).read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"")
    names = ("broken.jpg", *(f"{row}.jpg" for row in range(1, 40)))
    LabelTable(images=names, classes=table.classes, labels=part.labels).write(tmp_path / "own.csv")
    line = ["train", str(tmp_path / "own.csv"), "--images", str(tmp_path), *QUICK]
    assert main([*line, "--out", str(tmp_path / "stop")]) == 2
    assert "broken.jpg" in capsys.readouterr().err
    assert not (tmp_path / "stop").exists(), "the corrected command is to find its place free"
    assert main([*line, "--out", str(tmp_path / "skip"), "--on-bad-image", "skip"]) == 0
    rows = list(csv.DictReader((tmp_path / "skip" / "skipped.csv").open()))
    assert [row["image"].endswith("broken.jpg") for row in rows] == [True]


@pytest.mark.photos
def test_coco_photos_train_and_evaluate(coco_root, minclip, tmp_path):
    data = f"coco2017:{coco_root}"
    line = ["train", data, "--known", "0.5", "--out", str(tmp_path / "run"), *QUICK, "--backbone", minclip]
    assert main(line) == 0
    assert main(["evaluate", str(tmp_path / "run"), data, "--out", str(tmp_path / "scores")]) == 0
    assert len(json.loads((tmp_path / "scores" / "metrics.json").read_text())["per_class"]) == 80


@pytest.mark.slow
@pytest.mark.photos
def test_glove_guide_reads_the_class_names_of_voc(voc_root, glove_file, minclip, tmp_path):
    """The paper's guide on real photos; the run loads again without the GloVe file."""
    copy = tmp_path / "glove.txt"
    copy.write_bytes(glove_file.read_bytes())
    table = LabelTable.read(voc_root / "VOC2012" / "labels.csv", images=voc_root / "VOC2012" / "JPEGImages")
    table.rows(np.arange(0, len(table), 60)).write(tmp_path / "few.csv")
    options = ["--method-options", "guide", f"glove:{copy}", "hidden", "16"]
    line = ["train", str(tmp_path / "few.csv"), "--images", str(voc_root / "VOC2012" / "JPEGImages"), "--backbone", minclip]
    assert main([*line, "--training.epochs", "2", "--out", str(tmp_path / "run"), *options]) == 0
    copy.unlink()
    assert main(["evaluate", str(tmp_path / "run"), str(tmp_path / "few.csv"), "--images", str(voc_root / "VOC2012" / "JPEGImages")]) == 0

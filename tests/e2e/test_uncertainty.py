"""How unsure a run is, from training to the file of predictions, the review and Python; and runs that cannot say it."""

import csv
import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import taglens
from taglens.cli.main import main
from taglens.datasets.source import DataOptions
from taglens.errors import RunError
from taglens.recognizer import Recognizer
from taglens.review.start import ReviewConfig, open_review
from taglens.review.views import ReviewViews
from taglens.training.config import TrainConfig


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Scenes, of one class nothing known, with an exact run and one by gradient."""
    from taglens.datasets.scenes.dataset import write_scenes

    folder = tmp_path_factory.mktemp("uncertainty")
    table = write_scenes(folder / "scenes", 90)
    values = np.array(table.labels.values)
    values[:, 3] = -1
    values[np.random.RandomState(0).random_sample(values.shape) < 0.4] = -1
    table = taglens.LabelTable(table.images, table.classes, taglens.PartialLabels(values), splits=table.splits)
    table.write(folder / "scenes" / "some.csv")
    data = taglens.DataConfig(data=str(folder / "scenes" / "some.csv"), backbone="tiny", device="cpu")
    taglens.train(taglens.RunConfig(data=data), folder / "run")
    taglens.train(taglens.RunConfig(data=data, method="linear_probe", training=TrainConfig(epochs=1)), folder / "probe")
    shutil.copytree(folder / "run", folder / "old")
    weights = load_file(folder / "run" / "weights.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("method.deviation.")}
    save_file(kept, folder / "old" / "weights.safetensors")
    return folder


def predict(folder, run, *arguments):
    return main(["predict", str(folder / run), str(folder / "scenes" / "pictures"), *map(str, arguments), "--device", "cpu"])


def test_from_the_labels_to_the_file(work, tmp_path):
    assert predict(work, "run", "--uncertainty", "--out", tmp_path / "p.csv") == 0
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    recognizer = Recognizer.load(work / "run")
    classes = recognizer.classes
    found = np.array([[float(row[f"{name} (deviation)"]) for name in classes] for row in rows])
    paths = [row["image"] for row in rows[:5]]
    np.testing.assert_allclose(found[:5], recognizer.predict(paths, uncertainty=True).uncertainty, rtol=1e-4)
    others = np.delete(found, 3, axis=1)
    assert found[:, 3].min() > 1.5, "nothing is known of this class"
    assert (found[:, 3:4] > others).mean() > 0.99
    assert predict(work, "run", "--uncertainty", "--out", tmp_path / "p.jsonl") == 0
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([list(line["deviations"].values()) for line in lines], found, rtol=1e-6)
    assert list(lines[0]["deviations"]) == list(classes)


@pytest.mark.parametrize("run", ["probe", "old"], ids=["trained by gradient", "from before there were any"])
def test_runs_that_say_none_say_so_before_anything_is_written(work, run, tmp_path, capsys):
    assert predict(work, run, "--out", tmp_path / "p.csv") == 0
    assert predict(work, run, "--uncertainty") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "only the exact head of semantic_aware has deviations" in " ".join(printed.err.split())
    with pytest.raises(RunError, match="train again"):
        Recognizer.load(work / run).predict([], uncertainty=True)


def test_an_exported_file_says_none(capsys):
    assert main(["predict", "model.onnx", "photos", "--uncertainty"]) == 2
    assert "the folder of the run" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("run", ["run", "old"])
def test_the_review_shows_between_what(work, run, tmp_path):
    data = str(work / "scenes" / "some.csv")
    config = ReviewConfig(run=work / run, data=data, by="ada", options=DataOptions(), journal=tmp_path / "answers.jsonl")
    session = open_review(config, Recognizer.load(work / run), say=lambda message: None, progress=False)
    for cell in ReviewViews(session).picture_cells(2)["cells"]:
        if run == "old":
            assert cell["between"] is None
        else:
            low, high = cell["between"]
            assert low < cell["probability"] < high

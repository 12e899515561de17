"""Which thresholds a run gets, the file that a person edits, and what is said where a run is worse than nothing or cannot be judged."""

import csv
import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from taglens.errors import RunError, TagLensError, TrainingError
from taglens.labels.states import PartialLabels
from taglens.metrics import evaluate
from taglens.metrics.threshold import UNREACHED, expected_f1_thresholds
from taglens.recognizer import Recognizer
from taglens.runs import train
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.folder import read_config
from taglens.runs.result import HEADLINES, RunResult, below_zero_shot
from taglens.runs.thresholds import Thresholds, from_held_out, from_probabilities
from taglens.runs.train import train_run
from taglens.training.config import TrainConfig

QUICK = TrainConfig(epochs=1)
SCENES = RunConfig(data=DataConfig(data="scenes:60"), method="linear_probe", training=QUICK, known=0.5)


def run(config, out):
    said = []
    return train_run(config, out, progress=False, say=said.append), " ".join(said)


def rows_of(folder):
    return list(csv.DictReader((folder / "thresholds.csv").open(encoding="utf-8")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "probe"
    return out, run(SCENES, out)[0]


@pytest.fixture
def exact(monkeypatch):
    """Let every training say calibrated probabilities of all training pictures, as an exact fit does."""
    fit = train.fit

    def calibrated(method, text, features, labels, config, **options):
        found = fit(method, text, features, labels, config, **options)
        if method.gradient_free:  # zero-shot, the baseline
            return found
        probabilities = np.random.default_rng(0).beta(0.3, 1.5, labels.shape).astype(np.float32)
        return dataclasses.replace(found, probabilities=probabilities, held_out=np.zeros(0, np.int64))

    monkeypatch.setattr(train, "fit", calibrated)


def test_the_file_of_a_run_by_gradient(trained):
    out, result = trained
    rows, counts = rows_of(out), result.labels.labels.counts()
    assert [row["class"] for row in rows] == list(result.recognizer.classes)
    assert {float(row["threshold"]) for row in rows} == {result.recognizer.thresholds[0]}, "one for all classes"
    assert [int(row["known_present"]) for row in rows] == counts.positive.tolist()
    assert [int(row["known_absent"]) for row in rows] == counts.negative.tolist()
    assert {row["expected_f1"] for row in rows} == {""}, "nothing is expected of probabilities that are not calibrated"
    found = json.loads((out / "metrics.json").read_text())
    assert found["thresholds"] in ("best OF1 on held-out labels", "one half: too few labels were held out")
    assert found["evaluated_on"] == "test part"
    assert {f"zero_shot_{name}" for name in HEADLINES} <= found.keys()
    assert "at thresholds" in (out / "report.html").read_text()


def test_an_edited_threshold_counts_and_may_be_taken_back(trained, tmp_path):
    out, result = trained
    path, whole = out / "thresholds.csv", (out / "thresholds.csv").read_text()
    name = result.recognizer.classes[2]
    try:
        lines = whole.splitlines()
        lines[3] = ",".join([name, "0.875", *lines[3].split(",")[2:]])
        path.write_text("\n".join(lines))
        loaded = Recognizer.load(out)
        assert loaded.thresholds[2] == 0.875
        np.testing.assert_array_equal(np.delete(loaded.thresholds, 2), np.delete(result.recognizer.thresholds, 2))
        loaded.save(tmp_path / "copy")
        assert Recognizer.load(tmp_path / "copy").thresholds[2] == 0.875, "saved elsewhere they stand in recognizer.json"
        path.write_text(whole.replace(f"\n{name},", "\nnobody,"))
        with pytest.raises(RunError, match="row 4: unknown class 'nobody'"):
            Recognizer.load(out)
        path.unlink()
        np.testing.assert_array_equal(Recognizer.load(out).thresholds, result.recognizer.thresholds)
    finally:
        path.write_text(whole)


def test_saving_anew_outdoes_an_old_file(trained, tmp_path):
    out, _ = trained
    recognizer = Recognizer.load(out)
    recognizer.save(tmp_path)
    (tmp_path / "thresholds.csv").write_text((out / "thresholds.csv").read_text())
    recognizer.thresholds[:] = 0.25
    recognizer.save(tmp_path, force=True)
    assert set(Recognizer.load(tmp_path).thresholds) == {0.25}


def test_calibrated_probabilities_give_each_class_its_own(exact, tmp_path):
    result, _ = run(SCENES, tmp_path / "run")
    expected = expected_f1_thresholds(result.fit.probabilities, result.labels.labels.known.sum(0))
    np.testing.assert_array_equal(result.recognizer.thresholds, expected)
    np.testing.assert_array_equal(Recognizer.load(tmp_path / "run").thresholds, expected)
    rows = rows_of(tmp_path / "run")
    chosen = result.fit.probabilities >= expected.astype(np.float32)
    assert [int(row["tags"]) for row in rows] == chosen.sum(0).tolist()
    right = np.where(chosen, result.fit.probabilities, 0).sum(0)
    np.testing.assert_allclose([float(row["expected_precision"]) for row in rows], right / chosen.sum(0), atol=6e-4)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["thresholds"] == "each class's best expected F1"


def test_a_wanted_precision(exact, tmp_path):
    result, _ = run(dataclasses.replace(SCENES, for_precision=0.8), tmp_path / "run")
    rows = rows_of(tmp_path / "run")
    assert all(float(row["expected_precision"]) >= 0.799 for row in rows if row["expected_precision"])
    assert read_config(tmp_path / "run").for_precision == 0.8
    assert "expected precision of at least 0.8; zero-shot's: " in (tmp_path / "run" / "report.html").read_text().replace("&#39;", "'")
    assert not any(name.endswith("_thresholds") for name in result.compared), "zero-shot's thresholds have another aim"


def test_leave_one_out_is_what_is_judged_where_nothing_else_is(exact, tmp_path, scenes_table):
    result, _ = run(dataclasses.replace(SCENES, data=DataConfig(data=str(scenes_table), backbone="tiny"), known=None), tmp_path / "run")
    known = np.flatnonzero(result.labels.labels.known.any(1))
    expected = evaluate(result.fit.probabilities[known], result.labels.labels.rows(known), result.labels.classes)
    assert result.evaluation.mAP == expected.mAP
    assert result.evaluated_on == "leave-one-out on the known training labels"
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["evaluated_on"] == result.evaluated_on
    assert "Leave-one-out".lower() in (tmp_path / "run" / "report.html").read_text().lower()


@pytest.fixture(scope="module")
def scenes_table(tmp_path_factory):
    """A table of 40 drawn scenes without a split column."""
    from taglens.datasets.scenes.dataset import write_scenes

    folder = tmp_path_factory.mktemp("scenes")
    table = write_scenes(folder, 40)
    path = folder / "own.csv"
    dataclasses.replace(table, splits=None).write(path)
    return path


def test_tags_alone_have_no_map(tmp_path, scenes_table):
    """The keywords of a photo library hold no absent cell: an order of present ones alone is always perfect."""
    rows = [line.split(",") for line in scenes_table.read_text().splitlines()]
    tags = scenes_table.parent / "tags.csv"
    tags.write_text(
        "\n".join([",".join(rows[0]), *(",".join([row[0], *("1" if cell == "1" else "" for cell in row[1:])]) for row in rows[1:])])
    )
    config = dataclasses.replace(SCENES, data=DataConfig(data=str(tags), backbone="tiny"), known=None)
    result, _ = run(config, tmp_path / "run")
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [found[name] for name in ("mAP", "mAP_interpolated", "CP", "CF1", "OP", "OF1", "CF1_thresholds", "ECE")] == [None] * 8
    assert found["OR"] is not None
    assert "no known absent cell, so that nothing could be wrong (so there is no precision, F1 or ECE)" in " ".join(found["left_out"])
    assert "no known absent cell" in (tmp_path / "run" / "report.html").read_text()
    assert {one["ap"] for one in found["per_class"].values()} == {None}
    assert result.warnings == ()
    assert set(result.recognizer.thresholds) == {0.5}, "any threshold is right among present ones alone"


def test_too_few_held_out_labels_for_a_precision_stop_before_training(monkeypatch, tmp_path):
    monkeypatch.setattr(train, "fit", lambda *given, **options: pytest.fail("trained before it was clear that the aim cannot be met"))
    with pytest.raises(TrainingError, match=r"--for-precision 0.9 needs at least 10 present .*Label more, raise --training.holdout"):
        run(dataclasses.replace(SCENES, known=0.02, for_precision=0.9), tmp_path / "run")


@pytest.mark.parametrize("asked", [0, 1, -0.5, 90])
def test_a_precision_is_a_share(asked):
    with pytest.raises(TagLensError, match=r"--for-precision is a share above 0 and below 1, such as 0\.9; came"):
        dataclasses.replace(SCENES, for_precision=asked)


def test_a_precision_that_held_out_labels_do_not_show():
    labels = PartialLabels(np.array([[1, 0]] * 12 + [[0, 1]] * 12, np.int8))
    right, wrong = labels.values * 0.8 + 0.1, 0.9 - labels.values * 0.8
    found = from_held_out(lambda rows: right[rows], labels, np.arange(24), 0.9)
    assert (found.values.tolist(), found.notes) == ([0.5, 0.5], ())
    found = from_held_out(lambda rows: wrong[rows], labels, np.arange(24), 0.9)
    assert found.values.tolist() == [UNREACHED, UNREACHED]
    assert found.notes == ("no threshold has a precision of 0.9 on the held-out labels, so there are no tags",)


def test_a_class_that_promises_no_precision_is_named():
    probabilities = np.array([[0.95, 0.6], [0.1, 0.2]], np.float32)
    found = from_probabilities(probabilities, PartialLabels(np.full((2, 2), -1, np.int8)), ("dog", "fog"), 0.9)
    assert found.values[1] == UNREACHED
    assert found.notes == ("no threshold promises a precision of 0.9 for 1 of 2 classes, which get no tags: fog",)


TRUTH = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.int8)
GOOD, TIMID, BAD = TRUTH * 0.8 + 0.1, TRUTH * 0.3 + 0.1, 0.9 - TRUTH * 0.8


@pytest.mark.parametrize(
    ("ours", "theirs", "below", "reason"),
    [
        (GOOD, BAD, [], "better everywhere"),
        (GOOD, GOOD, [], "the same"),
        (BAD, GOOD, ["mAP", "CF1", "OF1", "CF1_thresholds", "OF1_thresholds"], "worse everywhere"),
        (TIMID, GOOD, ["CF1", "OF1"], "a perfect order and thresholds, but below one half"),
    ],
)
def test_what_is_below_zero_shot_is_said(ours, theirs, below, reason):
    found = [evaluate(each, TRUTH, ("dog", "fog"), np.array([0.3, 0.3])) for each in (ours, theirs)]
    assert list(below_zero_shot(*found, HEADLINES)) == below, reason
    result = RunResult(
        recognizer=None, labels=None, fit=SimpleNamespace(epoch=1), evaluation=found[0], baseline=found[1], seconds=1,
        thresholds=Thresholds(np.array([0.3, 0.3]), "by hand"),
    )  # fmt: skip
    assert len(result.warnings) == bool(below)
    assert all(name.replace("_", " at ") in " ".join(result.warnings) for name in below)

"""`taglens complete` from the command line: what is filled, what is said of it, what follows from it, and what is refused."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.labels.hiding import keep_known
from taglens.labels.joining import seen_from
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.review.state import ReviewState

CLASSES = ("house", "tree", "boat", "moon")
QUICK = ["--backbone", "tiny", "--method", "linear_probe", "--training.epochs", "4", "--training.rate", "0.01"]
FILES = {"labels.csv", "completion.json", "completion.html", "suspects.csv"}


def with_values(table, values):
    return LabelTable(images=table.images, classes=CLASSES, labels=PartialLabels(values), root=table.root)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    table = write_scenes(tmp_path_factory.mktemp("scenes"), 300, seed=5)
    places = [table.classes.index(name) for name in CLASSES]
    return with_values(table, table.labels.values[:, places])


@pytest.fixture(scope="module")
def half(truth):
    """Half of the labels known."""
    return with_values(truth, keep_known(truth.labels, 0.5, seed=1).values)


@pytest.fixture(scope="module")
def run(half, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    half.write(folder / "labels.csv")
    assert main(["train", str(folder / "labels.csv"), "--images", str(half.root), "--out", str(folder / "run"), *QUICK]) == 0
    return folder / "run"


def completed(run, table, folder, *options):
    """Write the table, complete it into ``folder`` and return the exit status."""
    path = folder / "before.csv"
    table.write(path)
    line = ["complete", str(run), str(path), "--images", str(table.root), "--out", str(folder / "done" / "labels.csv"), "--folds", "2"]
    return main([*line, *options])


def exact(half, folder, *options):
    half.write(folder / "labels.csv")
    line = ["train", str(folder / "labels.csv"), "--images", str(half.root), "--out", str(folder / "run"), "--backbone", "tiny"]
    assert main([*line, *options]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def done(run, half, tmp_path_factory):
    folder = tmp_path_factory.mktemp("completed")
    assert completed(run, half, folder, "--precision", "0.7", "--npv", "0.8") == 0
    return folder / "done"


def test_known_labels_stay_and_filled_ones_say_who_when_and_how_sure(done, half, run):
    assert {path.name for path in done.iterdir()} == FILES
    table = LabelTable.read(done / "labels.csv")
    known, filled = half.labels.known, half.labels.unknown & table.labels.known
    assert np.array_equal(table.labels.values[known], half.labels.values[known])
    assert filled.sum() > 100
    assert np.array_equal(table.of_kind("predicted"), filled)
    assert {(origin.kind, origin.by) for origin in table.origins} == {("given", ""), ("predicted", str(run))}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", origin.time) for origin in table.origins[1:])
    assert np.isfinite(table.probabilities[half.labels.unknown]).all(), "blank cells have their probability too"


def test_the_statement_counts_what_the_table_holds(done, half):
    said = json.loads((done / "completion.json").read_text())
    table = LabelTable.read(done / "labels.csv")
    filled = half.labels.unknown & table.labels.known
    for place, name in enumerate(CLASSES):
        entry = said["per_class"][name]
        for word, state in (("present", table.labels.positive), ("absent", table.labels.negative)):
            assert entry[word]["filled"] == (filled & state)[:, place].sum()
            assert (entry[word]["filled"] == 0) == bool(entry[word]["why_not"])
    for word, asked in (("present", 0.7), ("absent", 0.8)):
        found = said["guarantees"][word]
        assert found["filled"] == sum(said["per_class"][name][word]["filled"] for name in CLASSES)
        assert found["precision"] in (None, asked)
        assert (found["precision"] is None) == bool(found["why_not"])
        assert {step["precision"] for step in said["curve"][word]} >= {0.9, 0.95}
    assert said["asked"]["guarantee"] == "table"
    assert "times as often as absent ones" in said["assumption"]
    cells = said["cells"]
    assert cells["unknown"] == half.labels.unknown.sum() == cells["filled_present"] + cells["filled_absent"] + cells["left_blank"]
    assert sum(entry["count"] for entry in said["calibration"]["bins"]) == half.labels.known.sum()


def test_the_page_stands_alone_and_has_the_diagram(done):
    page = (done / "completion.html").read_text()
    assert "<svg" in page
    assert "What you can rely on" in page
    assert not re.search(r"(src|href)=\"https?://", page)


@pytest.fixture(scope="module")
def suspected(truth, tmp_path_factory):
    """A table of which one known label in twelve is wrong, completed by an exact head."""
    folder = tmp_path_factory.mktemp("suspected")
    values = keep_known(truth.labels, 0.8, seed=1).values.copy()
    known = np.argwhere(values >= 0)[::12]
    values[tuple(known.T)] = 1 - values[tuple(known.T)]
    table = with_values(truth, values)
    run = exact(table, folder)
    assert main(["complete", str(run), "--precision", "0.7", "--out", str(folder / "done" / "labels.csv")]) == 0
    return folder / "done", table


def test_suspects_are_ranked_and_left_as_they_were(suspected):
    done, half = suspected
    rows = list(csv.DictReader((done / "suspects.csv").open()))
    assert rows
    quality = [float(row["quality"]) for row in rows]
    assert quality == sorted(quality)
    images = LabelTable.read(done / "labels.csv").images  # the file lies beside the table and names pictures as it does
    for row in rows:
        assert half.labels.values[images.index(row["image"]), CLASSES.index(row["class"])] == int(row["label"])


def test_the_report_shows_their_pictures_and_how_strong_the_evidence_is(suspected):
    done, _ = suspected
    page = (done / "completion.html").read_text()
    assert page.count("data:image/jpeg;base64,") == min(60, len({row["image"] for row in csv.DictReader((done / "suspects.csv").open())}))
    assert "if every label were right, about" in page


def test_the_review_asks_about_suspects(suspected):
    """The completed table says how probable a suspected label is, so that the review need not guess it with a model that saw it."""
    done, _ = suspected
    table = LabelTable.read(done / "labels.csv")
    rows = list(csv.DictReader((done / "suspects.csv").open()))
    listed = {(table.images.index(row["image"]), CLASSES.index(row["class"])) for row in rows}
    judged = ~np.isnan(table.probabilities) & table.of_kind("given")
    assert {tuple(place) for place in np.argwhere(judged).tolist()} == listed
    asked = ReviewState(table, table.probabilities, np.full(len(CLASSES), 0.5)).queue("suspected", None, 10)
    assert len(asked) > 0


def test_inspect_counts_the_sources(done, half, capsys):
    assert main(["inspect", str(done / "labels.csv")]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("given", "predicted", "reviewed"))
    total = re.search(r"all\D+([\d,]+)\D+([\d,]+)\D+([\d,]+)\D+([\d,]+)\D+([\d,]+)", said)
    given, predicted = (int(number.replace(",", "")) for number in total.groups()[3:])
    assert given == half.labels.known.sum()
    assert predicted > 100


@pytest.mark.parametrize("weight", ["0", "0.5"])
def test_a_completed_table_trains_again(done, half, tmp_path, weight):
    line = ["train", str(done / "labels.csv"), "--out", str(tmp_path / "run"), *QUICK]
    assert main([*line, "--training.filled-weight", weight]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["filled_weight"] == float(weight)


def test_ignored_means_the_same_weights_as_without_them(run, done, half, tmp_path):
    line = ["train", str(done / "labels.csv"), "--out", str(tmp_path / "run"), *QUICK]
    assert main([*line, "--training.filled-weight", "0"]) == 0
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()


def test_a_completed_table_is_judged_anew(run, done, half, tmp_path, capsys):
    """What a model filled is no evidence for the next model."""
    table = seen_from(LabelTable.read(done / "labels.csv"), half.root)
    assert table.images == half.images
    assert completed(run, table, tmp_path, "--precision", "0.7", "--npv", "0.8") == 0
    assert "cells filled then are not known labels and were judged again. The same known labels speak for both" in " ".join(
        capsys.readouterr().err.split()
    )
    again = LabelTable.read(tmp_path / "done" / "labels.csv")
    assert np.array_equal(again.labels.values, table.labels.values)
    assert again.origins != table.origins


def test_a_class_that_was_never_known_and_a_promise_out_of_reach(run, half, tmp_path):
    values = half.labels.values.copy()
    values[:, 3] = -1
    assert completed(run, with_values(half, values), tmp_path, "--precision", "0.999") == 0
    said = json.loads((tmp_path / "done" / "completion.json").read_text())
    assert said["cells"]["filled_present"] == 0
    assert said["per_class"]["moon"]["present"]["why_not"].startswith("never known: no label of this class was given")
    assert "known cells are needed even if all are right" in said["guarantees"]["present"]["why_not"]
    assert "Classes that were not filled, and why" in (tmp_path / "done" / "completion.html").read_text()


def all_known(table):
    return with_values(table, np.maximum(table.labels.values, 0))


def none_known(table):
    return with_values(table, np.full(table.labels.shape, -1))


def moved(table):
    return LabelTable(
        images=tuple(f"gone/{number}.jpg" for number in range(len(table))), classes=CLASSES, labels=table.labels, root=table.root
    )


REFUSED = {
    "every cell known": (all_known, [], "every cell is known, so there is nothing to fill"),
    "no cell known": (none_known, [], "no cell is known, so nothing can be guaranteed; fill some cells with 1 (present) or 0 (absent)"),
    "pictures moved": (moved, [], "picture not found; check the name and the images folder (--images)"),
    "a precision that is none": (None, ["--precision", "95"], "precision must lie between 0 and 1 (both excluded), came 95"),
    "one fold": (None, ["--folds", "1"], "at least 2 folds are needed, so that a picture is judged by a model trained without it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_completed_is_explained_and_nothing_is_written(run, half, tmp_path, capsys, name):
    change, options, message = REFUSED[name]
    assert completed(run, half if change is None else change(half), tmp_path, *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "done").exists()


def test_a_folder_that_is_no_run_and_an_output_that_exists(run, half, done, tmp_path, capsys):
    assert completed(tmp_path / "nowhere", half, tmp_path) == 2
    assert "no finished run; expected the folder of `taglens train" in " ".join(capsys.readouterr().err.split())
    before = (done / "labels.csv").read_bytes()
    assert main(["complete", str(run), str(done / "labels.csv"), "--out", str(done / "labels.csv")]) == 2
    assert "exists already" in " ".join(capsys.readouterr().err.split())
    assert (done / "labels.csv").read_bytes() == before


def test_a_dry_run_shows_what_could_be_asked_for_and_writes_nothing(run, half, tmp_path, capsys):
    assert completed(run, half, tmp_path, "--dry-run", "--precision", "0.99") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "at least right" in said
    assert "Nothing is filled as present" in said or "Of the" in said
    assert not (tmp_path / "done").exists()


@pytest.fixture(scope="module")
def exact_run(truth, tmp_path_factory):
    """An exact head trained with half of the labels hidden."""
    return exact(truth, tmp_path_factory.mktemp("exact"), "--known", "0.5")


def test_a_run_completes_the_labels_that_it_kept_and_nothing_else_is_named(exact_run, truth, tmp_path):
    out = tmp_path / "done.csv"
    assert main(["complete", str(exact_run), "--precision", "0.7", "--npv", "0.8", "--out", str(out)]) == 0
    table, kept = LabelTable.read(out), LabelTable.read(exact_run / "labels.parquet")
    filled = table.of_kind("predicted")
    assert filled.sum() > 100
    assert np.array_equal(table.labels.values[kept.labels.known], kept.labels.values[kept.labels.known])
    assert (table.labels.values == truth.labels.values)[filled].mean() > 0.75
    assert "leave-one-out" in json.loads((tmp_path / "completion.json").read_text())["method"]
    assert seen_from(table, truth.root).images == truth.images, "the pictures can be found from the new table"


def test_data_that_are_gone_are_said(exact_run, tmp_path, capsys):
    config = json.loads((exact_run / "config.json").read_text())
    moved_run = tmp_path / "run"
    shutil.copytree(exact_run, moved_run)
    (moved_run / "config.json").write_text(json.dumps(config | {"data": config["data"] | {"data": "gone.csv"}}))
    assert main(["complete", str(moved_run)]) == 2
    assert f"name them: taglens complete {moved_run} DATA" in " ".join(capsys.readouterr().err.split())


def test_tags_alone_fill_nothing_and_say_why(truth, tmp_path, capsys):
    tags = with_values(truth, np.where(truth.labels.values == 1, 1, -1))
    run = exact(tags, tmp_path)
    capsys.readouterr()
    assert main(["complete", str(run), "--precision", "0.7", "--out", str(tmp_path / "done.csv")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Nothing is filled as present: no absent cell is known, so nothing says how often a guess would be wrong" in said
    assert "taglens audit" in said
    assert not LabelTable.read(tmp_path / "done.csv").of_kind("predicted").any()
    assert main(["complete", str(run), "--precision", "0.7", "--guarantee", "audit", "--out", str(tmp_path / "audit" / "done.csv")]) == 0
    assert LabelTable.read(tmp_path / "audit" / "done.csv").of_kind("predicted").any()
    assert "Nothing is guaranteed yet" in " ".join(capsys.readouterr().out.split())

"""The commands predict and evaluate around a recogniser that can be computed by hand."""

import csv
import json
import sys
from types import SimpleNamespace

import pytest
from mean_colour import MeanColour
from PIL import Image

from taglens.cli.main import main
from taglens.datasets.papers import REPORTED, Reported
from taglens.datasets.source import READERS, DataSet
from taglens.labels.table import LabelTable

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "dark": (10, 10, 10), "blue": (0, 0, 255)}


@pytest.fixture(autouse=True)
def by_hand(monkeypatch, tmp_path):
    """Work beside a folder that looks like a run."""
    monkeypatch.setitem(sys.modules, "taglens.recognizer", SimpleNamespace(Recognizer=MeanColour))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recognizer.json").write_text("{}")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (20, 10), colour).save(folder / f"{name}.png")
    return folder


def shown(capsys):
    return " ".join(capsys.readouterr().err.split())


def predict(*arguments):
    return main(["predict", "run", *map(str, arguments), "--device", "cpu"])


def test_predict_prints_csv_and_nothing_else(photos, capfd):
    assert predict(photos) == 0
    printed = capfd.readouterr()
    rows = list(csv.DictReader(printed.out.splitlines()))
    assert [row["image"] for row in rows] == [str(photos / f"{name}.png") for name in sorted(COLOURS)]
    assert rows[3] == {"image": str(photos / "red.png"), "red": "1", "green": "0", "blue": "0"}
    assert printed.err == "", "no terminal: no progress bar"


def test_files_globs_classes_and_thresholds(photos, tmp_path, capsys):
    out = tmp_path / "tags.csv"
    assert predict(f"{photos}/*e*.png", photos / "dark.png", "--out", out, "--format", "tags", "--threshold", "0.03") == 0
    rows = list(csv.DictReader(out.open()))
    assert [row["tags"] for row in rows] == ["blue", "green", "red", "red|green|blue"]
    assert LabelTable.read(out).classes == ("blue", "green", "red")
    assert f"wrote {out}" in shown(capsys)
    assert predict(photos, "--out", tmp_path / "p.jsonl", "--classes", "blue", "red") == 0
    first = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    assert first["probabilities"] == {"blue": 1.0, "red": 0.0}
    assert first["tags"] == ["blue"]


def test_uncertainty_has_a_column_for_each_chosen_class(photos, tmp_path, capsys):
    assert predict(photos, "--out", tmp_path / "p.csv", "--uncertainty", "--classes", "blue", "red") == 0
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    assert list(rows[0]) == ["image", "blue", "red", "blue (deviation)", "red (deviation)"]
    assert rows[0]["blue (deviation)"] == "3"
    assert rows[0]["red (deviation)"] == "2"
    with pytest.raises(SystemExit):
        predict(photos, "--out", tmp_path / "q.csv", "--uncertainty", "--format", "tags")
    assert "no place for --uncertainty" in shown(capsys)
    assert predict(photos, "--out", tmp_path / "q.csv") == 0
    assert next(iter(csv.DictReader((tmp_path / "q.csv").open()))).keys() == {"image", "red", "green", "blue"}


def test_heatmaps_of_tags_or_of_the_best_class(photos, tmp_path, capfd):
    assert predict(photos, "--heatmaps", tmp_path / "heat") == 0
    assert sorted(path.name for path in (tmp_path / "heat").iterdir()) == [
        "blue.blue.png",
        "dark.red.png",
        "green.green.png",
        "red.red.png",
    ]
    assert predict(photos / "dark.png", "--heatmaps", tmp_path / "chosen", "--classes", "green", "blue") == 0
    assert sorted(path.name for path in (tmp_path / "chosen").iterdir()) == ["dark.blue.png", "dark.green.png"]
    capfd.readouterr()


def test_bad_pictures(photos, tmp_path, capsys):
    (photos / "green.png").write_bytes(b"")
    out = tmp_path / "p.csv"
    assert predict(photos, "--out", out) == 2
    assert "green.png: the file is empty (zero bytes)" in shown(capsys)
    assert not out.exists()
    assert predict(photos, "--out", out, "--on-bad-image", "skip") == 0
    assert "warning left out:" in shown(capsys)
    assert len(out.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (["nowhere"], "nowhere: not found"),
        (["photos", "--classes", "gren"], "unknown class 'gren'; did you mean 'green'?"),
        (["photos", "--out", "photos/red.png"], "exists already; choose another name or pass --force"),
    ],
)
def test_predict_errors(photos, capsys, arguments, wording):
    assert predict(*arguments) == 2
    said = capsys.readouterr()
    assert wording in " ".join(said.err.split())
    assert said.out == ""


def test_predicted_tags_are_a_table_wherever_they_are_written(photos, tmp_path):
    assert predict("photos", "--out", "below/deep/tags.csv", "--format", "tags") == 0
    found = LabelTable.read(tmp_path / "below/deep/tags.csv")
    assert found.images == tuple(f"../../photos/{name}.png" for name in sorted(COLOURS))
    assert all(found.path(row).is_file() for row in range(len(found)))


@pytest.mark.parametrize("verb", ["predict", "evaluate", "complete", "review", "export", "explain"])
@pytest.mark.parametrize(
    ("folder", "wording"),
    [
        ("runn", "error runn: no finished run; expected the folder of `taglens train ... --out FOLDER`, such as run"),
        ("photos", "error photos: no finished run; expected the folder of `taglens train ... --out FOLDER`, such as run"),
        (
            "model.onnx",
            "error model.onnx: an exported file; it predicts with `taglens bulk`, and serves. Expected the folder of a run",
        ),
    ],
)
def test_a_run_that_is_none_is_said_before_anything_is_loaded(photos, monkeypatch, capsys, verb, folder, wording):
    monkeypatch.setitem(sys.modules, "taglens.recognizer", None)
    assert main([verb, folder, *([] if verb == "export" else ["photos"])]) == 2
    assert shown(capsys) == wording


def table(photos, header="image,red,green,blue"):
    path = photos / "labels.csv"
    path.write_text(f"{header}\nred.png,1,0,\ngreen.png,0,1,\nblue.png,0,,1\ndark.png,1,0,0\n")
    return str(path)


def test_evaluate_prints_and_writes(photos, tmp_path, capsys):
    data = table(photos)
    assert main(["evaluate", "run", data, "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["mAP"] == found["mAP_interpolated"] == 100
    assert found["per_class"]["red"] == {"ap": 100, "ap_interpolated": 100, "auroc": 100, "positives": 2, "negatives": 2}
    assert found["CR"] == pytest.approx(100 * (0.5 + 1 + 1) / 3)
    printed = capsys.readouterr()
    assert "100.0" in printed.out
    assert "no split column" in " ".join(printed.err.split())
    assert f"wrote {tmp_path / 'out' / 'metrics.json'}" in " ".join(printed.err.split())
    assert main(["evaluate", "run", data, "--out", str(tmp_path / "out")]) == 2
    assert "--force" in shown(capsys)


def test_evaluate_warns_of_pictures_that_were_trained_on(photos, tmp_path, capsys):
    data = table(photos)
    assert main(["evaluate", "run", data, "--device", "cpu"]) == 0
    assert "trained on" not in shown(capsys)
    LabelTable.read(data).rows([0, 2, 3]).write(tmp_path / "run" / "labels.parquet")
    assert main(["evaluate", "run", data, "--device", "cpu"]) == 0
    assert "warning 3 of the 4 pictures are called as ones the run was trained on: for these the numbers are too good" in shown(capsys)


@pytest.mark.parametrize(
    ("named", "here"),
    [
        (("red", "green"), "here: AUROC_named 100.0, F2 75.0"),
        (("red", "violet"), "here: AUROC_named -, F2 75.0"),  # not the mean of some of them
    ],
)
def test_evaluate_says_what_papers_on_the_data_report(named, here, photos, tmp_path, capsys, monkeypatch):
    papers = Reported("AUROC of some", ("AUROC_named", "F2"), "Nobody 2020", named, "theirs is another")
    monkeypatch.setitem(REPORTED, "tints", papers)
    monkeypatch.setitem(READERS, "tints", DataSet(lambda root, part, options: LabelTable.read(root), lambda root, table: {}))
    assert main(["evaluate", "run", f"tints:{table(photos)}", "--out", str(tmp_path), "--device", "cpu"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"papers on this data set report AUROC of some (Nobody 2020); theirs is another; {here}" in printed
    assert json.loads((tmp_path / "metrics.json").read_text())["AUROC_named_classes"] == list(named)


def test_evaluate_brings_columns_into_order(photos, tmp_path, capsys):
    data = table(photos)
    swapped = photos / "swapped.csv"
    LabelTable.read(data).write(swapped)
    rows = [line.split(",") for line in swapped.read_text().splitlines()]
    swapped.write_text("\n".join(",".join([row[0], *row[:0:-1]]) for row in rows) + "\n")
    for name in (data, str(swapped)):
        assert main(["evaluate", "run", name, "--out", str(tmp_path), "--force"]) == 0
        assert json.loads((tmp_path / "metrics.json").read_text())["mAP"] == 100
    capsys.readouterr()


def test_evaluate_lists_class_differences(photos, capsys):
    assert main(["evaluate", "run", table(photos, "image,red,grün,blue")]) == 2
    text = shown(capsys)
    assert "'green'" in text
    assert "'grün'" in text


def test_evaluate_without_the_skipped_pictures(photos, tmp_path, capsys):
    data = table(photos)
    (photos / "dark.png").write_bytes(b"no picture")
    assert main(["evaluate", "run", data]) == 2
    assert main(["evaluate", "run", data, "--on-bad-image", "skip", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["images"] == 3
    assert found["per_class"]["red"]["positives"] == 1
    capsys.readouterr()

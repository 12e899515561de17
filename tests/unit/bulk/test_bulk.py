"""`taglens bulk`: the same probabilities as `predict`, one row for each picture, and going on where it was."""

import os

import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from exported import CLASSES, made

from taglens.bulk import predict as bulk
from taglens.bulk.plan import PLAN
from taglens.cli.main import main
from taglens.runtime import OnnxPredictor


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for place, path in enumerate(made().pictures[:7]):
        (folder / f"{place}.jpg").write_bytes(path.read_bytes())
    (folder / "3.jpg").write_bytes(b"no picture")
    return folder


def predict(model, pictures, out, *options):
    return main(["bulk", str(model), str(pictures), "--out", str(out), "--shards", "3", "--batch", "2", *options])


def rows(out):
    return pyarrow.dataset.dataset(out, format="parquet").to_table().sort_by("image")


@pytest.mark.parametrize("kind", ["run", "onnx"])
def test_each_picture_has_one_row(pictures, tmp_path, kind, capsys):
    assert predict(getattr(made(), kind), pictures, tmp_path / "out", "--device", "cpu") == 0
    assert "1 of 7 pictures cannot be read" in capsys.readouterr().err
    found = rows(tmp_path / "out")
    assert found.column_names == ["image", "error", *CLASSES]
    assert found["image"].to_pylist() == [str(pictures / f"{place}.jpg") for place in range(7)]
    assert [place for place, error in enumerate(found["error"].to_pylist()) if error] == [3]
    assert found["sun"].to_pylist()[3] is None
    expected = OnnxPredictor.load(made().onnx).predict(made().pictures[:7])
    came = np.stack([found[name].to_numpy() for name in CLASSES], axis=1)
    np.testing.assert_allclose(np.delete(came, 3, 0), np.delete(expected, 3, 0), atol=1e-5)


def test_interrupted_it_goes_on(pictures, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert predict(made().onnx, pictures, tmp_path / "whole") == 0
    real = bulk.predict_part

    def stops(model, part, target, batch):
        if target.name == "part-000001.parquet":
            raise KeyboardInterrupt
        return real(model, part, target, batch)

    monkeypatch.setattr(bulk, "predict_part", stops)
    assert predict(made().onnx, pictures, out) == 130
    assert "the same command goes on" in capsys.readouterr().err
    done = os.stat(out / "part-000000.parquet").st_mtime_ns
    monkeypatch.setattr(bulk, "predict_part", real)
    (pictures / "new.jpg").write_bytes(b"came later: not in the plan")
    assert predict(made().onnx, pictures, out) == 0
    assert "1 of 3 parts are done" in capsys.readouterr().err
    assert os.stat(out / "part-000000.parquet").st_mtime_ns == done
    for part in (tmp_path / "whole").glob("part-*"):
        assert (out / part.name).read_bytes() == part.read_bytes()
    assert predict(made().onnx, pictures, out) == 0, "nothing is left to do"


def test_other_settings_or_another_folder_are_refused(pictures, tmp_path, capsys):
    assert predict(made().onnx, pictures, tmp_path / "out") == 0
    for arguments, says in [
        ((made().run, pictures, tmp_path / "out"), "begun with another model"),
        ((made().onnx, pictures / "0.jpg", tmp_path / "out", "--batch", "3"), "another inputs and batch"),
        ((made().onnx, pictures, pictures), "holds no bulk prediction"),
        ((tmp_path / "none.onnx", pictures, tmp_path / "new"), "expected a run folder"),
    ]:
        assert predict(*arguments) == 2
        assert says in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--shards", "0", "--out", "x"], "at least 1"),
        (["--threads", "0", "--out", "x"], "at least 1"),
        (["--shards", "5"], "--out"),
        (["--out", "x", "--heatmaps", "h"], "--heatmaps"),
    ],
)
def test_options_that_cannot_be(options, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["bulk", "run", "pictures", *options])
    assert stopped.value.code == 2
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("options", [["--shards", "5"], ["--shards=5"]])
def test_the_old_spelling_names_the_new_one(options, capsys):
    assert main(["predict", "run", "pictures", "--out", "x", *options]) == 2
    assert "use: taglens bulk RUN IMAGES... --shards N --out FOLDER" in " ".join(capsys.readouterr().err.split())


def test_all_unreadable_is_a_failure_and_an_empty_part_is_none(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert predict(made().onnx, tmp_path / "a.jpg", tmp_path / "out") == 1
    assert pq.read_table(tmp_path / "out" / "part-000000.parquet")["error"][0].as_py().endswith("copy it again or remove it")
    assert (tmp_path / "out" / PLAN).exists()

"""The torch-free room."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from exported import CLASSES, made
from PIL import Image

from taglens.errors import PictureError, RunError, TagLensError
from taglens.runtime import ModelDescription, OnnxPredictor

CHECK = """
import sys
import taglens.runtime
heavy = {"torch", "torchvision", "open_clip", "timm", "lightning", "jaxtyping", "scipy", "sklearn", "pyarrow", "matplotlib"}
print(sorted(heavy & set(sys.modules)))
model = taglens.runtime.OnnxPredictor.load(sys.argv[1])
print(model.predict(sys.argv[2:3]).shape, sorted(heavy & set(sys.modules)))
"""


def test_neither_import_nor_prediction_pulls_torch():
    command = [sys.executable, "-c", CHECK, str(made().onnx), str(made().pictures[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["[]", f"(1, {len(CLASSES)}) []"]


def test_paths_and_opened_pictures_are_one():
    predictor = OnnxPredictor.load(str(made().onnx), threads=1)
    path = made().pictures[0]
    with Image.open(path) as picture:
        opened = predictor.predict([picture])
    np.testing.assert_array_equal(opened, predictor.predict([str(path)]))
    assert predictor.predict([]).shape == (0, len(CLASSES))


def test_a_picture_alone_and_in_a_batch_is_the_same():
    predictor = OnnxPredictor.load(made().onnx)
    together = predictor.predict(made().pictures[:6], batch=6)
    alone = predictor.predict(made().pictures[:6], batch=1)
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: p.run(np.zeros((1, 3, 8, 8), np.float32)), TagLensError, r"must be \(batch, 3, 224, 224\), came \(1, 3, 8, 8\)"),
        (lambda p: p.predict(["no.jpg"]), PictureError, r"no\.jpg: picture not found"),
        (lambda p: p.heatmaps([]), TagLensError, "no picture given"),
    ],
    ids=["wrong shape", "missing picture", "no picture"],
)
def test_errors_say_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call(OnnxPredictor.load(made().onnx))


def _stamped(tmp_path, metadata):
    model = onnx.load(made().onnx)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (lambda good: {}, r"without TagLens' description .* taglens export"),
        (lambda good: {"taglens": "{"}, "without TagLens' description"),
        (lambda good: {"taglens": "[]"}, "without TagLens' description"),
        (lambda good: {"taglens": good.replace('"format": 1', '"format": 9')}, r"format 9, this version reads 1"),
        (lambda good: {"taglens": good.replace("[0.5, ", "[0.5, 0.5, ")}, "5 classes and 6 thresholds"),
    ],
    ids=["another tool's file", "no JSON", "no object", "newer", "does not fit itself"],
)
def test_a_file_that_is_not_ours(tmp_path, metadata, message):
    good = OnnxPredictor.load(made().onnx).description.to_metadata()["taglens"]
    with pytest.raises(RunError, match=message):
        OnnxPredictor.load(_stamped(tmp_path, metadata(good)))


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(RunError, match="no such file"):
        OnnxPredictor.load(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(made().onnx.read_bytes()[:1000])
    with pytest.raises(RunError, match="ONNX Runtime cannot load it"):
        OnnxPredictor.load(tmp_path / "m.onnx")


def test_a_description_survives_the_file():
    description = OnnxPredictor.load(made().onnx).description
    assert ModelDescription.from_metadata(description.to_metadata(), "m") == description

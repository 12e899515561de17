"""One loader for a run folder and an exported file."""

import subprocess
import sys

import numpy as np
import pytest
from exported import CLASSES, made

from taglens.errors import TagLensError
from taglens.inference.model import NameScorer, load_model, model_hash


def test_a_run_and_its_export_are_one_interface():
    pixels = np.stack([made().recognizer.backbone.transform(made().recognizer.backbone.transform.open(made().pictures[0]))])
    run, exported = load_model(made().run, device="cpu", text=True), load_model(made().onnx, threads=1)
    for model in (run, exported):
        assert model.classes == CLASSES
        np.testing.assert_array_equal(model.thresholds, made().recognizer.thresholds)
        assert model.transform == made().recognizer.backbone.transform
    with_maps, without = run.run(pixels, heatmaps=True), run.run(pixels)
    np.testing.assert_allclose(with_maps.probabilities, without.probabilities, atol=1e-6)
    assert without.heatmaps is None
    np.testing.assert_allclose(exported.run(pixels, heatmaps=True).heatmaps, with_maps.heatmaps, atol=1e-5)
    np.testing.assert_allclose(exported.run(pixels).probabilities, without.probabilities, atol=1e-5)
    assert isinstance(run, NameScorer)
    assert not isinstance(exported, NameScorer)


def test_each_kind_needs_only_its_own_library():
    """Torch is not loaded for an exported file; without ONNX Runtime a run still predicts."""
    code = "import sys; from pathlib import Path; from taglens.inference import load_model; {}"
    for line in (
        "load_model(Path(sys.argv[1])); assert 'torch' not in sys.modules",
        "sys.modules['onnxruntime'] = None; load_model(Path(sys.argv[2]), device='cpu')",
    ):
        subprocess.run([sys.executable, "-c", code.format(line), made().onnx, made().run], check=True, timeout=120)


@pytest.mark.parametrize(
    ("missing", "path", "says"), [("onnxruntime", "onnx", r"pip install 'taglens\[runtime\]'"), ("torch", "run", "taglens export RUN")]
)
def test_what_is_not_installed_is_said(monkeypatch, missing, path, says):
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "torch":
        monkeypatch.delitem(sys.modules, "taglens.inference.model_torch", raising=False)
    with pytest.raises(TagLensError, match=says):
        load_model(getattr(made(), path))


def test_the_hash_tells_models_apart():
    assert model_hash(made().run) != model_hash(made().onnx)

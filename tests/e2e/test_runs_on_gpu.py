"""Every method trains, predicts and is swept on a GPU as on the processor; skipped where there is no GPU."""

import csv
import os

import numpy as np
import pytest
import torch

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.methods.registry import METHODS

DEVICE = os.environ.get("TAGLENS_TEST_DEVICE", "cuda")
"""The same test on another device, to see that the test itself is right."""

pytestmark = pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("gpu"), 120, seed=5).root


def probabilities(path):
    rows = list(csv.reader(path.read_text().splitlines()))
    return np.array([row[1:] for row in rows[1:]], dtype=float)


@pytest.mark.parametrize("method", [*METHODS, "semantic_aware head gradient"])
def test_a_run_and_its_predictions(method, scenes, tmp_path, monkeypatch):
    # a GPU's own choice, bfloat16, moves features by three digits, and probabilities by up to 0.1
    monkeypatch.setattr("taglens.backbones.backbone.best_precision", lambda device: "float32")
    # and so, by less, does the short float32 of its convolutions
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    name, *options = method.split()
    run = tmp_path / "run"
    train = ["train", str(scenes / "labels.csv"), "--backbone", "tiny", "--method", name, "--known", "0.5", "--training.epochs", "2"]
    options = ["--method-options", *options] if options else []
    assert main([*train, *options, "--device", DEVICE, "--out", str(run)]) == 0
    found = {}
    for device in (DEVICE, "cpu"):
        out = tmp_path / f"{device}.csv"
        assert main(["predict", str(run), str(scenes / "pictures"), "--device", device, "--out", str(out), "--force"]) == 0
        found[device] = probabilities(out)
    np.testing.assert_allclose(found[DEVICE], found["cpu"], atol=2e-3)


def test_a_tuned_sweep(scenes, tmp_path):
    methods = ["--methods", "linear_probe", "coop", "--known", "0.5", "--tuning-fits", "2", "--training.epochs", "2"]
    command = ["sweep", str(scenes / "labels.csv"), "--backbone", "tiny", *methods, "--device", DEVICE, "--out", str(tmp_path / "sweep")]
    assert main(command) == 0

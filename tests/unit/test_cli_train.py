"""What the commands train and demo ask for and print; the training itself is tested where it lives."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from taglens.cli.main import main
from taglens.metrics import evaluate

TRUTH = np.array([[1, 0], [0, 1]], np.int8)


@pytest.fixture
def asked(monkeypatch):
    """The options that reach train_run."""
    calls = []

    def train_run(data, out, **options):
        calls.append({"data": data, "out": out, **options})
        evaluations = {"semantic_aware": evaluate(TRUTH * 0.9, TRUTH, "ab"), "zero_shot": evaluate(1 - TRUTH, TRUTH, "ab")}
        return SimpleNamespace(evaluations=evaluations)

    monkeypatch.setitem(sys.modules, "taglens.experiments.run", SimpleNamespace(train_run=train_run))
    return calls


def test_train_hands_every_option_on(asked, capsys, tmp_path):
    names = tmp_path / "names.json"
    names.write_text('{"tvmonitor": "television"}')
    line = (
        "voc2012:root --known 0.1 --seed 3 --backbone RN101/openai --image-size 448 --method coop --device cpu --force --on-bad-image skip"
    )
    more = "--out there --cache here --difficult unknown --training.epochs 2 --training.loss-options gamma_negative 4"
    options = "--method-options decoupling false hidden 64"
    assert main(["train", *line.split(), *more.split(), *options.split(), "--names", str(names)]) == 0
    (call,) = asked
    assert call["options"].difficult == "unknown"
    assert call["training"].epochs == 2
    assert call["training"].loss_options == {"gamma_negative": 4}
    del call["options"], call["training"]
    assert call == {
        "data": "voc2012:root",
        "out": Path("there"),
        "known": 0.1,
        "seed": 3,
        "backbone": "RN101/openai",
        "image_size": 448,
        "method": "coop",
        "method_options": {"decoupling": False, "hidden": 64},
        "names": {"tvmonitor": "television"},
        "force": True,
        "on_bad": "skip",
        "cache": Path("here"),
        "device": "cpu",
    }
    printed = capsys.readouterr()
    assert "semantic aware" in printed.out
    assert "100.0" in printed.out
    assert "there/report.html" in printed.err


def test_train_hides_nothing_unless_asked(asked, capsys):
    assert main(["train", "labels.csv"]) == 0
    assert asked[0]["known"] is None
    assert asked[0]["backbone"] == "tiny"
    assert asked[0]["method"] == "semantic_aware"
    capsys.readouterr()


def test_demo_is_a_training_on_scenes(asked, capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path), "--scenes", "50", "--force"]) == 0
    assert (asked[0]["data"], asked[0]["known"], asked[0]["out"], asked[0]["force"]) == ("scenes:50", 0.1, tmp_path, True)
    assert "50 drawn scenes, 10% of the training labels known" in capsys.readouterr().err


def test_cuda_that_is_not_there_is_refused(asked, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["train", "labels.csv", "--device", "cuda"]) == 2
    assert "finds no CUDA device" in capsys.readouterr().err
    assert asked == []

"""A training that was killed and resumed is the uninterrupted one, bit for bit on a CPU."""

import shutil

import numpy as np
import pytest
import torch

from taglens.backbones.openclip import load_backbone
from taglens.errors import TrainingError
from taglens.labels.hiding import keep_known
from taglens.labels.states import PartialLabels
from taglens.losses import LOSSES
from taglens.losses.partial_bce import PartialBCE
from taglens.methods import Setting, method_config
from taglens.training.config import TrainConfig
from taglens.training.fit import fit
from tests.unit.training.train_on import RandomRows

CLASSES = ("dog", "cat", "fish")
TRUTH = (np.random.default_rng(1).random((70, 3)) < 0.4).astype(np.int8)


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it."""


class Noisy:
    """A loss that draws random numbers, as dropout would, and may be killed at a given call."""

    def __init__(self, killed_at=None):
        self.left = killed_at

    def __call__(self, logits, targets):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed
        return PartialBCE()(logits + 0.5 * torch.rand_like(logits) * logits.requires_grad, targets)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


def train(backbone, monkeypatch, checkpoints, *, name="linear_probe", killed_at=None, views=1, **settings):
    setting = Setting(classes=CLASSES, prompt_names=CLASSES, channels=backbone.channels, logit_scale=backbone.logit_scale)
    method = method_config(name)(**({"head": "gradient"} if name == "semantic_aware" else {})).build(setting, backbone.texts())
    monkeypatch.setitem(LOSSES, "partial_bce", lambda labels: Noisy(killed_at))
    config = TrainConfig(**({"epochs": 5, "batch_size": 16, "rate": 0.01} | settings))
    labels = keep_known(PartialLabels(TRUTH), 0.6)
    rows = RandomRows(TRUTH, backbone.channels, views)
    return method, fit(method, backbone.texts(), rows, labels, config, accelerator="cpu", progress=False, checkpoints=checkpoints)


def same(one, other):
    (method, result), (method_2, result_2) = one, other
    assert result.history == result_2.history
    assert (result.epoch, result.stopped, result.held_out.tolist()) == (result_2.epoch, result_2.stopped, result_2.held_out.tolist())
    for key, weight in method.state_dict().items():
        assert torch.equal(weight, method_2.state_dict()[key]), key


CASES = [
    pytest.param({}, 3, id="in the first epoch, before any checkpoint"),
    pytest.param({}, 9, id="in the second epoch"),
    pytest.param({}, 16, id="late"),
    pytest.param({"holdout": 0.0}, 12, id="without a held-out share"),
    pytest.param({"optimiser": "sgd", "gradient_clip": None}, 12, id="SGD with its momentum"),
    pytest.param({"precision": "bfloat16"}, 12, id="half precision"),
    pytest.param({"name": "semantic_aware"}, 9, id="learned prompts and attention"),
    pytest.param({"views": 2}, 9, id="two views of each picture"),
]


@pytest.mark.parametrize(("settings", "killed_at"), CASES)
def test_resumed_is_uninterrupted(backbone, monkeypatch, tmp_path, settings, killed_at):
    whole = train(backbone, monkeypatch, None, **settings)
    with pytest.raises(Killed):
        train(backbone, monkeypatch, tmp_path, killed_at=killed_at, **settings)
    same(train(backbone, monkeypatch, tmp_path, **settings), whole)


def test_killed_again_and_again(backbone, monkeypatch, tmp_path):
    whole = train(backbone, monkeypatch, None)
    for _ in range(4):  # each gets one epoch further
        with pytest.raises(Killed):
            train(backbone, monkeypatch, tmp_path, killed_at=7)
    same(train(backbone, monkeypatch, tmp_path), whole)


def test_killed_after_the_last_epoch(backbone, monkeypatch, tmp_path):
    whole = train(backbone, monkeypatch, tmp_path)
    same(train(backbone, monkeypatch, tmp_path, killed_at=0), whole)


def test_killed_after_patience_ended_it(backbone, monkeypatch, tmp_path):
    settings = {"epochs": 40, "patience": 2, "rate": 0.05}
    whole = train(backbone, monkeypatch, tmp_path, **settings)
    assert len(whole[1].history) < 40
    same(train(backbone, monkeypatch, tmp_path, killed_at=0, **settings), whole)


def test_what_a_kill_left_half_written_is_not_read(backbone, monkeypatch, tmp_path):
    whole = train(backbone, monkeypatch, None)
    with pytest.raises(Killed):
        train(backbone, monkeypatch, tmp_path, killed_at=9)
    shutil.copy(tmp_path / "last.ckpt", tmp_path / ".last.ckpt.tmp")
    with (tmp_path / ".last.ckpt.tmp").open("r+b") as torn:
        torn.truncate(100)
    same(train(backbone, monkeypatch, tmp_path), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"\x80\x04."], ids=["empty", "torn", "pickle"])
def test_a_damaged_checkpoint_is_named(backbone, monkeypatch, tmp_path, content):
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"last\.ckpt: not a checkpoint of this training .* delete it to start from the beginning"):
        train(backbone, monkeypatch, tmp_path)

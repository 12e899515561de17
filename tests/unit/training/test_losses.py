"""Losses with a memory or a first pass, in training: they learn, resume to the bit, and refuse what they cannot do."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from taglens.backbones.openclip import load_backbone
from taglens.errors import TrainingError
from taglens.labels.hiding import single_positive
from taglens.labels.states import PartialLabels
from taglens.losses import LOSSES
from taglens.losses.partial_bce import PartialBCE
from taglens.losses.selective import Selective
from taglens.methods import Setting, method_config
from taglens.metrics.average_precision import average_precision
from taglens.training.config import Machines, TrainConfig
from taglens.training.fit import fit
from taglens.training.module import TrainingModule
from tests.unit.training.train_on import RandomRows

CLASSES = ("dog", "cat", "fish", "bird")
TRUTH = (np.random.default_rng(1).random((70, 4)) < 0.4).astype(np.int8)
OPTIONS = {
    "role": {"expected_positives": 1.6},
    "expected_positive_regularisation": {"expected_positives": 1.6},
    "selective": {"likeliest": 1},
}
OPTIONS |= {"entropy_maximisation_apl": {"warmup": 1}, "large_loss_permanent": {"share": 0.02}}


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it."""


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


def train(backbone, loss, *, labels=None, checkpoints=None, machines=None, filled=None, **settings):
    setting = Setting(classes=CLASSES, prompt_names=CLASSES, channels=backbone.channels, logit_scale=backbone.logit_scale)
    method = method_config("linear_probe")().build(setting, backbone.texts())
    config = TrainConfig(**({"epochs": 4, "batch_size": 16, "rate": 0.01, "loss": loss, "loss_options": OPTIONS.get(loss, {})} | settings))
    labels = single_positive(PartialLabels(TRUTH)) if labels is None else labels
    rows = RandomRows(TRUTH, backbone.channels, 1)
    how = {"accelerator": "cpu", "progress": False, "checkpoints": checkpoints, "machines": machines, "filled": filled}
    return method, fit(method, backbone.texts(), rows, labels, config, **how)


@pytest.mark.parametrize("name", [name for name in LOSSES if name.partition("_")[0] not in ("partial", "class")])
def test_one_positive_of_each_picture_teaches_the_classes(backbone, name):
    """Of these features a class can be told; losses of known cells alone have nothing to tell it by."""
    method, _ = train(backbone, name, epochs=8, loss_options=OPTIONS.get(name, {}) | ({"prior_limit": 1} if name == "selective" else {}))
    with torch.no_grad():
        logits = method(RandomRows(TRUTH, backbone.channels, 1).gather(np.arange(70)), {}).logits
    assert average_precision(logits.numpy(), PartialLabels(TRUTH)).mean() > 0.8, "chance is 0.43"


@pytest.mark.parametrize("name", ["role", "entropy_maximisation_apl", "large_loss_permanent", "selective", "generalised_robust"])
@pytest.mark.parametrize("killed_at", [2, 11], ids=["before any checkpoint", "in the third epoch"])
def test_resumed_is_uninterrupted(backbone, monkeypatch, tmp_path, name, killed_at):
    method, whole = train(backbone, name)
    inner, left = TrainingModule._weighted, [killed_at]

    def weighted(self, *given):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return inner(self, *given)

    monkeypatch.setattr(TrainingModule, "_weighted", weighted)
    with pytest.raises(Killed):
        train(backbone, name, checkpoints=tmp_path)
    monkeypatch.undo()
    resumed, result = train(backbone, name, checkpoints=tmp_path)
    assert result.history == whole.history
    assert all(torch.equal(weight, resumed.state_dict()[key]) for key, weight in method.state_dict().items())


def test_the_first_pass_of_selective_is_a_training_on_known_cells(backbone, monkeypatch):
    labels = PartialLabels(np.where(np.random.default_rng(2).random(TRUTH.shape) < 0.7, TRUTH, np.int8(-1)))
    found = []
    monkeypatch.setattr(Selective, "set_prior", lambda self, prior: (found.append(prior), self.prior.copy_(prior)))
    train(backbone, "selective", labels=labels, epochs=12)
    np.testing.assert_allclose(found[0], TRUTH.mean(0), atol=0.1)


REFUSED = [
    pytest.param("role", {"machines": Machines(devices=2)}, "which one process does: --devices 1", id="a memory on two devices"),
    pytest.param("selective", {"machines": Machines(nodes=2)}, "came 1 and 2", id="a rank over the batch on two machines"),
    pytest.param("self_paced_correction", {"patience": 2}, "do without patience", id="epochs that cannot be compared"),
    pytest.param(
        "generalised_robust", {"filled_weight": 0.5}, r"fully \(1\) or not at all \(0\).*came filled_weight 0.5", id="half a label"
    ),
]


@pytest.mark.parametrize(("name", "settings", "said"), REFUSED)
def test_what_it_cannot_do_is_refused(backbone, name, settings, said):
    with pytest.raises(TrainingError, match=said):
        train(backbone, name, **settings)


def test_the_last_epoch_of_a_loss_that_changes_is_kept(backbone):
    """Its corrections make the held-out loss, which does not correct, rise from some epoch on."""
    _, result = train(backbone, "self_paced_correction", epochs=6, rate=0.1, loss_options={"threshold": 0.3})
    assert result.epoch == len(result.history) == 6
    assert result.history[-1]["held_out_loss"] > min(row["held_out_loss"] for row in result.history)


def test_a_batch_without_known_labels_costs_nothing(backbone, monkeypatch):
    """Not even a division by zero."""
    strategy = SimpleNamespace(reduce=lambda value, reduce_op: value)
    monkeypatch.setattr(TrainingModule, "trainer", SimpleNamespace(world_size=1, strategy=strategy))
    targets = torch.full((6, 4), -1, dtype=torch.int8)
    method, _ = train(backbone, "partial_bce", epochs=1)
    module = TrainingModule(method, backbone.texts(), PartialBCE(), TrainConfig(), known=1)
    assert module.global_mean(PartialBCE()(torch.ones(6, 4), targets)).item() == 0

"""Training: what is held out, what is kept, and how it stops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from taglens.backbones.openclip import load_backbone
from taglens.errors import TrainingError
from taglens.labels.states import PartialLabels
from taglens.losses import LOSSES
from taglens.losses.partial_bce import PartialBCE
from taglens.methods import Setting, method_config
from taglens.shapes import Features
from taglens.training.config import TrainConfig
from taglens.training.data import Batch, hold_out
from taglens.training.fit import fit
from taglens.training.module import TrainingModule
from tests.made_losses import STATELESS, made_loss

CLASSES = ("dog", "cat", "fish")


class RandomRows:
    """Features in which the first channels say which class is there."""

    views = 1

    def __init__(self, labels, channels, positions=4, seed=0):
        random = np.random.default_rng(seed)
        maps = random.normal(size=(len(labels), positions, channels)).astype(np.float32)
        maps[:, :, : labels.shape[1]] += 3 * labels[:, None]
        self.map = torch.from_numpy(maps)

    def __len__(self):
        return len(self.map)

    def gather(self, index, views=0):
        chosen = self.map[torch.as_tensor(index)]
        return Features(chosen, chosen.mean(1))


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


@pytest.fixture(scope="module")
def truth():
    return (np.random.default_rng(1).random((80, 3)) < 0.4).astype(np.int8)


def new_method(backbone, name="linear_probe", **options):
    setting = Setting(classes=CLASSES, prompt_names=CLASSES, channels=backbone.channels, logit_scale=backbone.logit_scale)
    return method_config(name)(**options).build(setting, backbone.texts())


def run(backbone, truth, method=None, labels=None, **settings_):
    method = method or new_method(backbone)
    config = TrainConfig(**({"epochs": 3, "batch_size": 16, "rate": 0.01} | settings_))
    rows = RandomRows(truth, backbone.channels)
    labels = PartialLabels(truth) if labels is None else labels
    return method, fit(method, backbone.texts(), rows, labels, config, accelerator="cpu", progress=False)


def test_training_learns_and_reports_each_epoch(backbone, truth):
    _, result = run(backbone, truth, epochs=4)
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4]
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert result.history[result.epoch - 1]["held_out_loss"] == min(row["held_out_loss"] for row in result.history)
    assert result.stopped is None


def test_one_seed_gives_one_result_bit_for_bit(backbone, truth):
    first, second = (run(backbone, truth, new_method(backbone, "semantic_aware", head="gradient", hidden=8), seed=5)[0] for _ in range(2))
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name


def test_the_best_epoch_is_kept_not_the_last(backbone, truth):
    method, result = run(backbone, truth, epochs=5)
    again, _ = run(backbone, truth, epochs=5)
    assert torch.equal(method.weight, again.weight)
    assert 1 <= result.epoch <= 5


def test_without_a_held_out_share_the_last_epoch_stays(backbone, truth):
    _, result = run(backbone, truth, holdout=0.0)
    assert result.epoch == 3
    assert len(result.held_out) == 0
    assert "held_out_mAP" not in result.history[0]


def test_patience_ends_training_early(backbone, truth):
    _, result = run(backbone, truth, epochs=30, patience=2, rate=0.05)
    assert len(result.history) < 30
    assert len(result.history) - result.epoch == 2


def test_no_known_label_is_refused(backbone, truth):
    with pytest.raises(TrainingError, match="no label is known, so there is nothing to learn from"):
        run(backbone, truth, labels=PartialLabels(np.full_like(truth, -1)))


def test_zero_shot_trains_nothing(backbone, truth):
    _, result = run(backbone, truth, new_method(backbone, "zero_shot"))
    assert (result.history, result.epoch) == ([], 0)


class _NotFiniteFrom:
    """A loss that becomes NaN at a given call."""

    def __init__(self, call):
        self.left = call

    def __call__(self, logits, targets):
        self.left -= 1
        loss = PartialBCE()(logits, targets)
        return loss._replace(total=loss.total * (float("nan") if self.left < 0 else 1.0))


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        pytest.param(0, "raises", id="at the first step nothing is worth keeping"),
        pytest.param(9, "keeps", id="after an epoch its weights are kept"),
    ],
)
def test_a_loss_that_is_not_finite_stops_with_advice(backbone, truth, monkeypatch, call, outcome):
    monkeypatch.setitem(LOSSES, "partial_bce", lambda labels: _NotFiniteFrom(call))
    if outcome == "raises":
        with pytest.raises(TrainingError, match=r"the loss became nan in epoch 1, step 1.*What to do: try a smaller --training.rate"):
            run(backbone, truth)
    else:
        method, result = run(backbone, truth)
        assert "the loss became nan in epoch 2" in result.stopped
        assert result.epoch == 1
        assert torch.isfinite(method.weight).all()


class _InterruptedAt:
    def __init__(self, call):
        self.left = call

    def __call__(self, logits, targets):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return PartialBCE()(logits, targets)


def test_ctrl_c_keeps_the_best_epoch_so_far(backbone, truth, monkeypatch):
    monkeypatch.setitem(LOSSES, "partial_bce", lambda labels: _InterruptedAt(9))
    method, result = run(backbone, truth)
    assert result.stopped == "interrupted in epoch 2"
    assert result.epoch == 1
    assert method.weight.abs().sum() > 0


def test_ctrl_c_before_anything_is_there_is_passed_on(backbone, truth, monkeypatch):
    monkeypatch.setitem(LOSSES, "partial_bce", lambda labels: _InterruptedAt(0))
    with pytest.raises(KeyboardInterrupt):
        run(backbone, truth)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.9))
def test_held_out_pictures_are_apart_labelled_and_leave_every_class_a_positive(seed, share):
    values = np.random.default_rng(seed).choice([-1, 0, 1], size=(40, 5), p=[0.6, 0.3, 0.1]).astype(np.int8)
    labels = PartialLabels(values)
    training, held = hold_out(labels, share, seed)
    assert not set(training) & set(held)
    assert len(training) + len(held) == 40
    assert labels.known[held].any(1).all()
    assert (labels.positive[training].any(0) == labels.positive.any(0)).all()
    assert len(held) <= round(share * labels.known.any(1).sum())


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("batch_size", 0), ("rate", 0.0), ("holdout", 1.0), ("gradient_clip", 0.0), ("patience", 0), ("weight_decay", -1.0)],
)
def test_settings_out_of_range_are_named(setting, value):
    with pytest.raises(TrainingError, match=rf"training setting {setting} cannot be {value}"):
        TrainConfig(**{setting: value})


def test_the_prior_counts_once_beside_all_known_labels(backbone, truth):
    """So the same evidence in more pictures moves the free vectors further from zero."""
    energies = [float(run(backbone, np.tile(truth, (copies, 1)), epochs=8)[0].prior_energy()) for copies in (1, 4)]
    assert energies[0] < 0.8 * energies[1]


FILLED_WEIGHTS = {
    0.0: "filled labels are ignored: wrong ones do no harm",
    1.0: "filled labels count like given ones: wrong ones turn the class around",
}


@pytest.mark.parametrize("weight", FILLED_WEIGHTS)
def test_filled_labels_weigh_what_was_asked(backbone, truth, weight):
    labels, filled = truth.copy(), np.zeros(truth.shape, bool)
    filled[20:, 0] = True
    labels[20:, 0] = 1 - truth[20:, 0]  # what was filled is wrong
    method, config = new_method(backbone), TrainConfig(epochs=6, batch_size=16, rate=0.01, filled_weight=weight)
    rows = RandomRows(truth, backbone.channels)
    fit(method, backbone.texts(), rows, PartialLabels(labels), config, accelerator="cpu", progress=False, filled=filled)
    with torch.no_grad():
        logits = method(rows.gather(np.arange(80)), method.classifier(backbone.texts())).logits[:, 0].numpy()
    agree = ((logits > 0) == (truth[:, 0] == 1)).mean()
    assert (agree > 0.8) == (weight == 0), f"{agree:.0%} of the first class right"


@pytest.mark.parametrize("name", STATELESS)
def test_a_weight_scales_the_part_of_the_filled_labels_alone(backbone, name):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator)
    targets = torch.tensor([[1, 0, -1]] * 6, dtype=torch.int8)
    sure = targets.clone()
    sure[:3] = -1
    loss = made_loss(name, targets.numpy())
    module = TrainingModule(new_method(backbone), backbone.texts(), loss, TrainConfig(filled_weight=0.25), known=12)
    batch = Batch(torch.zeros(6, 1, 1), torch.zeros(6, 1), targets, sure, torch.arange(6))
    every, given_ = loss(logits, targets), loss(logits, sure)
    found = module._weighted(logits, batch)
    assert torch.isclose(found.total, given_.total + 0.25 * (every.total - given_.total))
    assert torch.isclose(found.known, given_.known + 0.25 * (every.known - given_.known))

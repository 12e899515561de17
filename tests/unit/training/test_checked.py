"""How labels came about is found by the evidence: laws, and pictures whose truth is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from taglens.errors import TrainingError
from taglens.labels.states import PartialLabels
from taglens.methods.exact import ExactHead
from taglens.shapes import Features
from taglens.training.config import TrainConfig
from taglens.training.exact.checked import Counts, by_ratio, find_checking, in_words, of_tags
from taglens.training.exact.fit import fit_exact
from taglens.training.fit import fit

PICTURES, CLASSES, CHANNELS = 400, 6, 16


class Rows:
    """Pooled vectors that say which class is there, with noise; maps of one position."""

    views = 1

    def __init__(self, truth, seed):
        directions = np.random.default_rng(7).normal(size=(CLASSES, CHANNELS))
        self.text = torch.nn.functional.normalize(torch.from_numpy(directions).float(), dim=-1)
        noise = np.random.default_rng(seed).normal(size=(len(truth), CHANNELS)) * 0.35
        self.vectors = torch.from_numpy(noise).float() + torch.from_numpy(truth).float() @ self.text

    def __len__(self):
        return len(self.vectors)

    def gather(self, index, views=0):
        chosen = self.vectors[torch.as_tensor(index)]
        return Features(chosen[:, None], chosen)


def drawn(seed, rate=0.25):
    return (np.random.default_rng(seed).random((PICTURES, CLASSES)) < rate).astype(np.int8)


def hidden(truth, present, absent, seed=3):
    chance = np.where(truth == 1, present, absent)
    return np.where(np.random.default_rng(seed).random(truth.shape) < chance, truth, -1).astype(np.int8)


def trained(labels, rows, checked="auto"):
    method = ExactHead(rows.text, sharpness=10.0, decoupling=True, reattention=False, rbf=False)
    found = fit_exact(method, rows, PartialLabels(labels), checked=checked)
    return method, found, found.choices["checked"]


def probabilities(method, rows):
    return torch.sigmoid(method(rows.gather(np.arange(len(rows))), {}).logits).numpy()


def test_labels_at_random_are_recognised_and_nothing_changes():
    truth = drawn(0)
    rows, labels = Rows(truth, 1), hidden(truth, 0.3, 0.3)
    found, plain = trained(labels, rows), trained(labels, rows, "at-random")
    assert found[2]["kind"] == "at-random"
    np.testing.assert_array_equal(found[1].probabilities, plain[1].probabilities)


@pytest.mark.parametrize(("present", "absent"), [(0.45, 0.15), (0.15, 0.45)], ids=["present-more", "absent-more"])
def test_other_rates_are_found_and_corrected_for(present, absent):
    truth, others = drawn(0), drawn(5)
    rows, labels = Rows(truth, 1), hidden(truth, present, absent)
    method, _, facts = trained(labels, rows)
    assert facts["kind"] == "by-value"
    assert present / absent / 1.5 < facts["ratio"] < present / absent * 1.5
    naive = probabilities(trained(labels, rows, "at-random")[0], Rows(others, 2)).mean() - others.mean()
    ours = probabilities(method, Rows(others, 2)).mean() - others.mean()
    assert abs(ours) < 0.03 < 0.05 < abs(naive)


@pytest.mark.parametrize("most_dual", [1_000_000, 10], ids=["dual", "primal"])
def test_with_enough_known_cells_the_unknown_ones_are_not_needed(monkeypatch, most_dual):
    monkeypatch.setattr("taglens.training.exact.fit.CELLS_TELLING", 1)
    monkeypatch.setattr("taglens.training.exact.fit.MOST_DUAL", most_dual)
    truth, others = drawn(0), drawn(5)
    rows = Rows(truth, 1)
    method, found, facts = trained(hidden(truth, 0.8, 0.2), rows)
    assert facts["kind"] == "by-value"
    assert abs(probabilities(method, Rows(others, 2)).mean() - others.mean()) < 0.04
    assert abs(found.probabilities.mean() - truth.mean()) < 0.04


def test_tags_alone_have_probabilities_of_the_true_size():
    truth, others = drawn(0), drawn(5)
    rows, labels = Rows(truth, 1), hidden(truth, 0.5, 0.0)
    method, _, facts = trained(labels, rows)
    assert facts["kind"] == "tags-alone"
    assert facts["ratio"] is None
    blank_is_absent = trained(np.where(labels == -1, 0, labels).astype(np.int8), rows)[0]
    assert abs(probabilities(method, Rows(others, 2)).mean() - others.mean()) < 0.05
    assert probabilities(blank_is_absent, Rows(others, 2)).mean() < others.mean() - 0.08


def test_a_class_with_present_cells_only_among_others_is_one_of_tags():
    truth = drawn(0)
    labels = hidden(truth, 0.4, 0.4)
    labels[labels[:, 2] == 0, 2] = -1
    method, _, facts = trained(labels, Rows(truth, 1))
    assert facts["tags_alone_classes"] == [2]
    assert "Only present cells are known of c:" in in_words(facts, tuple("abcdef"))
    found = probabilities(method, Rows(drawn(5), 2))[:, 2]
    assert abs(found.mean() - 0.25) < 0.12


@given(st.floats(0.05, 1), st.floats(0.0, 1), st.floats(0.05, 0.95), st.floats(-8, 8), st.integers(0, 40), st.integers(0, 2**16))
def test_leaving_out_unknown_cells_at_random_is_a_likelihood_of_the_same_form(c1, c0, prevalence, latent, most, seed):
    counts = Counts(torch.tensor([200 * prevalence * c1]).double(), torch.tensor([200 * (1 - prevalence) * c0]).double(), 200)
    checking = of_tags(counts, c1) if c0 == 0 else by_ratio(counts, c1 / c0)
    high, low = float(checking.present), float(checking.absent)
    states = torch.from_numpy(np.random.default_rng(seed).choice([1, -1], size=(50, 1), p=[0.2, 0.8])).to(torch.int8)
    told = checking.cells(states, torch.tensor([0]), torch.arange(50.0), most)
    kept = float(told.kept.sum()) / float((states == -1).sum())
    s = 1 / (1 + math.exp(-latent))
    weights = np.array([high * s, low * (1 - s), kept * ((1 - high) * s + (1 - low) * (1 - s))])
    shares, shifted = told.shares[0], 1 / (1 + math.exp(-latent - float(told.shift)))
    ours = np.array([shares.present * shifted, shares.absent * (1 - shifted)])
    if weights.sum() > 1e-6:
        np.testing.assert_allclose(ours, weights[:2] / weights.sum(), atol=1e-5)


def test_shares_and_prevalence_agree_with_the_counts():
    counts = Counts(torch.tensor([60.0, 6.0]).double(), torch.tensor([80.0, 95.0]).double(), 1000)
    found = by_ratio(counts, 3.0)
    there = counts.present / found.present
    torch.testing.assert_close(counts.absent / found.absent, 1000 - there)
    torch.testing.assert_close(found.present / found.absent, torch.tensor([3.0, 3.0]).double())
    assert float(by_ratio(counts, 64.0).present.max()) <= 1


def test_evidence_below_ten_nats_is_at_random():
    counts = Counts(torch.tensor([60.0, 60.0]).double(), torch.tensor([80.0, 80.0]).double(), 1000)

    def of(height):
        return lambda checking: torch.full((2,), -height * (math.log(checking.ratio) - math.log(4)) ** 2)

    weak, strong = (find_checking(counts, of(height), "auto") for height in (2.0, 20.0))
    assert weak.checking.kind == "at-random"
    assert weak.best_ratio == pytest.approx(4)
    assert strong.checking.kind == "by-value"
    assert strong.checking.ratio == pytest.approx(4)


@pytest.mark.parametrize(
    ("labels", "asked", "words"),
    [
        ([[1, 0], [-1, 1]], "tags-alone", "1 cells are known to be absent"),
        ([[1, -1], [-1, 1]], "by-value", "no absent cell is known"),
    ],
    ids=["absent-cells", "none"],
)
def test_what_cannot_be_is_refused(labels, asked, words):
    counts = Counts.of(torch.tensor(labels, dtype=torch.int8))
    with pytest.raises(TrainingError, match=words):
        find_checking(counts, lambda checking: torch.zeros(2), asked)


def test_a_head_trained_by_gradient_cannot_be_corrected():
    truth = drawn(0)
    with pytest.raises(TrainingError, match="--checked by-value needs the exact head"):
        fit(torch.nn.Linear(1, 1), None, Rows(truth, 1), PartialLabels(truth), TrainConfig(), checked="by-value")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"kind": "by-value", "ratio": 3.04, "present": 0.3, "absent": 0.1, "gain_nats": 117.2}, "checked 3.0 times as often"),
        ({"kind": "tags-alone", "present": 0.5}, "about 50 % of what is present written down"),
        ({"kind": "at-random", "best_ratio": 1.4, "gain_nats": 2.2}, "a ratio of 1.4 would explain the table 2 nats better"),
        ({"kind": "at-random", "best_ratio": 1}, "nothing in the table speaks against it"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_the_finding_in_words(facts, words):
    assert words in in_words({"asked": False, "tags_alone_classes": []} | facts, ("a",))

"""Losses of single positive and missing labels against their formulas, written anew cell by cell."""

import math
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch

from taglens.errors import TagLensError, TrainingError
from taglens.labels.states import PartialLabels
from taglens.losses import Step, build_loss
from tests.made_losses import STATEFUL, STATELESS, STOPPED, made_loss

LOGITS = torch.tensor([[2.0, -1.5, 0.3, 1.1], [-4.0, 0.4, 6.0, -0.6], [0.7, -0.2, -2.5, 0.9]], dtype=torch.float64)
TARGETS = torch.tensor([[1, 0, -1, -1], [-1, 1, -1, -1], [-1, -1, 1, 0]], dtype=torch.int8)
CELLS = list(product(range(3), range(4)))


def p_of(z):
    return 1 / (1 + math.exp(-z))


def ce(target, p):
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


def total(cost, logits=LOGITS, targets=TARGETS):
    """The sum over all cells of ``cost(p, y, z)``."""
    return sum(cost(p_of(logits[i, c].item()), int(targets[i, c]), logits[i, c].item()) for i, c in CELLS)


def observed(p, y, z=None):
    return 0.0 if y < 0 else ce(y, p)


def assumed(p, y, z=None):
    return ce(max(y, 0), p)


def penalty(probabilities, k):
    """The regulariser of expected positives, counted for every cell."""
    mean = sum(map(sum, probabilities)) / len(probabilities)
    classes = len(probabilities[0])
    return len(probabilities) * classes * ((mean - k) / classes) ** 2


def table(logits=LOGITS):
    return [[p_of(z) for z in row] for row in logits.tolist()]


def epr(k):
    return total(observed) + penalty(table(), k)


def entropy(p, y, z=None, alpha=0.2):
    return -alpha * ce(p, p) if y < 0 else ce(y, p)


def hill(p, y, z):
    if y == 1:
        return -((1 - p_of(z - 1)) ** 2) * math.log(p_of(z - 1))
    return -(p**2) * math.log(1 - p) if y == 0 else (1.5 - p) * p**2


def splc(p, y, z, tau=2.0):
    positive = y == 1 or (y < 0 and p > tau)
    return -((1 - p_of(z - 1)) ** 2) * math.log(p_of(z - 1)) if positive else -(p**2) * math.log(1 - p)


def robust(w, b, mu, s):
    def cost(p, y, z):
        if y >= 0:
            return ce(y, p)
        share, weight = p_of(w * p + b), math.exp(-((p - mu) ** 2) / (2 * s**2))
        return weight * (share * (1 - p**0.01) / 0.01 + (1 - share) * (1 - (1 - p) ** 1.0) / 1.0)

    return cost


def csl(p, y, z, left_out=()):
    if y == 1:
        return -math.log(p)
    return -p * math.log(1 - p) if y == 0 else 0.0 if z in left_out else -(p**2) * math.log(1 - p)


def large(how, count):
    """Unknown cells with the ``count`` largest losses, treated by ``how``."""
    costs = sorted((assumed(p_of(LOGITS[i, c].item()), 0) for i, c in CELLS if TARGETS[i, c] < 0), reverse=True)
    limit = costs[count - 1] if count else math.inf

    def cost(p, y, z):
        return how(p) if y < 0 and assumed(p, 0) >= limit else assumed(p, y)

    return cost


def boosted(z):
    return max(z, 5 * z)


def boosted_cost(p, y, z):
    signed = -boosted(z) if y == 1 else boosted(z)
    return math.log1p(math.exp(signed))


HELD_OUT = {
    # name: options, the sum over all cells
    "an_label_smoothing": ({}, lambda: total(lambda p, y, z: ce(0.9 if y == 1 else 0.1, p))),
    "weak_negatives": ({}, lambda: total(lambda p, y, z: ce(max(y, 0), p) * (1 / 3 if y < 0 else 1))),
    "expected_positive_regularisation": ({"expected_positives": 1.5}, lambda: epr(1.5)),
    "role": ({"expected_positives": 1.5}, lambda: epr(1.5)),
    "entropy_maximisation": ({}, lambda: total(entropy)),
    "entropy_maximisation_apl": ({"alpha": 0.1}, lambda: total(lambda p, y, z: entropy(p, y, alpha=0.1))),
    "large_loss_reject": ({}, lambda: total(assumed)),
    "large_loss_temporary": ({}, lambda: total(assumed)),
    "large_loss_permanent": ({}, lambda: total(assumed)),
    "boost_logits": ({}, lambda: total(boosted_cost)),
    "hill": ({}, lambda: total(hill)),
    "self_paced_correction": ({}, lambda: total(splc)),
    "generalised_robust": ({}, lambda: total(robust(0, -2, 0.5, 2))),
    "selective": ({}, lambda: total(csl)),
    "unknown_as_negative": ({}, lambda: total(assumed)),
}


def test_every_loss_that_reads_unknown_cells_has_a_formula_here():
    known_only = {"partial_bce", "partial_asymmetric", "partial_focal", "class_balanced"}  # tests/parity/test_methods_parity.py
    assert set(HELD_OUT) == {*STATELESS, *STATEFUL} - known_only


@pytest.mark.parametrize("name", HELD_OUT)
def test_value_is_the_formula_s(name):
    options, expected = HELD_OUT[name]
    found = made_loss(name, TARGETS, **options)(LOGITS, TARGETS)
    assert found.total.item() == pytest.approx(expected(), rel=1e-9)
    assert found.known.item() == 12


TRAINING = [
    # name, options, epoch of how many, the sum over all cells; reason
    pytest.param("large_loss_reject", {"share": 0.1}, (0, 5), lambda: total(assumed), id="the first epoch rejects nothing"),
    pytest.param("large_loss_reject", {"share": 0.1}, (1, 5), lambda: total(large(lambda p: 0.0, 2)), id="ceil(12 * 1 * 0.1) = 2 rejected"),
    pytest.param("large_loss_reject", {"share": 0.1}, (3, 5), lambda: total(large(lambda p: 0.0, 4)), id="more are, epoch by epoch"),
    pytest.param("large_loss_reject", {"share": 1.0}, (4, 5), lambda: total(observed), id="at most all unknown cells"),
    pytest.param("large_loss_temporary", {"share": 0.1}, (1, 5), lambda: total(large(lambda p: -math.log(p), 2)), id="two corrected"),
    pytest.param("self_paced_correction", {}, (0, 5), lambda: total(splc), id="the first epoch corrects nothing"),
    pytest.param("self_paced_correction", {}, (1, 5), lambda: total(lambda p, y, z: splc(p, y, z, 0.6)), id="then what scores above tau"),
    pytest.param("generalised_robust", {}, (0, 11), lambda: total(robust(0, -2, 0.5, 2)), id="the schedule's start"),
    pytest.param("generalised_robust", {}, (5, 11), lambda: total(robust(1, -2, 0.65, 1.25)), id="half-way"),
    pytest.param("generalised_robust", {}, (10, 11), lambda: total(robust(2, -2, 0.8, 0.5)), id="its end"),
    pytest.param("generalised_robust", {"slope": 10, "offset": -8}, (10, 11), lambda: total(robust(10, -8, 0.8, 0.5)), id="COCO's end"),
    pytest.param("selective", {"likeliest": 1}, (0, 5), lambda: total(lambda *x: csl(*x, left_out=(6.0, 1.1, 0.7))), id="3 of 3 pictures"),
    pytest.param("boost_logits", {"share": 0.01}, (0, 5), lambda: total(boosted_cost), id="boosted, nothing rejected"),
    pytest.param("entropy_maximisation_apl", {}, (0, 9), lambda: total(entropy), id="warming up"),
]


def training(loss, epoch=0, epochs=5, logits=LOGITS, places=(0, 1, 2), targets=TARGETS):
    return loss.training_loss(logits, targets, Step(torch.tensor(places), epoch, epochs))


@pytest.mark.parametrize(("name", "options", "at", "expected"), TRAINING)
def test_a_step_is_the_formula_s(name, options, at, expected):
    found = training(made_loss(name, TARGETS, **options), *at)
    assert found.total.item() == pytest.approx(expected(), rel=1e-9)
    assert found.known.item() == 12


def test_role_is_both_halves():
    loss = made_loss("role", TARGETS, expected_positives=1.5)
    labels = [[p_of(value) for value in row] for row in loss.estimate.tolist()]
    assert all(0.4 <= labels[i][c] <= 0.6 for i, c in CELLS if TARGETS[i, c] < 0)
    assert all(abs(labels[i][c] - (0.995 if TARGETS[i, c] else 0.005)) < 1e-6 for i, c in CELLS if TARGETS[i, c] >= 0)
    p = table()
    cross = sum(ce(labels[i][c], p[i][c]) + ce(p[i][c], labels[i][c]) for i, c in CELLS)
    seen = sum(observed(of[i][c], int(TARGETS[i, c])) for i, c in CELLS for of in (p, labels))
    expected = (seen + cross + penalty(p, 1.5) + penalty(labels, 1.5)) / 2
    assert training(loss).total.item() == pytest.approx(expected, rel=1e-6)  # G is float32


def test_role_s_halves_do_not_teach_through_each_other():
    """d/dz of the recogniser's half alone, and the labels' own rate."""
    loss, logits = made_loss("role", TARGETS, expected_positives=1.5), LOGITS.clone().requires_grad_()
    training(loss, logits=logits).total.backward()
    p, g = torch.sigmoid(LOGITS), torch.sigmoid(loss.estimate.detach().double())
    slope = 12 * 2 * (p.sum() / 3 - 1.5) / 16 / 3 * p * (1 - p)
    slope += torch.where(TARGETS == 1, p - 1, torch.where(TARGETS == 0, p, 0.0)) + (p - g)
    torch.testing.assert_close(logits.grad, slope / 2, rtol=1e-6, atol=1e-6)
    (group,) = loss.parameter_groups(0.003)
    assert (group["lr"], group["weight_decay"]) == (pytest.approx(0.03), 0.0)


def test_a_permanent_correction_stays_with_its_cell():
    loss = made_loss("large_loss_permanent", TARGETS, share=1 / 12)
    training(loss, 0)
    assert not loss.corrected.any(), "the first epoch corrects nothing"
    first = training(loss, 1)
    assert loss.corrected.nonzero().tolist() == [[1, 2]], "one cell a step: the largest logit of the unknown ones, 6.0"
    assert first.total.item() == pytest.approx(total(large(lambda p: -math.log(p), 1)), rel=1e-9)
    moved = LOGITS.clone()
    moved[1, 2] = -5.0  # it costs little now, and is positive all the same
    second = training(loss, 1, logits=moved, places=(2, 1, 0), targets=TARGETS)
    assert second.total.item() != first.total.item()
    assert loss.corrected[1, 2]
    assert loss.corrected.sum() == 2


def test_pseudo_labels_are_the_lowest_scored_and_stay():
    """2 of 5 epochs warm up; 4 unknown cells of one class, share 0.75: one more after each of epochs 2, 3 and 4."""
    targets = torch.tensor([[1], [-1], [-1], [-1], [-1]], dtype=torch.int8)
    logits = torch.tensor([[3.0], [-1.0], [-3.0], [0.5], [-2.0]], dtype=torch.float64)
    loss = made_loss("entropy_maximisation_apl", targets, warmup=2, share=0.75, beta=0.5)
    found = []
    for epoch in range(5):
        value = training(loss, epoch, 5, logits, range(5), targets).total.item()
        soft = loss.pseudo[:, 0].tolist()
        scored = zip(soft, logits[:, 0].tolist(), targets[:, 0].tolist(), strict=True)
        expected = sum(0.5 * ce(t, p_of(z)) if t >= 0 else entropy(p_of(z), y) for t, z, y in scored)
        assert value == pytest.approx(expected, rel=1e-6)
        loss.end_epoch(Step(torch.zeros(0, dtype=torch.int64), epoch, 5))
        found.append([row for row in range(5) if loss.pseudo[row, 0] >= 0])
    assert found == [[], [2], [2, 4], [1, 2, 4], [1, 2, 4]]
    assert loss.pseudo[2, 0].item() == pytest.approx(p_of(-3.0))


def test_a_picture_that_was_not_seen_gets_no_pseudo_label():
    loss = made_loss("entropy_maximisation_apl", np.full((4, 1), -1), warmup=1, share=1.0)
    training(loss, 0, 2, torch.zeros(2, 1), (1, 3), torch.full((2, 1), -1, dtype=torch.int8))
    loss.end_epoch(Step(torch.zeros(0, dtype=torch.int64), 0, 2))
    assert (loss.pseudo[:, 0] >= 0).tolist() == [False, True, False, True]


def test_selective_leaves_out_classes_with_a_high_prior():
    loss = made_loss("selective", TARGETS, likeliest=0)
    loss.set_prior(torch.tensor([0.01, 0.01, 0.5, 0.051]))
    for found in (loss(LOGITS, TARGETS), training(loss)):
        kept = sum(csl(p_of(LOGITS[i, c].item()), int(TARGETS[i, c]), 0) for i, c in CELLS if TARGETS[i, c] >= 0 or c < 2)
        assert found.total.item() == pytest.approx(kept, rel=1e-9)


def test_selective_without_its_first_pass_is_refused():
    with pytest.raises(TrainingError, match="needs the classes' priors of its first pass"):
        build_loss("selective", PartialLabels(TARGETS.numpy()))(LOGITS, TARGETS)


CHANGED = [name for name in STATEFUL if name not in (*STOPPED, "role")]  # role's slope: above


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("epoch", [0, 2])
def test_steps_pass_gradcheck(name, epoch):
    made = partial(made_loss, name, TARGETS)  # a new one for each call: it remembers
    assert torch.autograd.gradcheck(lambda z: training(made(), epoch, logits=z).total, LOGITS.clone().requires_grad_(), atol=1e-4)


EDGES = {
    "no known cell": torch.full((3, 4), -1, dtype=torch.int8),
    "all known": torch.tensor([[1, 0, 0, 1]] * 3, dtype=torch.int8),
    "positives only": torch.tensor([[1, -1, -1, -1]] * 3, dtype=torch.int8),
}


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("factor", [1.0, 1e4], ids=["usual logits", "logits up to 60,000"])
def test_steps_are_finite_at_the_edges(name, edge, factor):
    targets, loss = EDGES[edge], made_loss(name, EDGES[edge])
    for epoch in range(3):
        logits = (factor * LOGITS).float().requires_grad_()
        found = training(loss, epoch, 3, logits, targets=targets)
        found.total.backward()
        assert torch.isfinite(found.total)
        assert torch.isfinite(logits.grad).all()
        loss.end_epoch(Step(torch.zeros(0, dtype=torch.int64), epoch, 3))


@pytest.mark.parametrize("name", [name for name in STATEFUL if name not in ("role", "boost_logits", "self_paced_correction", "selective")])
def test_with_everything_known_nothing_is_corrected(name):
    targets = EDGES["all known"]
    loss = made_loss(name, targets)
    for epoch in range(3):
        assert training(loss, epoch, targets=targets).total.item() == pytest.approx(total(assumed, targets=targets), rel=1e-9)


REFUSED = [
    pytest.param(
        "expected_positive_regularisation", {}, "say it: --training.loss-options expected_positives", id="only positives are known"
    ),
    pytest.param("role", {}, "say it: --training.loss-options expected_positives", id="for role, too"),
    pytest.param("role", {"expected_positives": 5}, "above 0 and at most 4", id="more positives than classes"),
    pytest.param("an_label_smoothing", {"smoothing": 0.5}, "below 0.5, came 0.5", id="a target of one half says nothing"),
    pytest.param("weak_negatives", {"weight": -1}, "weight in 0..1", id="negative weight"),
    pytest.param("entropy_maximisation", {"alpha": -1}, "alpha of at least 0", id="entropy minimised"),
    pytest.param("entropy_maximisation_apl", {"warmup": 1.5}, "whole epochs", id="half an epoch"),
    pytest.param("large_loss_reject", {"share": 2}, "share of the cells", id="more than all cells"),
    pytest.param("boost_logits", {"factor": 0.5}, "factor of at least 1", id="a boost that shrinks"),
    pytest.param("self_paced_correction", {"threshold": 1}, "threshold above 0 and below 1", id="a threshold nothing reaches"),
    pytest.param("generalised_robust", {"q2": 0}, "q2 and q3 above 0", id="division by zero"),
    pytest.param("selective", {"prior_limit": 2}, "prior_limit in 0..1", id="no probability"),
    pytest.param("hill", {"margin": -1}, "margin of at least 0", id="negative margin"),
]


@pytest.mark.parametrize(("name", "options", "said"), REFUSED)
def test_options_that_cannot_be_are_refused(name, options, said):
    with pytest.raises(TagLensError, match=said):
        build_loss(name, PartialLabels(EDGES["positives only"].numpy()), **options)


def test_expected_positives_are_read_off_known_cells():
    labels = PartialLabels(np.array([[1, 0, 0, -1], [0, 1, 0, -1]], np.int8))
    assert build_loss("role", labels).expected_positives == pytest.approx(4 * 2 / 6)

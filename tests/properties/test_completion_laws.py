"""Laws of filling: what is known stays, what is asked more strictly fills less."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from taglens.completion.assumption import Assumption
from taglens.completion.calibration import cross_calibrate
from taglens.completion.config import Targets
from taglens.completion.filling import fill
from taglens.completion.guarantees.exact import p_value
from taglens.labels.states import NEGATIVE, POSITIVE, PartialLabels

A_SAMPLE = Assumption(1.0, 1.0, "a sample")
kinds = st.sampled_from(["table", "class", "average", "audit"])


@st.composite
def tables(draw):
    """Draw (probabilities, labels, reviewed): scores from useless to sharp, few to nearly all labels known."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images, classes = draw(st.integers(2, 400)), draw(st.integers(1, 4))
    truth = random.random((images, classes)) < draw(st.floats(0.02, 0.98))
    scores = random.normal(size=truth.shape) + draw(st.floats(0, 5)) * truth
    known = random.random(truth.shape) < draw(st.floats(0.05, 0.95))
    known[0, 0], known[1, 0] = True, False
    reviewed = known & (random.random(truth.shape) < draw(st.sampled_from([0.0, 0.3])))
    coarse = draw(st.sampled_from([0.5, 0.05, 1e-6]))  # many ties or none
    return expit(np.round(scores / coarse) * coarse - 1), PartialLabels(np.where(known, truth, -1).astype(np.int8)), reviewed


asked_shares = st.floats(0.3, 0.99)


@settings(deadline=None, max_examples=60)
@given(tables(), kinds, asked_shares, asked_shares, st.floats(0.5, 0.99), st.floats(1, 5))
def test_known_labels_are_never_changed_and_only_unknown_cells_are_filled(drawn, kind, precision, npv, confidence, odds):
    probabilities, labels, reviewed = drawn
    targets = Targets(precision=precision, npv=npv, confidence=confidence, guarantee=kind)
    found = fill(probabilities, labels, targets, Assumption(odds, odds, ""), reviewed=reviewed)
    assert (found.labels.values[labels.known] == labels.values[labels.known]).all()
    for value, outcome in found.outcomes():
        filled = found.filled(value)
        assert not (filled & labels.known).any()
        assert (found.labels.values[filled] == value).all()
        assert outcome.rows.filled.tolist() == filled.sum(0).tolist()
        assert (filled.sum() == 0) == bool(outcome.reason)
    assert not (found.filled(POSITIVE) & found.filled(NEGATIVE)).any()


@settings(deadline=None, max_examples=60)
@given(tables(), kinds, asked_shares, asked_shares)
def test_a_filled_cell_is_never_less_probable_than_one_left_blank(drawn, kind, precision, npv):
    """Of each class; one that is left out altogether has no filled cell."""
    probabilities, labels, reviewed = drawn
    found = fill(probabilities, labels, Targets(precision=precision, npv=npv, guarantee=kind), A_SAMPLE, reviewed=reviewed)
    for place in range(labels.shape[1]):
        unknown = labels.unknown[:, place]
        values = found.labels.values[:, place]
        levels = [probabilities[unknown & (values == value), place] for value in (NEGATIVE, -1, POSITIVE)]
        tops = [level.max() for level in levels if len(level)]
        bottoms = [level.min() for level in levels if len(level)]
        assert all(top < bottom for top, bottom in zip(tops[:-1], bottoms[1:], strict=True))


@given(st.integers(1, 300), st.integers(0, 300), st.integers(1, 1000), asked_shares, asked_shares)
def test_a_stricter_share_or_a_worse_sample_is_never_easier_to_guarantee(sampled, wrong, unknown, one, other):
    right = np.array([max(0, sampled - wrong)])
    mild, strict = (p_value(right, np.array([sampled]), np.array([unknown]), asked)[0] for asked in sorted((one, other)))
    assert mild <= strict + 1e-12
    worse = p_value(np.maximum(right - 1, 0), np.array([sampled]), np.array([unknown]), one)[0]
    assert p_value(right, np.array([sampled]), np.array([unknown]), one)[0] <= worse + 1e-12


def test_higher_precision_fills_fewer_cells_on_average():
    """On average only: where a sequence of tests begins depends on what is asked, so that a single table may differ."""
    random = np.random.default_rng(2)
    filled = np.zeros(4)
    for _ in range(60):
        truth = random.random((800, 2)) < 0.3
        scores = expit(3 * random.normal(size=truth.shape) + 9 * truth - 5.3)
        labels = PartialLabels(np.where(random.random(truth.shape) < 0.3, truth, -1).astype(np.int8))
        filled += [fill(scores, labels, Targets(precision=asked), A_SAMPLE).labels.known.sum() for asked in (0.7, 0.8, 0.9, 0.97)]
    assert (np.diff(filled) < 0).all()


@settings(deadline=None, max_examples=40)
@given(tables(), st.integers(2, 4))
def test_calibration_keeps_the_order_within_a_fold(drawn, count):
    probabilities, labels, _ = drawn
    folds = np.arange(len(labels)) % min(count, len(labels))
    stated = probabilities.astype(np.float32)
    found = cross_calibrate(stated, labels, folds)
    assert ((found > 0) & (found < 1)).all()
    for fold in np.unique(folds):
        for place in range(labels.shape[1]):
            order = np.argsort(stated[folds == fold, place], kind="stable")
            assert (np.diff(found[folds == fold, place][order]) >= 0).all()

"""Thresholds for new pictures: broken at most as often as said, whatever ratio present cells were checked at."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from taglens.completion.guarantees.new_pictures import guarantee_new


def cells(random, count, ratio=1.0):
    """Return probabilities for all cells and which are present, for known ones and, many, for new pictures."""
    logits = random.normal(-2, 2.5, 20_000)
    present = random.random(len(logits)) < expit(0.8 * logits)  # overconfident: the guarantee rests on no calibration
    weight = np.where(present, ratio, 1.0)
    known = random.choice(len(logits), count, replace=False, p=weight / weight.sum())
    new = random.normal(-2, 2.5, 200_000)
    return expit(logits[known]), present[known], expit(new), expit(0.8 * new)


@pytest.mark.parametrize("ratio", [1.0, 3.0])
@pytest.mark.parametrize("precision", [0.8, 0.9])
def test_broken_no_more_often_than_said(precision, ratio):
    broken, made = 0, 0
    for seed in range(200):
        scores, right, new, truth = cells(np.random.default_rng(seed), 2500, ratio)
        found = guarantee_new(scores, right, precision=precision, confidence=0.9, ratio=ratio)
        if found.threshold is not None:
            made += 1
            broken += truth[new >= found.threshold].mean() < precision
    assert made > 50, "something is guaranteed"
    assert binomtest(broken, made, 0.1, alternative="greater").pvalue > 0.001


def test_a_ratio_that_is_ignored_breaks_it():
    """The same tables without counting with the ratio: so the test above can fail."""
    broken = 0
    for seed in range(100):
        scores, right, new, truth = cells(np.random.default_rng(seed), 2500, 3.0)
        found = guarantee_new(scores, right, precision=0.8, confidence=0.9)
        broken += found.threshold is not None and truth[new >= found.threshold].mean() < 0.8
    assert broken > 30


@pytest.mark.parametrize(
    ("count", "right", "precision", "said"),
    [
        (0, 0, 0.9, "22 known cells would be needed even if all of them were right"),
        (21, 21, 0.9, "22 known cells would be needed"),
        (50, 30, 0.9, "are right"),
    ],
)
def test_why_not(count, right, precision, said):
    found = guarantee_new(np.linspace(0.99, 0.9, count), np.arange(count) >= count - right, precision=precision, confidence=0.9)
    assert found.threshold is None
    assert said in found.reason


def test_more_right_cells_never_raise_the_threshold():
    random = np.random.default_rng(0)
    scores, right, _, _ = cells(random, 800)
    before = guarantee_new(scores, right, precision=0.8, confidence=0.9)
    wrong = np.flatnonzero(~right)
    mended = right.copy()
    mended[random.choice(wrong, len(wrong) // 2, replace=False)] = True
    assert guarantee_new(scores, mended, precision=0.8, confidence=0.9).threshold <= before.threshold

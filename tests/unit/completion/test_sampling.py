"""How the known cells came about: the ratio is found again from scores, and what follows for a guarantee."""

import numpy as np
import pytest
from scipy.special import expit, logit

from taglens.completion.sampling import MOST_RATIO, find_ratio, for_all, logits_of, odds_ratio


def drawn(seed, ratio, *, pictures=2000, classes=12, absent=0.1, spread=2.5):
    """Return log-odds among known cells, calibrated, and states: present cells are known ``ratio`` times as often as absent ones."""
    random = np.random.default_rng(seed)
    logits = random.normal(-2.0, spread, (pictures, classes))
    present = random.random(logits.shape) < expit(logits)
    known = random.random(logits.shape) < np.where(present, min(1.0, ratio * absent), absent)
    return logits + np.log(ratio), np.where(known, present, -1).astype(np.int8)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 1.5, 3.0, 8.0])
def test_the_interval_covers_the_truth_as_often_as_it_says(ratio):
    found = [find_ratio(*drawn(seed, ratio)) for seed in range(40)]
    covered = sum(one.low <= ratio <= one.high for one in found)
    assert covered >= 33, "95 % of 40 are 38; fewer than 33 by chance once in 1,000"
    assert all(one.low <= one.best <= one.high and one.told for one in found)
    assert np.median([one.high / one.low for one in found]) < 1.5, "an interval that says something"


def test_few_labels_say_little():
    wide, narrow = (find_ratio(*drawn(0, 2.0, pictures=pictures)) for pictures in (150, 5000))
    assert np.log(wide.high / wide.low) > 3 * np.log(narrow.high / narrow.low)


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ([[1], [1], [1], [-1]], "no absent cell is known: there is nothing to compare with"),
        ([[1], [1], [0], [-1]], "two known present cells are too few"),
        ([[1], [1], [1], [0]], "no cell is unknown"),
    ],
)
def test_what_says_nothing_has_no_ratio(states, why):
    values = np.array(states, dtype=np.int8)
    assert find_ratio(np.zeros(values.shape), values) is None, why


def test_scores_that_fit_no_ratio_are_not_told():
    """Known exactly where the scores are high, whatever the truth: the limit is reached, and said."""
    random = np.random.default_rng(0)
    logits = random.normal(-2, 2, (2000, 8))
    present = random.random(logits.shape) < expit(logits)
    states = np.where(logits > np.quantile(logits, 0.9, axis=0), present, -1).astype(np.int8)
    found = find_ratio(logits + np.log(MOST_RATIO), states)
    assert not found.told


@pytest.mark.parametrize("value", [1, 0])
def test_the_odds_ratio_is_that_of_wrong_against_right_cells(value):
    """Counted in a large drawn table: odds of being unknown, of wrong cells over right ones."""
    random, c1, c0 = np.random.default_rng(0), 0.3, 0.1
    present = random.random((400_000, 1)) < 0.3
    known = random.random(present.shape) < np.where(present, c1, c0)
    states = np.where(known, present, -1).astype(np.int8)
    right = present if value else ~present

    def odds_of_unknown(cells):
        return (cells & ~known).sum() / (cells & known).sum()

    counted = odds_of_unknown(~right) / odds_of_unknown(right)
    assert odds_ratio(states, c1 / c0, value) == pytest.approx(max(1.0, counted), rel=0.05)


def test_ratio_one_is_odds_ratio_one():
    assert odds_ratio(drawn(0, 1.0)[1], 1.0, 1) == pytest.approx(1.0)


def test_probabilities_for_all_cells_undo_the_ratio():
    probabilities = np.array([[0.2, 0.5, 0.9]])
    assert for_all(logits_of(probabilities) + np.log(3), 3.0) == pytest.approx(probabilities, abs=1e-5)
    assert logit(for_all(logits_of(probabilities), 2.0)) == pytest.approx(logit(probabilities) - np.log(2), abs=1e-4)

"""The threshold chosen on held-out labels, against trying every one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.metrics import precision_recall_f1
from taglens.metrics.threshold import best_threshold


@given(st.integers(0, 10_000))
def test_no_other_threshold_has_a_higher_f1(seed):
    random = np.random.default_rng(seed)
    probabilities = np.round(random.random((30, 4)), 2)  # rounded: with ties
    labels = random.choice([1, 0, -1], size=(30, 4), p=[0.3, 0.4, 0.3]).astype(np.int8)
    chosen = precision_recall_f1(probabilities, labels, best_threshold(probabilities, labels)).OF1
    assert chosen == pytest.approx(max(precision_recall_f1(probabilities, labels, each).OF1 for each in np.unique(probabilities)))


@pytest.mark.parametrize(
    ("positives", "expected", "reason"),
    [(9, 0.5, "under ten known positives the best is luck"), (10, 0.45, "halfway between the positives at 0.8 and the negatives at 0.1")],
)
def test_few_known_positives_keep_one_half(positives, expected, reason):
    labels = np.array([1] * positives + [0] * 20 + [-1] * 5, np.int8)[:, None]
    probabilities = np.where(labels == 1, 0.8, 0.1)
    assert best_threshold(probabilities, labels) == pytest.approx(expected), reason

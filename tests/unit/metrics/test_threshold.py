"""The threshold chosen on held-out labels, against trying every one; and which classes reach theirs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.metrics import precision_recall_f1
from taglens.metrics.threshold import best_threshold, reached, shown_columns, tag_columns


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


def test_a_float32_number_reaches_the_threshold_of_the_same_name():
    assert reached(np.float32([[0.7, 0.69999]]), np.array([0.7, 0.7])).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("probabilities", "tags", "shown", "reason"),
    [
        ([0.5, 0.9, 0.6], [1, 2, 0], [1, 2, 0], "the most probable first"),
        ([0.6, 0.5, 0.6], [0, 2, 1], [0, 2, 1], "equal ones in the order of the classes"),
        ([0.1, 0.3, 0.2], [], [1], "without a tag the most probable class"),
    ],
)
def test_what_is_worth_showing(probabilities, tags, shown, reason):
    values = np.float32(probabilities)
    assert (tag_columns(values, 0.5), shown_columns(values, np.full(3, 0.5))) == (tags, shown), reason

"""Entropy and pointing against scipy, loops and cases that can be seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from taglens.metrics.attention import attention_entropy, pointing_hit


def test_entropy_is_scipys_over_its_largest():
    weights = np.random.default_rng(0).dirichlet(np.full(49, 0.2), (3, 5))
    weights[0, 0] = np.eye(49)[7]  # zeros take no logarithm
    np.testing.assert_allclose(attention_entropy(weights), entropy(weights, axis=-1) / np.log(49), atol=1e-14)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1, 0, 0, 0], 0),
        ([0.25] * 4, 1),
        # two of four positions: log 2 / log 4
        ([0.5, 0.5, 0, 0], 0.5),
        # no choice
        ([1], 1),
    ],
)
def test_entropy_of_plain_cases(weights, expected):
    assert attention_entropy(np.array(weights)) == pytest.approx(expected)


ATTENTION = np.array([[0.1, 0.2, 0.1], [0.0, 0.0, 0.6]])  # its peak's middle: 5/6 across, 3/4 down


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(0.7, 0.5, 1, 1)], 1),
        # the same row, another column
        ([(0.0, 0.5, 0.7, 1)], 0),
        # rows and columns are not mixed up
        ([(0.7, 0.8, 0.8, 0.9)], 0),
        # one of several objects is enough
        ([(0, 0, 0.1, 0.1), (0.8, 0.7, 0.9, 0.8)], 1),
        # on the edge
        ([(5 / 6, 0.75, 1, 1)], 1),
        ([], 0),
    ],
)
def test_pointing(boxes, expected):
    assert pointing_hit(ATTENTION, boxes) == expected


def test_even_attention_points_everywhere():
    assert pointing_hit(np.full((4, 4), 1 / 16), [(0, 0, 0.5, 0.5)]) == 4 / 16
    assert pointing_hit(np.ones((1, 1)), [(0.4, 0.4, 0.6, 0.6)]) == 1


edge = st.floats(0, 1)


@given(st.integers(0, 10**6), st.lists(st.tuples(edge, edge, edge, edge), max_size=3))
def test_pointing_is_the_share_of_peaks_inside(seed, boxes):
    attention = np.random.default_rng(seed).integers(0, 3, (3, 5)).astype(float)
    peaks = [(i, j) for i in range(3) for j in range(5) if attention[i, j] == attention.max()]
    inside = [
        any(left <= (j + 0.5) / 5 <= right and top <= (i + 0.5) / 3 <= bottom for left, top, right, bottom in boxes) for i, j in peaks
    ]
    assert pointing_hit(attention, boxes) == pytest.approx(sum(inside) / len(peaks))

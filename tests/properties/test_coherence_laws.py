"""Laws of coherent probabilities, against all states that a picture could have."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from test_relation_laws import SIZE, STATES, legal, relations

from taglens.labels.states import UNKNOWN
from taglens.methods.coherence import Coherence
from taglens.relations import Group, Implication, Relations

probabilities = arrays(np.float64, (3, SIZE), elements=st.floats(0, 1))


def made(found: Relations, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return Coherence(found)(torch.from_numpy(values)).numpy()


@given(relations(), arrays(np.float64, (3, len(STATES)), elements=st.floats(1e-3, 1)))
def test_what_a_distribution_over_legal_states_says_stays(found: Relations, weights: NDArray[np.float64]) -> None:
    states = legal(found, np.full((1, SIZE), UNKNOWN, np.int8))
    assume(len(states) > 0)
    own = weights[:, : len(states)]
    marginals = own / own.sum(1, keepdims=True) @ states
    np.testing.assert_allclose(made(found, marginals), marginals, atol=1e-9)


@given(relations(), probabilities)
def test_implications_and_sums_of_at_most_one_hold_always(found: Relations, values: NDArray[np.float64]) -> None:
    coherent = made(found, values)
    assert ((coherent >= 0) & (coherent <= 1)).all()
    for one in found.implications:
        assert (coherent[:, one.lower] <= coherent[:, one.upper] + 1e-12).all()
    for group in found.groups:
        if group.bound != ">=":
            assert (coherent[:, list(group.members)].sum(1) <= 1 + 1e-9).all()


@given(st.permutations(range(SIZE)), st.sampled_from(("=", ">=")), arrays(np.float64, (3, SIZE), elements=st.floats(1e-6, 1)))
def test_sums_of_at_least_one_hold_where_groups_touch_no_other(order: list[int], bound: str, values: NDArray[np.float64]) -> None:
    a, b, c, parent, d, e = order
    found = Relations(tuple("abcdef"), (Implication(a, parent),), (Group((a, b, c), bound), Group((d, e), "=")))
    coherent = made(found, values)
    assert (coherent[:, [a, b, c]].sum(1) >= 1 - 1e-9).all()
    assert (coherent[:, a] <= coherent[:, parent]).all()
    np.testing.assert_allclose(made(found, coherent), coherent, atol=1e-9)


@given(relations(), probabilities)
def test_implications_alone_are_the_maximum_over_what_implies_a_class(found: Relations, values: NDArray[np.float64]) -> None:
    alone = Relations(found.classes, found.implications)
    reach = np.eye(SIZE, dtype=bool)
    for _ in range(SIZE):
        for one in found.implications:
            reach[one.upper] |= reach[one.lower]
    expected = np.where(reach, values[:, None, :], 0).max(2)
    np.testing.assert_array_equal(made(alone, values), expected)


def test_no_relation_changes_nothing() -> None:
    values = np.random.default_rng(0).random((4, SIZE))
    np.testing.assert_array_equal(made(Relations(tuple("abcdef")), values), values)


@pytest.mark.parametrize(
    ("values", "expected", "reason"),
    [
        ([0.5, 0.2, 0.1], [0.5, 0.5, 0.1], "a class is at least as probable as what implies it"),
        ([0.5, 0.7, 0.6], [0.5 / 1.1, 0.7, 0.6 / 1.1], "two that exclude each other share one"),
        ([0.9, 0.2, 0.9], [0.5, 0.9, 0.5], "raised before it is shared: what is implied keeps what was seen"),
    ],
)
def test_the_least_change(values: list[float], expected: list[float], reason: str) -> None:
    found = Relations(("dog", "animal", "cat"), (Implication(0, 1),), (Group((0, 2), "<="),))
    np.testing.assert_allclose(made(found, np.array([values])), [expected], err_msg=reason)

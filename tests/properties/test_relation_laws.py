"""Laws of closure, against all states that a picture could have."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.relations import Group, Implication, Relations, close

SIZE = 6
STATES = np.array(list(product((0, 1), repeat=SIZE)), np.int8)


@st.composite
def relations(draw: st.DrawFn) -> Relations:
    # upwards only, so that no implications go round
    pairs = draw(st.sets(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).filter(lambda pair: pair[0] < pair[1]), max_size=5))
    members = st.lists(st.integers(0, SIZE - 1), min_size=2, max_size=4, unique=True)
    groups = draw(st.lists(st.tuples(members, st.sampled_from(("<=", "=", ">="))), max_size=2))
    classes = tuple("abcdef")
    return Relations(classes, tuple(Implication(*pair) for pair in sorted(pairs)), tuple(Group(tuple(one), bound) for one, bound in groups))


labels = st.lists(st.sampled_from((POSITIVE, NEGATIVE, UNKNOWN, UNKNOWN)), min_size=SIZE, max_size=SIZE).map(
    lambda row: np.array([row], np.int8)
)


def legal(found: Relations, values: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the full states (state, label) that agree with the known cells and break no relation."""
    agree = ((values == UNKNOWN) | (values == STATES)).all(axis=1)
    for one in found.implications:
        agree &= STATES[:, one.lower] <= STATES[:, one.upper]
    for group in found.groups:
        count = STATES[:, list(group.members)].sum(axis=1)
        agree &= {"<=": count <= 1, "=": count == 1, ">=": count >= 1}[group.bound]
    return STATES[agree]


@given(relations(), labels)
def test_what_is_settled_holds_in_every_legal_state(found: Relations, values: NDArray[np.int8]) -> None:
    closure, states = close(PartialLabels(values), found), legal(found, values)
    settled = closure.implied[0]
    if len(states):
        assert len(closure.contradictory) == 0
        assert (states[:, settled] == closure.labels.values[0, settled]).all()


@given(relations(), labels)
def test_implications_alone_settle_everything_that_can_be(found: Relations, values: NDArray[np.int8]) -> None:
    found = Relations(found.classes, found.implications)
    closure, states = close(PartialLabels(values), found), legal(found, values)
    assert (len(closure.contradictory) == 0) == (len(states) > 0)
    if len(states):
        same = (states == states[0]).all(axis=0)
        np.testing.assert_array_equal(closure.labels.values[0], np.where(same, states[0], UNKNOWN))


@given(relations(), labels)
def test_a_given_label_is_never_changed_and_closing_again_changes_nothing(found: Relations, values: NDArray[np.int8]) -> None:
    closed = close(PartialLabels(values), found).labels
    known = values != UNKNOWN
    np.testing.assert_array_equal(closed.values[known], values[known])
    np.testing.assert_array_equal(close(closed, found).labels.values, closed.values)


@given(relations(), labels, st.integers(0, SIZE - 1))
def test_more_known_labels_settle_no_less(found: Relations, values: NDArray[np.int8], forgotten: int) -> None:
    fewer = values.copy()
    fewer[0, forgotten] = UNKNOWN
    less, more = close(PartialLabels(fewer), found), close(PartialLabels(values), found)
    if len(more.contradictory) == 0:
        settled = less.labels.known
        np.testing.assert_array_equal(more.labels.values[settled], less.labels.values[settled])


@given(relations(), labels, st.permutations(range(SIZE)))
def test_the_order_of_the_classes_does_not_matter(found: Relations, values: NDArray[np.int8], order: list[int]) -> None:
    place = {old: new for new, old in enumerate(order)}
    moved = Relations(
        tuple(found.classes[old] for old in order),
        tuple(Implication(place[one.lower], place[one.upper]) for one in found.implications),
        tuple(Group(tuple(place[member] for member in group.members), group.bound) for group in found.groups),
    )
    expected = close(PartialLabels(values), found).labels.values[:, order]
    np.testing.assert_array_equal(close(PartialLabels(values[:, order]), moved).labels.values, expected)

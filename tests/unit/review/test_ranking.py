"""The order of the review's queue: the formula by hand, and what must hold for every table."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.labels.states import PartialLabels
from taglens.review.ranking import disagreement, order, uncertainty


def labels(values):
    return PartialLabels(np.array(values, np.int8))


def cells(queue):
    return list(zip(queue.image.tolist(), queue.label.tolist(), strict=True))


@pytest.mark.parametrize(
    ("probability", "threshold", "expected"),
    [
        (0.5, 0.5, 1),
        (0, 0.5, 0),
        (1, 0.5, 0),
        (0.25, 0.5, 0.5),
        (0.2, 0.2, 1),
        (0.1, 0.2, 0.5),
        (0.6, 0.2, 0.5),
        (np.nan, 0.5, 0),
        (0.7, 0, 0.3),
    ],
)
def test_uncertainty_is_greatest_at_the_threshold(probability, threshold, expected):
    assert uncertainty(np.array([[probability]]), np.array([threshold])) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("probability", "label", "expected"),
    [(1, 0, 1), (0, 1, 1), (0.75, 0, 0.5), (0.25, 1, 0.5), (0.25, 0, 0), (0.75, 1, 0), (0.9, -1, 0), (np.nan, 1, 0)],
)
def test_disagreement_is_how_far_the_probability_is_on_the_other_side(probability, label, expected):
    assert disagreement(np.array([[probability]]), labels([[label]])) == pytest.approx(expected)


def test_value_by_hand():
    # Class 0 has one known positive, class 1 none. Its second cell counts as asked after 0.5 expected positives.
    probabilities = np.array([[0.5, 0.5], [0.4, 0.9], [0.2, 0.45]])
    queue = order(probabilities, labels([[-1, -1], [-1, 0], [1, -1]]))
    expected = {
        (0, 1): 1.0,
        (2, 1): 0.9 / np.sqrt(1.5),
        (1, 1): 0.8 / np.sqrt(1.95),
        (0, 0): 1 / np.sqrt(2),
        (1, 0): 0.8 / np.sqrt(2.5),
        (2, 0): 0.6 / np.sqrt(2.9),
    }
    assert cells(queue) == sorted(expected, key=expected.get, reverse=True)
    assert queue.value == pytest.approx(sorted(expected.values(), reverse=True))


def test_rare_classes_come_first():
    known = np.full((50, 2), -1)
    known[:20, 0] = 1
    queue = order(np.full((50, 2), 0.5), labels(known), limit=10)
    assert set(queue.label.tolist()) == {1}


def test_no_class_takes_the_whole_queue():
    queue = order(np.tile([0.5, 0.4, 0.3], (1000, 1)), labels(np.full((1000, 3), -1)), limit=90)
    assert all(count >= 10 for count in np.bincount(queue.label, minlength=3))


def test_closed_settled_and_unknowable_cells_are_not_asked():
    probabilities = np.array([[0.5, 0.5, np.nan, 0.99]])
    queue = order(probabilities, labels([[-1, -1, -1, 1]]), closed=np.array([[False, True, False, False]]))
    assert cells(queue) == [(0, 0)]


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (4, 2)])
@pytest.mark.parametrize("limit", [0, 1, 100])
def test_small_tables(shape, limit):
    assert len(order(np.full(shape, 0.4), labels(np.full(shape, -1)), limit=limit).image) == min(limit, shape[0] * shape[1])


TABLES = st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))


def drawn(table):
    images, classes, seed = table
    random = np.random.default_rng(seed)
    return random.random((images, classes)), random.integers(-1, 2, (images, classes)).astype(np.int8), random


@given(TABLES, st.integers(1, 50))
def test_a_shorter_queue_is_the_beginning_of_a_longer_one(table, limit):
    probabilities, values, _ = drawn(table)
    longest = order(probabilities, PartialLabels(values), limit=1000)
    shorter = order(probabilities, PartialLabels(values), limit=limit)
    assert cells(shorter) == cells(longest)[:limit]
    assert (np.diff(longest.value) <= 0).all()
    assert len(set(cells(longest))) == len(longest.image)


@given(TABLES)
def test_the_order_of_the_pictures_does_not_matter(table):
    probabilities, values, random = drawn(table)
    places = random.permutation(len(values))
    straight = order(probabilities, PartialLabels(values))
    mixed = order(probabilities[places], PartialLabels(values[places]))
    assert [(int(places[image]), label) for image, label in cells(mixed)] == cells(straight)


def test_ten_thousand_pictures_by_two_hundred_classes_are_ordered_within_the_page_s_two_seconds():
    random = np.random.default_rng(0)
    probabilities = random.random((10_000, 200), dtype=np.float32) ** 3
    values = PartialLabels(random.choice(np.array([-1, -1, -1, -1, -1, -1, -1, 0, 0, 1], np.int8), (10_000, 200)))
    started = time.process_time()
    assert len(order(probabilities, values, limit=2000).image) == 2000
    assert time.process_time() - started < 2

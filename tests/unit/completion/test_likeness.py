"""Whether known cells are like the unknown ones: chance and a ratio are let pass, selection by scores or by pictures is not."""

import numpy as np
import pytest
from scipy.special import expit

from taglens.completion.likeness import compare

PICTURES, CLASSES = 1500, 8


def table(seed):
    random = np.random.default_rng(seed)
    probabilities = expit(random.normal(-2, 2, (PICTURES, CLASSES)))
    return random, probabilities, random.random(probabilities.shape) < probabilities


def states_of(present, known):
    return np.where(known, present, -1).astype(np.int8)


def alike(random, probabilities, present):
    return random.random(present.shape) < 0.1, 1.0


def by_value(random, probabilities, present):
    return random.random(present.shape) < np.where(present, 0.3, 0.1), 3.0


def unequal_shares(random, probabilities, present):
    return random.random(present.shape) < np.linspace(0.02, 0.6, CLASSES), 1.0


def whole_pictures(random, probabilities, present):
    return np.repeat(random.random((PICTURES, 1)) < 0.2, CLASSES, axis=1), 1.0


def suggested(random, probabilities, present):
    return probabilities > np.quantile(probabilities, 0.9, axis=0), 1.0


def suggested_now_and_then(random, probabilities, present):
    return random.random(present.shape) < 0.4 * probabilities**0.5, 1.0


def only_doubtful(random, probabilities, present):
    return (abs(probabilities - 0.5) < 0.3) & (random.random(present.shape) < 0.5), 1.0


@pytest.mark.parametrize("way", [alike, by_value, unequal_shares, whole_pictures])
def test_samples_pass(way):
    """The level is 1 in 1,000 for a table, so that one of 40 fails by chance once in 25 times such a test is written."""
    found = []
    for seed in range(40):
        random, probabilities, present = table(seed)
        known, ratio = way(random, probabilities, present)
        found.append(compare(probabilities, states_of(present, known), ratio).doubted)
    assert sum(found) <= 1


@pytest.mark.parametrize("way", [suggested, suggested_now_and_then, only_doubtful])
def test_selection_by_scores_is_seen(way):
    for seed in range(5):
        random, probabilities, present = table(seed)
        known, ratio = way(random, probabilities, present)
        assert compare(probabilities, states_of(present, known), ratio).classes


@pytest.mark.parametrize("apart", [True, False])
def test_pictures_that_can_be_told_apart(apart):
    """Known cells only of pictures of one kind; scores do not show it."""
    random, probabilities, present = table(0)
    kind = random.random(PICTURES) < 0.5
    pooled = random.normal(size=(PICTURES, 32)).astype(np.float32)
    pooled[:, 0] += 3 * kind
    known = (random.random(present.shape) < 0.2) & (kind[:, None] if apart else True)
    found = compare(probabilities, states_of(present, known), 1.0, pooled)
    assert found.pictures == apart
    assert not found.classes

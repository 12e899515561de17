"""The paired bootstrap resamples the very number that a table shows."""

import numpy as np
import pytest

from taglens.errors import TagLensError
from taglens.metrics import evaluate, paired_differences
from taglens.metrics.bootstrap import RESAMPLED, Scored


def drawn(seed, images=60, labels=7):
    draw = np.random.default_rng(seed)
    probabilities = draw.choice(np.linspace(0, 1, 23), (images, labels)).astype(np.float32)  # with ties
    states = draw.choice(np.array([-1, 0, 0, 1], np.int8), (images, labels))
    states[:, 0], states[:5, 1] = 0, 1  # a class without positives
    return Scored(probabilities, states, draw.random(labels))


def shown(scored, metric):
    """The number of a table, percent."""
    return evaluate(scored.probabilities, scored.labels, list("abcdefg"), scored.thresholds).to_json()[metric]


@pytest.mark.parametrize("metric", RESAMPLED)
def test_weights_are_pictures_repeated(metric):
    """Each metric of a sample equals ``evaluate`` on the sample's pictures, repeated as often as they were drawn."""
    scored = drawn(0)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=20).T.astype(np.float32)
    found = RESAMPLED[metric](scored, weights)
    for sample, counts in zip(found, weights.T.astype(int), strict=True):
        rows = np.repeat(np.arange(60), counts)
        assert 100 * sample == pytest.approx(shown(Scored(scored.probabilities[rows], scored.labels[rows], scored.thresholds), metric))


@pytest.mark.parametrize("metric", RESAMPLED)
def test_the_difference_is_that_of_the_metric(metric):
    first = drawn(2)
    second = Scored(np.random.default_rng(3).permutation(first.probabilities), first.labels, first.thresholds)
    _, overall = paired_differences([[(first, second)]], metric=metric, samples=100)
    assert overall.difference == pytest.approx(shown(first, metric) - shown(second, metric))
    assert overall.low <= overall.high


def test_another_metric_is_refused():
    without = Scored(*drawn(0)[:2])
    with pytest.raises(TagLensError, match="did not keep them"):
        paired_differences([[(without, without)]], metric="CF1_thresholds")
    with pytest.raises(TagLensError, match="metric of the bootstrap"):
        paired_differences([[(drawn(0), drawn(0))]], metric="AUC")

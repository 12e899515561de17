"""The band over all thresholds: its local level, how often a whole curve is broken, and what it offers."""

import numpy as np
import pytest
from scipy.stats import nbinom

from taglens.completion.guarantees.band import guarantee_curve, most_unknown_wrong
from taglens.completion.guarantees.odds import shifted
from taglens.completion.guarantees.shares import pool_classes
from tests.unit.completion.guarantees.drawn import cells_of, draw_table, most_broken

TABLES = 200


def broken_somewhere(cells, band):
    """Whether more cells are wrong above any threshold than its bound says."""
    wrong = np.sort(cells.scores[cells.unknown & ~cells.right])
    above = len(wrong) - np.searchsorted(wrong, band.thresholds)
    return bool((above > (1 - band.precision) * band.filled + 1e-6).any())


@pytest.mark.slow
@pytest.mark.parametrize(("drawn", "odds"), [({}, 1.0), ({"known": 0.5}, 1.0), ({"known": [0.1, 0.4] * 4}, 1.0), ({"odds": 2.0}, 2.0)])
def test_whole_curves_are_broken_no_more_often_than_they_say(drawn, odds):
    broken = 0
    for seed in range(TABLES):
        cells, classes = draw_table(np.random.default_rng([1, seed]), **drawn)
        joined = pool_classes(cells, classes, precision=shifted(0.9, odds)).joined | cells.sampled
        band = guarantee_curve(cells, classes, precision=0.9, confidence=0.8, odds=odds)
        broken += broken_somewhere(cells.where(joined), band)
        assert 0 < band.filled[-1] == (joined & cells.unknown).sum()
    assert broken <= most_broken(0.2, TABLES)


@pytest.mark.parametrize("chance", [0.05, 0.3])
@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
def test_fresh_walks_stay_below_the_bound_as_often_as_asked(chance, confidence):
    """Independent of how the level was found: walks of 300 known wrong cells, every one of them looked at."""
    random, walks = np.random.default_rng(2), 2000
    unknown = np.cumsum(random.geometric(chance, (walks, 300)) - 1, axis=1)
    exceeds = (unknown > most_unknown_wrong(np.arange(300), chance, confidence)).any(1).mean()
    noise = 3 * np.sqrt(confidence * (1 - confidence) * (1 / walks + 1 / 4000))
    assert (1 - confidence) / 3 - noise <= exceeds <= 1 - confidence + noise


def test_the_bound_is_the_negative_binomial_one_at_a_stricter_level():
    bound = most_unknown_wrong(np.arange(50), 0.1, 0.9)
    assert (np.diff(bound) >= 0).all()
    levels = nbinom.sf(bound[:20], np.arange(1, 21), 0.1)  # P(more than the bound)
    assert (levels < 0.02).all()
    assert (bound[:20] > nbinom.isf(0.1, np.arange(1, 21), 0.1)).all()


def test_a_higher_precision_never_offers_more_cells():
    cells, classes = draw_table(np.random.default_rng(3), pictures=2000)
    band = guarantee_curve(cells, classes, precision=0.9, confidence=0.9)
    points = [band.most_cells(precision) for precision in (0.5, 0.7, 0.8, 0.9, 0.95)]
    filled = [0 if point is None else band.filled[point] for point in points]
    assert (np.diff(filled) <= 0).all()
    assert filled[0] > filled[3] > 0


@pytest.mark.parametrize(
    ("right", "asked", "lowest", "highest"),
    [
        (0.99, 0.9, 0.9, 1.0),  # what was asked can be had
        (0.8, 0.95, 0.6, 0.8),  # it cannot: a lower precision is offered
    ],
)
def test_the_nearest_that_can_be_guaranteed(right, asked, lowest, highest):
    random = np.random.default_rng(4)
    truth = random.random((2000, 3)) < right
    cells, classes = cells_of(random.uniform(0.9, 1, truth.shape), random.random(truth.shape) < 0.2, truth)
    band = guarantee_curve(cells, classes, precision=asked, confidence=0.9)
    point = band.nearest(asked)
    assert lowest <= band.precision[point] <= highest
    assert band.filled[point] > 1000


@pytest.mark.parametrize("known", [0.0, 1.0])
def test_a_table_of_which_nothing_or_everything_is_known_has_no_curve(known):
    random = np.random.default_rng(5)
    truth = random.random((50, 2)) < 0.9
    cells, classes = cells_of(random.random(truth.shape), random.random(truth.shape) < known, truth)
    band = guarantee_curve(cells, classes, precision=0.9, confidence=0.9)
    assert len(band.filled) == 0
    assert band.nearest(0.9) is None

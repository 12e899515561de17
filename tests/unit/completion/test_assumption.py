"""What a guarantee may assume, in words: the odds ratio that the table lets fear, or why nothing is filled."""

import numpy as np
import pytest
from scipy.special import expit

from taglens.completion.assumption import find_assumption
from taglens.completion.sampling import for_all
from taglens.completion.scores import CellScores

PICTURES, CLASSES = 2000, ("a", "b", "c", "d")


def assumed(known, *, ratio=1.0, robust=None, reviewed=None, pooled=None, seed=0):
    """``known`` draws which cells are known from (random, logits, present)."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 2, (PICTURES, len(CLASSES)))
    present = random.random(logits.shape) < expit(logits)
    states = np.where(known(random, logits, present), present, -1).astype(np.int8)
    scores = CellScores(logits + np.log(ratio), for_all(logits, 1.0), "by hand", ())
    reviewed = np.zeros(states.shape, bool) if reviewed is None else reviewed(logits)
    return find_assumption(scores, states, reviewed, CLASSES, robust, pooled)


def at_random(random, logits, present):
    return random.random(logits.shape) < 0.2


def by_value(random, logits, present):
    return random.random(logits.shape) < np.where(present, 0.3, 0.1)


def only_present(random, logits, present):
    return present & (random.random(logits.shape) < 0.3)


def suggested(random, logits, present):
    return logits > 1


def hardly_any(random, logits, present):
    known = np.zeros(logits.shape, bool)
    known[:2] = True
    return known


def test_a_sample_is_counted_with_the_worse_end_of_its_interval():
    found = assumed(at_random)
    assert not found.refused
    assert 1 <= found.present < 1.5
    assert 1 <= found.absent < 1.5
    assert "alike, or nearly" in found.words


def test_present_cells_checked_more_often_make_filling_present_cells_harder_only():
    found = assumed(by_value, ratio=3.0)
    assert not found.refused
    assert found.present > (0.3 / 0.7) / (0.1 / 0.9), "the odds ratio, with room"
    assert found.absent == 1.0


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (only_present, "no absent cell is known, so nothing says how often a guess would be wrong"),
        (suggested, "known cells of 'a', 'b', 'c', 'd' have other scores than a sample would"),
        (hardly_any, "too few known labels to tell how the known cells came about"),
    ],
)
def test_nothing_is_filled_and_the_way_out_is_named(known, said):
    found = assumed(known)
    assert said in found.refused
    assert "taglens audit" in found.refused
    assert "--robust" in found.refused


def test_an_odds_ratio_that_a_person_names_counts():
    found = assumed(suggested, robust=3.0)
    assert not found.refused
    assert found.present == found.absent == 3.0
    assert "As asked" in found.words


def test_tags_alone_stay_refused_whatever_odds_are_named():
    assert assumed(only_present, robust=3.0).refused


def test_reviewed_cells_are_no_part_of_the_sample():
    """Somebody reviewed what the model suggested, after a sample: the sample alone speaks."""

    sampled = np.random.default_rng(7).random((PICTURES, len(CLASSES))) < 0.2

    def sample_and_reviewed(random, logits, present):
        return sampled | (logits > 2)

    assert assumed(sample_and_reviewed).refused
    assert not assumed(sample_and_reviewed, reviewed=lambda logits: (logits > 2) & ~sampled).refused


def test_a_table_that_is_known_throughout_is_its_own_sample():
    found = assumed(lambda random, logits, present: np.ones(present.shape, bool))
    assert (found.present, found.ratio, found.refused) == (1.0, 1.0, "")

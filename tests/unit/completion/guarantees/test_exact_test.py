"""The exact test against brute force, the binomial test, Clopper and Pearson, and its own laws."""

import numpy as np
import pytest
from scipy import stats

from taglens.completion.guarantees.exact import Cells, Counts, p_value
from taglens.completion.guarantees.sequence import fewest_cells, find_guarantee


def array(*values):
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("right", "sampled", "unknown", "asked"),
    [
        (20, 20, 50, 0.9),  # all right
        (45, 50, 10, 0.9),  # exactly the asked share
        (0, 5, 5, 0.5),  # none right
        (30, 31, 1, 0.95),  # one cell to fill
        (7, 7, 10, 0.9),  # 0.9 * 10 is a little more than 9 in floats
    ],
)
def test_p_value_is_the_largest_probability_over_all_tables_that_break_the_guarantee(right, sampled, unknown, asked):
    """Brute force over the number of right cells in the whole table: of those that fail after this sample, the most right ones."""
    wanted = np.ceil(round(asked * unknown, 9))
    failing = [right + rest for rest in range(unknown + 1) if rest < wanted]
    expected = max(
        sum(stats.hypergeom.pmf(hits, sampled + unknown, total, sampled) for hits in range(right, sampled + 1)) for total in failing
    )
    assert p_value(array(right), array(sampled), array(unknown), asked)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("right", "sampled", "asked"), [(58, 60, 0.9), (300, 310, 0.95), (29, 29, 0.9)])
def test_p_value_becomes_the_exact_binomial_for_many_unknown_cells(right, sampled, asked):
    expected = stats.binomtest(right, sampled, asked, alternative="greater").pvalue
    found = p_value(array(right), array(sampled), array(10_000_000), asked)[0]
    assert found == pytest.approx(expected, rel=1e-3)
    assert p_value(array(right), array(sampled), array(100), asked)[0] > expected  # few cells to fill: the guarantee is harder


def test_the_binomial_test_is_clopper_and_pearsons_bound():
    """The same statement in two forms: p <= 0.1 exactly when the lower Clopper-Pearson bound reaches what was asked."""
    for right in range(40, 61):
        bound = stats.binomtest(right, 60, alternative="greater").proportion_ci(0.9, method="exact").low
        assert (p_value(array(right), array(60), array(10**9), 0.85)[0] <= 0.1) == (bound >= 0.85)


def test_p_value_counts_reviewed_cells_as_settled():
    plain = p_value(array(30), array(30), array(20), 0.9)
    wrong = p_value(array(30), array(30), array(20), 0.9, reviewed_right=array(0), reviewed=array(6))
    right = p_value(array(30), array(30), array(20), 0.9, reviewed_right=array(6), reviewed=array(6))
    assert wrong < plain < right  # six wrong ones found: fewer are left among the unknown cells, and the other way round


def test_nothing_unknown_is_nothing_to_guarantee():
    assert p_value(array(0), array(3), array(0), 0.9)[0] == 0.0


def test_fewest_cells_is_where_a_sample_that_is_all_right_passes():
    first = fewest_cells(0.3, 1000, 0.9, 0.9)
    passes = [p_value(array(n), array(n), array(size - n), 0.9)[0] <= 0.1 for size in range(1, first + 1) if (n := int(0.3 * size)) >= 0]
    assert passes[-1]
    assert not any(passes[3:-1])  # below 4 cells nothing is known or nothing unknown
    assert fewest_cells(0.3, 20, 0.9, 0.9) is None


def test_cells_of_equal_score_are_filled_together():
    scores = np.full(200, 0.97)
    sampled = np.arange(200) < 100
    cells = Cells(scores=scores, sampled=sampled, reviewed=np.zeros(200, bool), right=np.ones(200, bool))
    assert find_guarantee(cells, 0.9, 0.9).sampled == 100


def counts(right, sampled, unknown):
    return Counts(sampled=array(sampled), right=array(right), reviewed=array(0), reviewed_right=array(0), unknown=array(unknown))


@pytest.mark.parametrize(("right", "sampled", "unknown"), [(9, 10, 30), (0, 4, 5), (7, 7, 3), (0, 0, 6), (40, 60, 25)])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_the_lower_bound_is_the_fewest_right_cells_that_are_not_rejected(right, sampled, unknown, confidence):
    """Brute force over the number of right unknown cells: the first with P(so many right known cells or more) above 1 - confidence."""
    kept = [j for j in range(unknown + 1) if stats.hypergeom.sf(right - 1, sampled + unknown, right + j, sampled) > 1 - confidence]
    assert counts(right, sampled, unknown).lower_bound(confidence)[0] == pytest.approx(min(kept) / unknown)


@pytest.mark.parametrize(("right", "sampled", "unknown", "least"), [(2, 6, 20, 0.8), (5, 10, 40, 0.8), (0, 3, 1, 0.5), (10, 10, 9, 0.8)])
def test_so_few_is_the_largest_probability_over_all_tables_that_are_good_enough(right, sampled, unknown, least):
    enough = [right + j for j in range(unknown + 1) if j >= round(least * unknown, 9)]
    expected = max(stats.hypergeom.cdf(right, sampled + unknown, total, sampled) for total in enough)
    assert counts(right, sampled, unknown).so_few(least)[0] == pytest.approx(expected)


def test_a_class_without_known_cells_speaks_neither_for_nor_against_itself():
    assert counts(0, 0, 20).so_few(0.8)[0] == 1.0
    assert counts(0, 0, 20).lower_bound(0.9)[0] == 0.0

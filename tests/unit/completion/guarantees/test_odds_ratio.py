"""The odds ratio of being unknown: Fisher's noncentral hypergeometric distribution, and the point at which a statement tips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import comb
from scipy.stats import nchypergeom_fisher

from taglens.completion.guarantees.exact import p_value
from taglens.completion.guarantees.odds import HIGHEST, at_most, shifted, tipping_point


def one(*values):
    return tuple(np.array([value], dtype=np.int64) for value in values)


@given(st.integers(0, 12), st.integers(0, 12), st.data(), st.sampled_from([0.3, 1.0, 2.0, 7.0]))
def test_the_tail_is_the_sum_over_all_ways_to_know_so_many_cells(wrong, right, data, odds):
    known = data.draw(st.integers(0, wrong + right))
    found = data.draw(st.integers(0, wrong + 1))
    weights = {x: comb(wrong, x) * comb(right, known - x) * odds**-x for x in range(max(0, known - right), min(known, wrong) + 1)}
    expected = sum(weight for x, weight in weights.items() if x <= found) / sum(weights.values())
    assert at_most(*one(found, wrong, right, known), odds)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("found", "wrong", "right", "known"),
    [
        (9, 260, 2740, 300),  # a class
        (1650, 18_000, 182_000, 20_000),  # a table
        (0, 40, 4_000, 400),
        (90, 100, 10, 99),  # nearly all wrong
    ],
)
@pytest.mark.parametrize("odds", [0.5, 1.1, 2.0, 10.0])
def test_the_tail_agrees_with_scipy(found, wrong, right, known, odds):
    expected = nchypergeom_fisher.cdf(found, wrong + right, wrong, known, 1 / odds)
    assert at_most(*one(found, wrong, right, known), odds)[0] == pytest.approx(expected, abs=1e-8)


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 300), st.floats(0.5, 0.99))
def test_an_odds_ratio_of_1_is_the_plain_test_and_a_larger_one_is_stricter(wrong, right, unknown, asked):
    values = [p_value(*one(right, right + wrong, unknown), asked, odds=odds)[0] for odds in (1.0, 1.0 + 1e-9, 1.5, 4.0)]
    assert values[1] == pytest.approx(values[0], abs=1e-6)
    assert (np.diff(values[1:]) >= -1e-9).all()


@pytest.mark.parametrize(
    ("share", "odds", "expected"),
    [(0.9, 1.0, 0.9), (0.9, 1.5, 0.931), (0.9, 2.0, 0.947), (0.9, 3.0, 0.964), (0.95, 2.0, 0.974)],
)
def test_the_shifted_share_has_odds_that_are_so_much_higher(share, odds, expected):
    assert shifted(share, odds) == pytest.approx(expected, abs=5e-4)
    assert shifted(share, odds) / (1 - shifted(share, odds)) == pytest.approx(odds * share / (1 - share))


def test_with_many_unknown_cells_the_test_is_the_binomial_one_at_the_shifted_share():
    right, sampled = 290, 300
    plain = p_value(*one(right, sampled, 10**7), shifted(0.9, 2.0))[0]
    assert p_value(*one(right, sampled, 10**7), 0.9, odds=2.0)[0] == pytest.approx(plain, rel=1e-2)


@given(st.floats(1.0, 900.0))
def test_the_tipping_point_is_found_from_below(tip):
    found = tipping_point(lambda odds: odds <= tip, 1.0)
    assert tip / 1.006 <= found <= tip


def test_a_statement_that_always_holds_tips_nowhere():
    assert tipping_point(lambda odds: True, 1.0) == HIGHEST

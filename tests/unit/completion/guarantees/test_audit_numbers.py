"""The audit: how many answers, which cells, and the bound of their precision."""

import numpy as np
import pytest
from scipy import stats

from taglens.completion.guarantees.audit import answers_needed, audit_bound, draw_audit
from taglens.errors import TagLensError


@pytest.mark.parametrize(
    ("precision", "confidence", "answers"),
    [
        (0.9, 0.9, {0: 22, 1: 38, 2: 52, 3: 65, 5: 91, 10: 152}),
        (0.95, 0.9, {0: 45, 1: 77, 2: 105, 3: 132, 5: 184, 10: 306}),
        (0.98, 0.9, {0: 114, 1: 194, 2: 265}),
        (0.95, 0.95, {0: 59, 1: 93, 2: 124, 3: 153, 5: 208}),
    ],
)
def test_the_answers_needed_are_those_of_the_exact_binomial_test(precision, confidence, answers):
    assert {wrong: answers_needed(precision, confidence, wrong=wrong) for wrong in answers} == answers
    for wrong, number in answers.items():
        passes = [stats.binomtest(n - wrong, n, precision, alternative="greater").pvalue <= 1 - confidence for n in (number - 1, number)]
        assert passes == [False, True]


@pytest.mark.parametrize(("filled", "wrong"), [(60, 0), (60, 2), (500, 3)])
def test_of_few_filled_cells_fewer_answers_are_needed_and_their_bound_just_reaches_what_is_asked(filled, wrong):
    number = answers_needed(0.9, 0.9, wrong=wrong, filled=filled)
    assert number <= answers_needed(0.9, 0.9, wrong=wrong)
    bounds = [audit_bound(filled=filled, right=n - wrong, wrong=wrong, confidence=0.9).precision for n in (number - 1, number)]
    assert bounds[0] < 0.9 <= bounds[1]


def test_more_wrong_answers_than_a_precision_allows_are_never_enough():
    assert answers_needed(0.9, 0.9, wrong=10, filled=50) is None


@pytest.mark.parametrize(("filled", "right", "answered"), [(12, 5, 6), (30, 10, 10), (40, 12, 20), (9, 0, 3)])
def test_the_bound_is_the_fewest_right_cells_that_could_have_given_these_answers(filled, right, answered):
    """Brute force over every number of right cells among those that are filled."""
    possible = [
        total for total in range(right, filled - (answered - right) + 1) if stats.hypergeom.sf(right - 1, filled, total, answered) > 0.1
    ]
    found = audit_bound(filled=filled, right=right, wrong=answered - right, confidence=0.9)
    assert found.precision == pytest.approx(min(possible) / filled)


def test_cannot_tell_counts_as_wrong_and_an_unanswered_cell_only_in_the_strict_bound():
    plain = audit_bound(filled=1000, right=95, wrong=5, confidence=0.9)
    assert audit_bound(filled=1000, right=95, wrong=0, unsure=5, confidence=0.9).precision == plain.precision
    left = audit_bound(filled=1000, right=95, wrong=0, unanswered=5, confidence=0.9)
    assert left.strict == plain.precision < left.precision
    assert plain.strict == plain.precision
    assert "without regard to what they show" in left.assumption


def test_all_cells_answered_leave_nothing_open():
    assert audit_bound(filled=50, right=47, wrong=3, confidence=0.99).precision == pytest.approx(47 / 50)


@pytest.mark.parametrize("share", [0.8, 0.9, 0.97])
def test_the_bound_holds_as_often_as_it_says_whatever_is_filled(share):
    random, audits = np.random.default_rng(6), 400
    right = np.arange(2000) < share * 2000
    found = np.zeros(61, dtype=np.int64)
    for seed in range(audits):
        found[right[draw_audit(np.ones(2000, bool), 60, seed=seed)].sum()] += 1
        random.shuffle(right)
    too_high = [audit_bound(filled=2000, right=hits, wrong=60 - hits, confidence=0.9).precision > share + 1e-9 for hits in range(61)]
    assert found[too_high].sum() <= 0.1 * audits + 3 * np.sqrt(0.09 * audits)


def test_the_sample_is_drawn_from_the_filled_cells_each_with_the_same_chance_at_every_place():
    filled = np.zeros((40, 5), dtype=bool)
    filled[::4, 1] = True
    drawn = np.array([draw_audit(filled, 4, seed=seed) for seed in range(2000)])
    assert filled.ravel()[drawn].all()
    for place in range(4):
        assert stats.chisquare(np.unique(drawn[:, place], return_counts=True)[1]).pvalue > 1e-3
    assert (draw_audit(filled, 4, seed=7) == drawn[7]).all()
    assert len(draw_audit(filled, 100)) == 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_audit(np.zeros(5, bool), 3), "needs filled cells and at least 1 answer"),
        (lambda: draw_audit(np.ones(5, bool), 0), "needs filled cells and at least 1 answer"),
        (lambda: audit_bound(filled=5, right=4, wrong=2, confidence=0.9), "5 are filled, 6 were asked for"),
    ],
)
def test_audits_that_make_no_sense(call, message):
    with pytest.raises(TagLensError, match=message):
        call()

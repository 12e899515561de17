"""The three kinds of statement: how often they are broken over whole tables, how much they fill, and the laws they keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from taglens.completion.guarantees.average import fill_on_average, wrong_share
from taglens.completion.guarantees.exact import Cells
from taglens.completion.guarantees.per_class import guarantee_classes
from taglens.completion.guarantees.sequence import find_guarantee
from taglens.completion.guarantees.table import guarantee_table
from tests.unit.completion.guarantees.drawn import cells_of, draw_table, found_share, is_broken, most_broken

TABLES = 200
METHODS = {"table": guarantee_table, "class": guarantee_classes, "average": fill_on_average}
asked = {"precision": 0.9, "confidence": 0.9}


def class_broken(cells, classes, filled, precision):
    """Share of broken guarantees among those that were made, 0 where none was."""
    made = np.bincount(classes[filled], minlength=classes.max() + 1)
    wrong = np.bincount(classes[filled & ~cells.right], minlength=classes.max() + 1)
    return float((wrong > (1 - precision) * made + 1e-9).sum() / max(1, (made > 0).sum()))


WAYS = {
    "at random": ({}, 1.0),
    "at random, more known": ({"known": 0.4}, 1.0),
    "two people, one checked four times as much": ({"known": [0.1, 0.4] * 4}, 1.0),
    "every class another share": ({"known": np.geomspace(0.08, 0.5, 8), "pictures": 1000}, 1.0),
    "wrong cells twice as often unknown, and said so": ({"odds": 2.0}, 2.0),
    "the same with many known": ({"odds": 2.0, "known": 0.5}, 2.0),
}


@pytest.mark.slow
@pytest.mark.parametrize(("drawn", "odds"), WAYS.values(), ids=WAYS)
def test_statements_are_broken_no_more_often_than_they_say(drawn, odds):
    broken, wrong, seen = {"table": 0, "class": 0.0}, [], {name: 0 for name in METHODS}
    for seed in range(TABLES):
        cells, classes = draw_table(np.random.default_rng([1, seed]), **drawn)
        found = {name: method(cells, classes, odds=odds, **asked).filled for name, method in METHODS.items()}
        broken["table"] += is_broken(cells, found["table"], 0.9)
        broken["class"] += class_broken(cells, classes, found["class"], 0.9)
        wrong.append((found["average"] & ~cells.right).sum() / max(1, found["average"].sum()))
        seen = {name: seen[name] + filled.any() for name, filled in found.items()}
    assert broken["table"] <= most_broken(0.1, TABLES)
    assert broken["class"] <= most_broken(0.1, TABLES)
    assert np.mean(wrong) <= 0.1 + 3 * np.std(wrong) / np.sqrt(TABLES)
    assert min(seen["table"], seen["average"]) > TABLES / 2  # what is never said is never broken


@pytest.mark.parametrize(
    ("drawn", "pooled"),
    [({"odds": 3.0, "known": 0.3}, False), ({}, True)],
    ids=["wrong cells three times as often unknown", "the more wrong classes less known"],
)
def test_what_the_corrections_are_for(drawn, pooled):
    """Without them the statement breaks in most tables: the tables above would otherwise show nothing."""
    broken = 0
    for seed in range(30):
        random = np.random.default_rng([2, seed])
        if pooled:
            right = random.random((1000, 10)) < np.repeat([0.99, 0.8], 5)
            known = random.random(right.shape) < np.repeat([0.3, 0.1], 5)
            cells, classes = cells_of(random.uniform(0.9, 0.95, right.shape), known, right)
            found = find_guarantee(cells, 0.9, 0.9)
            filled = cells.unknown & (cells.scores >= (np.inf if found.threshold is None else found.threshold))
            assert not is_broken(cells, guarantee_table(cells, classes, **asked).filled, 0.9)
        else:
            cells, classes = draw_table(random, **drawn)
            filled = guarantee_table(cells, classes, **asked).filled
        broken += is_broken(cells, filled, 0.9)
    assert broken > 15


DISTORTIONS = {
    "overconfident": lambda logit: 4 * logit + 3,
    "timid": lambda logit: 0.2 * logit - 2,
    "noise": lambda logit: np.random.default_rng(5).normal(size=logit.shape),
}


@pytest.mark.parametrize("distort", DISTORTIONS.values(), ids=DISTORTIONS)
def test_guarantees_hold_whatever_the_probabilities_are_worth(distort):
    broken = np.zeros(2)
    for seed in range(TABLES):
        cells, classes = draw_table(np.random.default_rng([3, seed]), pictures=200, classes=4, known=0.4)
        logit = np.log(cells.scores) - np.log1p(-cells.scores)
        worse = Cells(scores=expit(distort(logit)), sampled=cells.sampled, reviewed=cells.reviewed, right=cells.right)
        broken[0] += is_broken(cells, guarantee_table(worse, classes, **asked).filled, 0.9)
        broken[1] += class_broken(cells, classes, guarantee_classes(worse, classes, **asked).filled, 0.9)
    assert (broken <= most_broken(0.1, TABLES)).all()


@pytest.mark.parametrize(("classes", "pictures", "known"), [(20, 300, 0.1), (200, 60, 0.1), (50, 30, 0.5)])
def test_leaving_out_unlucky_classes_keeps_the_tables_guarantee(classes, pictures, known):
    """The worst case for the floor: every class is right just too rarely, so that leaving any out for its bad luck gains nothing."""
    broken = 0
    for seed in range(TABLES):
        random = np.random.default_rng([4, seed])
        right = random.random((pictures, classes)) < 0.899
        cells, index = cells_of(random.uniform(0.9, 0.95, right.shape), random.random(right.shape) < known, right)
        broken += is_broken(cells, guarantee_table(cells, index, **asked).filled, 0.9)
    assert broken <= most_broken(0.1, TABLES)


def test_a_class_whose_own_known_cells_speak_against_it_is_left_out_and_the_others_are_filled():
    random = np.random.default_rng(5)
    right = random.random((1000, 12)) < np.array([0.3, *[0.99] * 11])
    cells, classes = cells_of(random.uniform(0.95, 1, right.shape), random.random(right.shape) < 0.3, right)
    found = guarantee_table(cells, classes, **asked)
    assert "speaks against even 80%" in found.rows.reasons[0]
    assert found.rows.reasons[1:] == ("",) * 11
    assert found.rows.filled[0] == 0 < found.rows.filled[1:].min()
    assert (found.rows.bounds[1:] > 0.9).all()


def test_what_fills_most_for_how_much_is_said():
    """On average > table > class: the weaker the statement, the more cells."""
    shares = {name: [] for name in METHODS}
    for seed in range(20):
        cells, classes = draw_table(np.random.default_rng([6, seed]), pictures=1000)
        for name, method in METHODS.items():
            shares[name].append(found_share(cells, method(cells, classes, **asked).filled))
    mean = {name: np.mean(found) for name, found in shares.items()}
    assert mean["average"] > mean["table"] > mean["class"] + 0.1 > 0.15


@st.composite
def tables(draw):
    """Draw (cells, classes): few or many cells, ties or none, with reviewed ones."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    right = random.random((draw(st.integers(20, 300)), draw(st.integers(1, 4)))) < draw(st.floats(0.05, 0.95))
    scores = expit(np.round(3 * random.normal(size=right.shape) + 6 * right - 3, draw(st.sampled_from([0, 2, 12]))))
    state = random.random(right.shape)
    known = draw(st.floats(0.1, 0.8))
    cells, classes = cells_of(scores, state < known, right)
    reviewed = (state > 1 - draw(st.sampled_from([0.0, 0.1]))).ravel() & ~cells.sampled
    return Cells(scores=cells.scores, sampled=cells.sampled, reviewed=reviewed, right=cells.right), classes


@settings(deadline=None, max_examples=40)
@given(tables(), st.sampled_from(list(METHODS)), st.floats(0.5, 0.98), st.sampled_from([1.0, 2.0]))
def test_counts_agree_with_the_cells_and_only_unknown_ones_are_filled(drawn, name, precision, odds):
    cells, classes = drawn
    found = METHODS[name](cells, classes, precision=precision, confidence=0.8, odds=odds)
    assert not (found.filled & ~cells.unknown).any()
    assert found.rows.filled.tolist() == np.bincount(classes[found.filled], minlength=classes.max() + 1).tolist()
    reached = cells.sampled & (cells.scores >= found.rows.thresholds[classes])
    assert (found.right, found.wrong) == ((reached & cells.right).sum(), (reached & ~cells.right).sum())
    assert bool(found.reason) != found.filled.any()
    assert (found.tipping is None) == (not found.filled.any())
    assert found.tipping is None or found.tipping >= odds * (1 - 1e-9)


@settings(deadline=None, max_examples=40)
@given(tables(), st.sampled_from(["class", "average", "table"]), st.integers(0, 2**32 - 1))
def test_the_order_of_the_cells_is_of_no_matter(drawn, name, seed):
    cells, classes = drawn
    if name != "class":
        classes = np.zeros_like(classes)  # of several classes, known cells are set aside by the order in which they are drawn
    order = np.random.default_rng(seed).permutation(len(classes))
    found = METHODS[name](cells, classes, precision=0.8, confidence=0.8)
    assert (METHODS[name](cells.where(order), classes[order], precision=0.8, confidence=0.8).filled == found.filled[order]).all()


@settings(deadline=None, max_examples=60)
@given(tables(), st.floats(0.01, 1.0), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 2.0]))
def test_known_cells_that_turn_out_right_never_lower_what_is_filled(drawn, share, seed, odds):
    cells, _ = drawn
    better = cells.right | (cells.sampled & (np.random.default_rng(seed).random(len(cells.right)) < share))
    improved = Cells(scores=cells.scores, sampled=cells.sampled, reviewed=cells.reviewed, right=better)
    before, after = (find_guarantee(one, 0.8, 0.8, odds=odds).threshold for one in (cells, improved))
    assert before is None or (after is not None and after <= before)
    thresholds = np.unique(cells.scores)
    assert (wrong_share(improved, thresholds) <= wrong_share(cells, thresholds)).all()


@settings(deadline=None, max_examples=40)
@given(tables(), st.sampled_from(list(METHODS)))
def test_an_odds_ratio_of_1_is_the_plain_statement(drawn, name):
    cells, classes = drawn
    plain = METHODS[name](cells, classes, precision=0.8, confidence=0.8)
    assert (METHODS[name](cells, classes, precision=0.8, confidence=0.8, odds=1.0).filled == plain.filled).all()


@pytest.mark.parametrize("odds", [1.0, 1.5])
def test_the_tipping_point_is_where_one_class_is_no_longer_guaranteed(odds):
    random = np.random.default_rng(7)
    right = random.random((500, 1)) < 0.99
    cells, classes = cells_of(np.full(right.shape, 0.99), random.random(right.shape) < 0.4, right)
    tipping = guarantee_classes(cells, classes, odds=odds, **asked).tipping
    assert tipping > 2
    assert guarantee_classes(cells, classes, odds=tipping, **asked).filled.any()
    assert not guarantee_classes(cells, classes, odds=tipping * 1.02, **asked).filled.any()


@pytest.mark.parametrize("name", ["table", "average"])
def test_nothing_at_or_below_the_other_value_is_filled(name):
    cells, classes = draw_table(np.random.default_rng(8), pictures=1000)
    free = METHODS[name](cells, classes, **asked)
    limit = float(np.median(cells.scores[free.filled]))
    found = METHODS[name](cells, classes, above=limit, **asked)
    assert found.filled.any()
    assert cells.scores[found.filled].min() > limit


@pytest.mark.parametrize(
    ("name", "sampled", "right", "reason"),
    [
        ("table", 0.0, 0.9, "too few known labels"),
        ("average", 0.0, 0.9, "no known cell"),
        ("class", 0.0, 0.9, "none of 2 classes can be guaranteed by itself, 0 were tried"),
        ("table", 0.5, 0.3, "would be needed to"),
        ("average", 0.5, 0.3, "more would be wrong on average than asked"),
        ("class", 0.5, 0.3, "2 were tried"),
        ("table", 1.0, 0.9, "too few known labels"),
        ("average", 1.0, 0.9, "no "),
    ],
)
def test_nothing_filled_comes_with_its_reason(name, sampled, right, reason):
    random = np.random.default_rng(9)
    truth = random.random((300, 2)) < right
    cells, classes = cells_of(random.uniform(0.95, 1, truth.shape), random.random(truth.shape) < sampled, truth)
    found = METHODS[name](cells, classes, **asked)
    assert not found.filled.any()
    assert reason in found.reason

"""The exact test, and whether promises are kept on simulated tables."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from taglens.completion.filling import Targets, fill
from taglens.completion.guarantee import Cells, fewest_cells, find_guarantee, p_value
from taglens.errors import TableError, TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels


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
def test_p_value_is_the_largest_probability_over_all_tables_that_break_the_promise(right, sampled, unknown, asked):
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
    assert p_value(array(right), array(sampled), array(100), asked)[0] > expected  # few cells to fill: the promise is harder


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


def test_nothing_unknown_is_nothing_to_promise():
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


def simulate(random, shape, distortion, known=0.3):
    """Return (truth, probabilities, labels): two overlapping normals for each class, probabilities right or distorted."""
    prevalence = random.uniform(0.05, 0.5, shape[1])
    distance = random.uniform(1.5, 4.0, shape[1])
    truth = random.random(shape) < prevalence
    score = random.normal(size=shape) + distance * truth
    logit = distance * score - distance**2 / 2 + np.log(prevalence / (1 - prevalence))
    values = np.where(random.random(shape) < known, truth, UNKNOWN).astype(np.int8)
    return truth, np.clip(expit(distortion(logit)), 1e-6, 1 - 1e-6), PartialLabels(values)


DISTORTIONS = [
    ("calibrated", lambda logit: logit),
    ("overconfident", lambda logit: 4 * logit + 3),
    ("timid", lambda logit: 0.2 * logit - 2),
    ("noise", lambda logit: np.random.default_rng(5).normal(size=logit.shape)),
]


@pytest.mark.parametrize(("name", "distortion"), DISTORTIONS, ids=[name for name, _ in DISTORTIONS])
def test_promises_are_kept_as_often_as_promised(name, distortion):
    """250 tables of 3 classes: a class's promise is broken in at most 10 % of the tables, whatever the probabilities are worth."""
    random = np.random.default_rng(11)
    broken, made = np.zeros(2), np.zeros(2)
    pooled_broken = 0
    repetitions, classes = 250, 3
    for _ in range(repetitions):
        truth, probabilities, labels = simulate(random, (random.integers(100, 600), classes), distortion)
        found = fill(probabilities, labels, Targets(precision=0.9, npv=0.9, confidence=0.9))
        for side, (statements, value) in enumerate(((found.present, POSITIVE), (found.absent, NEGATIVE))):
            filled = labels.unknown & (found.labels.values == value)
            wrong = filled & (truth != value)
            alone = np.array([statement.basis == "class" for statement in statements])
            too_many = wrong.sum(0) > 0.1 * filled.sum(0) + 1e-9
            made[side] += (alone & filled.any(0)).sum()
            broken[side] += (alone & too_many).sum()
            pool = np.array([statement.basis == "pooled" for statement in statements])
            pooled_broken += side == 0 and wrong[:, pool].sum() > 0.1 * filled[:, pool].sum() + 1e-9
    noise = 3 * np.sqrt(0.1 * 0.9 / (repetitions * classes))
    assert (broken / (repetitions * classes) <= 0.1 + noise).all()
    assert pooled_broken / repetitions <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / repetitions)
    if name == "calibrated":
        assert made[0] > 0.05 * repetitions * classes  # a promise that is never made is always kept
        assert (broken / made <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / made)).all()


def test_classes_that_only_look_good_by_luck_are_not_promised():
    """20 classes that are all right in 86 % of the cells, whatever the score: hardly a table may promise 90 % of any of them."""
    random = np.random.default_rng(3)
    tables = 60
    broken = []
    for _ in range(tables):
        truth = (random.random((300, 20)) < 0.86).astype(np.int8)
        labels = PartialLabels(np.where(random.random(truth.shape) < 0.4, truth, np.int8(UNKNOWN)))
        found = fill(random.uniform(0.8, 0.95, truth.shape), labels, Targets(precision=0.9, confidence=0.9))
        filled = labels.unknown & found.labels.known
        alone = np.array([statement.basis == "class" for statement in found.present]) & filled.any(0)
        wrong = (filled & (truth == 0)).sum(0) > 0.1 * filled.sum(0) + 1e-9
        broken.append((alone & wrong).sum() / max(1, alone.sum()))
    assert np.mean(broken) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / tables)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([UNKNOWN] * 300, "never known"),
        ([NEGATIVE] * 100 + [UNKNOWN] * 200, "no known positive label"),
        ([POSITIVE] * 100 + [NEGATIVE] * 200, "no unknown cell"),
        ([POSITIVE] * 3 + [NEGATIVE] * 3 + [UNKNOWN] * 294, "too few known labels (6)"),
        (([POSITIVE] + [NEGATIVE] * 2) * 50 + [UNKNOWN] * 150, "would be needed to promise 95%"),
    ],
)
def test_what_cannot_be_promised_is_said_with_its_reason(column, reason):
    values = np.stack([np.array(column, np.int8), np.array([1, 0] * 50 + [-1] * 200, np.int8)], 1)
    flat = np.full(values.shape, 0.5) + np.linspace(0, 1e-3, 300)[:, None]
    found = fill(flat, PartialLabels(values), Targets(precision=0.95))
    assert reason in found.present[0].guarantee.reason
    assert found.present[0].basis == "none"
    assert found.present[0].filled == 0
    assert (found.labels.values[:, 0] == values[:, 0]).all()


@pytest.mark.parametrize(
    ("value", "message"), [(1, "no cell is unknown, so there is nothing to fill"), (-1, "no cell is known, so nothing can be promised")]
)
def test_tables_that_cannot_be_completed(value, message):
    with pytest.raises(TableError, match=message):
        fill(np.full((4, 2), 0.5), PartialLabels(np.full((4, 2), value, np.int8)), Targets())


@pytest.mark.parametrize(("name", "value"), [("precision", 1.0), ("npv", 95), ("confidence", 0.0)])
def test_asked_values_out_of_range(name, value):
    with pytest.raises(TagLensError, match=f"{name} must lie between 0 and 1"):
        Targets(**{name: value})

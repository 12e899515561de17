"""Filling a table: what is refused, what fills nothing and says why, and how the kinds of statement compare."""

import numpy as np
import pytest
from scipy.special import expit

from taglens.completion.assumption import Assumption
from taglens.completion.config import Targets
from taglens.completion.filling import fill
from taglens.errors import TableError, TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE, PartialLabels

A_SAMPLE = Assumption(1.0, 1.0, "a sample")


def table(seed=0, known=0.3, pictures=2000, classes=6):
    random = np.random.default_rng(seed)
    logits = random.normal(-2, 3, (pictures, classes))
    truth = random.random(logits.shape) < expit(logits)
    labels = np.where(random.random(logits.shape) < known, truth, -1).astype(np.int8)
    return expit(logits), PartialLabels(labels), truth


@pytest.mark.parametrize(("value", "said"), [(1, "no cell is unknown, so there is nothing to fill"), (-1, "no cell is known")])
def test_tables_with_nothing_to_do(value, said):
    with pytest.raises(TableError, match=said):
        fill(np.full((3, 2), 0.5), PartialLabels(np.full((3, 2), value, np.int8)), Targets(), A_SAMPLE)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"precision": 95}, "precision must lie between 0 and 1 .* came 95; write 0.95 for 95 %"),
        ({"npv": 0.0}, "npv must lie between 0 and 1"),
        ({"confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"robust": 0.5}, "--robust is an odds ratio of at least 1, such as 2; came 0.5"),
        ({"robust": float("nan")}, "--robust is an odds ratio"),
    ],
)
def test_targets_that_are_none(wrong, said):
    with pytest.raises(TagLensError, match=said):
        Targets(**wrong)


def test_what_may_not_be_assumed_fills_nothing_but_for_an_audit():
    probabilities, labels, _ = table()
    refused = Assumption(1.0, 1.0, "", refused="no sample")
    for kind in ("table", "class", "average"):
        found = fill(probabilities, labels, Targets(guarantee=kind, npv=0.9), refused)
        assert [outcome.reason for _, outcome in found.outcomes()] == ["no sample", "no sample"]
        assert (found.labels.values == labels.values).all()
    assert fill(probabilities, labels, Targets(guarantee="audit"), refused).present.filled.any()


def test_the_table_fills_more_than_its_classes_and_the_average_more_than_the_table():
    filled = {kind: [] for kind in ("class", "table", "average")}
    for seed in range(10):
        probabilities, labels, truth = table(seed, known=0.1)
        for kind, counts in filled.items():
            cells = fill(probabilities, labels, Targets(precision=0.9, guarantee=kind), A_SAMPLE).filled(POSITIVE)
            counts.append(cells.sum())
            if kind == "table" and cells.any():
                assert truth[cells].mean() > 0.85
    assert sum(filled["class"]) < sum(filled["table"]) < sum(filled["average"])


def test_worse_odds_fill_less():
    probabilities, labels, _ = table()
    counts = [fill(probabilities, labels, Targets(precision=0.9), Assumption(odds, 1.0, "")).filled(POSITIVE).sum() for odds in (1, 2, 4)]
    assert counts[0] > counts[1] > counts[2]


def test_each_value_has_its_own_odds():
    probabilities, labels, _ = table()
    targets = Targets(precision=0.9, npv=0.9)
    plain, worse = (fill(probabilities, labels, targets, Assumption(odds, 1.0, "")) for odds in (1.0, 5.0))
    assert worse.filled(POSITIVE).sum() < plain.filled(POSITIVE).sum()
    assert worse.absent.odds == 1.0
    assert worse.filled(NEGATIVE).sum() >= plain.filled(NEGATIVE).sum()

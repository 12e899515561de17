"""Known labels that look wrong: found where they were planted, and not listed where the model is too weak to say."""

import numpy as np
import pytest
from scipy.special import expit

from taglens.completion.checks import find_suspects
from taglens.labels.states import PartialLabels


def table(spread, wrong=0.0, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(-1, spread, (800, 3))
    truth = random.random(logits.shape) < expit(logits)
    flipped = random.random(logits.shape) < wrong
    known = random.random(logits.shape) < 0.5
    return expit(logits), PartialLabels(np.where(known, truth ^ flipped, -1).astype(np.int8)), flipped & known


def test_planted_errors_are_most_of_what_is_listed():
    probabilities, labels, wrong = table(6.0, wrong=0.05)
    found = find_suspects(probabilities, labels)
    hits = [wrong[one.image, one.label] for one in found.found]
    assert np.mean(hits) > 0.4, "5 % of the labels are wrong"
    assert sum(hits) > 0.4 * wrong.sum()
    assert found.contradicted > found.by_chance + 30
    assert "(more than chance)" in found.words()


def test_a_table_without_errors_has_no_more_than_chance():
    found = find_suspects(*table(6.0)[:2])
    assert found.contradicted == pytest.approx(found.by_chance, abs=3 * found.by_chance**0.5)
    assert "weak evidence" in found.words()


def test_the_worst_come_first_and_no_weak_evidence_is_listed():
    found = find_suspects(*table(6.0, wrong=0.05)[:2]).found
    assert [one.quality for one in found] == sorted(one.quality for one in found)
    assert all(one.quality <= 0.2 for one in found)


def test_a_model_that_knows_nothing_lists_nothing_and_says_so():
    probabilities, labels, _ = table(0.0)
    shuffled = np.random.default_rng(1).permutation(expit(np.random.default_rng(2).normal(-1, 2, probabilities.shape)))
    found = find_suspects(shuffled, labels)
    assert found.found == ()
    assert found.too_weak == (0, 1, 2)


def test_classes_with_one_kind_of_label_are_passed_over():
    probabilities, labels, _ = table(3.0)
    only_absent = PartialLabels(np.where(labels.values == 1, -1, labels.values).astype(np.int8))
    assert find_suspects(probabilities, only_absent).found == ()


def test_rows_are_placed_where_they_stand_in_the_table():
    found = find_suspects(*table(6.0, wrong=0.05)[:2])
    placed = found.placed(np.arange(800) + 1000)
    assert [one.image for one in placed.found] == [one.image + 1000 for one in found.found]


def test_few_labels_are_no_news_for_the_terminal(recwarn):
    """cleanlab warns of small tables; nobody was promised that all errors are found."""
    probabilities, labels, _ = table(6.0)
    find_suspects(probabilities, PartialLabels(np.where(np.arange(800)[:, None] < 12, labels.values, -1).astype(np.int8)))
    assert not recwarn.list

"""Closure: what each kind of relation settles, and what contradictions leave alone."""

import numpy as np
import pytest

from taglens.errors import TableError
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.relations import Group, Implication, Relations, close, close_table
from taglens.relations.provenance import contradictions, implied_words

CLASSES = ("terrier", "dog", "animal", "day", "night", "dusk")
KINDS = Relations(CLASSES, (Implication(0, 1, 1), Implication(1, 2, 2)), (Group((3, 4, 5), "=", 3),))

SETTLED = [
    ([1, -1, -1, -1, -1, -1], [1, 1, 1, -1, -1, -1], "present goes up"),
    ([-1, -1, 0, -1, -1, -1], [0, 0, 0, -1, -1, -1], "absent goes down"),
    ([0, -1, 1, -1, -1, -1], [0, -1, 1, -1, -1, -1], "neither the other way"),
    ([-1, -1, -1, -1, 1, -1], [-1, -1, -1, 0, 1, 0], "one of a group: no other"),
    ([-1, -1, -1, 0, -1, 0], [-1, -1, -1, 0, 1, 0], "all but one absent: that one"),
    ([-1, -1, -1, 0, -1, -1], [-1, -1, -1, 0, -1, -1], "two are left"),
    ([1, -1, 0, 1, -1, -1], [1, -1, 0, 1, 0, 0], "a contradiction settles nothing in its own part, all in others"),
]


@pytest.mark.parametrize(("given", "closed"), [row[:2] for row in SETTLED], ids=[row[2] for row in SETTLED])
def test_what_is_settled(given: list[int], closed: list[int]) -> None:
    assert close(PartialLabels(np.array([given], np.int8)), KINDS).labels.values.tolist() == [closed]


def test_at_least_one() -> None:
    relations = Relations(("indoor", "outdoor"), groups=(Group((0, 1), ">="),))
    labels = PartialLabels(np.array([[0, -1], [1, -1], [0, 0]], np.int8))
    closure = close(labels, relations)
    assert closure.labels.values.tolist() == [[0, 1], [1, -1], [0, 0]]
    assert closure.contradictory.tolist() == [2]


def test_the_cause_is_the_given_class_that_a_chain_begins_with() -> None:
    closure = close(PartialLabels(np.array([[1, -1, -1, -1, -1, -1]], np.int8)), KINDS)
    assert closure.causes.tolist() == [[-1, 0, 0, -1, -1, -1]]


def test_labels_of_other_classes_are_refused() -> None:
    with pytest.raises(TableError, match="between 6 classes, the labels of 2"):
        close(PartialLabels(np.zeros((1, 2), np.int8)), KINDS)


def test_a_table_says_which_class_implied_a_label() -> None:
    values = np.array([[1, -1, -1, -1, 1, -1], [-1] * 6], np.int8)
    table = LabelTable(("a.jpg", "b.jpg"), CLASSES, PartialLabels(values))
    closed, _ = close_table(table, KINDS)
    assert closed.of_kind("implied").tolist() == [[False, True, True, True, False, True], [False] * 6]
    assert set(closed.origins) == {Origin("given"), Origin("implied", "terrier"), Origin("implied", "night")}
    assert implied_words(table, closed) == "2 known labels settle 4 unknown ones, 2 of them present"


def test_what_a_model_filled_implies_nothing_and_stays() -> None:
    values = np.array([[1, -1, -1, -1, -1, -1], [1, 0, -1, -1, -1, -1]], np.int8)
    index = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]], np.int16)
    filled = (Origin("given"), Origin("predicted", "run"))
    table = LabelTable(("a.jpg", "b.jpg"), CLASSES, PartialLabels(values), origins=filled, origin_index=index)
    closed, closure = close_table(table, KINDS)
    assert closed.labels.values.tolist() == [[1, -1, -1, -1, -1, -1], [1, 0, 1, -1, -1, -1]]
    assert closed.of_kind("predicted").tolist() == table.of_kind("predicted").tolist()
    assert closure.contradictory.tolist() == []


def test_a_contradiction_is_told_with_its_chain_and_row() -> None:
    table = LabelTable(("a.jpg", "b.jpg"), CLASSES, PartialLabels(np.array([[-1] * 6, [1, -1, 0, -1, -1, -1]], np.int8)))
    _, closure = close_table(table, KINDS)
    (problem,) = contradictions(table, KINDS, closure, [2, 5])
    assert problem.row == 5
    assert problem.message.startswith("b.jpg: terrier present -> dog present (row 1), but: animal absent -> dog absent (row 2);")

"""Words for prompts, class lists that differ, and what inspection finds."""

import numpy as np
import pytest

from taglens.errors import TableError, TagLensError
from taglens.labels.inspection import ClassCounts, class_counts, label_problems, label_warnings, name_problems, require_known
from taglens.labels.names import align_classes, prompt_names
from taglens.labels.origins import GIVEN, Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable


def _table(values: list[list[int]], classes: tuple[str, ...], **fields: object) -> LabelTable:
    return LabelTable(tuple(f"{row}.jpg" for row in range(len(values))), classes, PartialLabels(np.array(values)), **fields)


def test_prompt_names() -> None:
    classes = ("diningtable", "tvmonitor", "pottedplant", "aeroplane", "fire_truck", "dog")
    assert prompt_names(classes) == ("dining table", "tv monitor", "potted plant", "airplane", "fire truck", "dog")
    assert prompt_names(classes, {"dog": "a hound", "aeroplane": "plane"})[3:] == ("plane", "fire truck", "a hound")


def test_wrong_prompt_names() -> None:
    with pytest.raises(TagLensError, match="unknown class in the prompt names 'dgo'; did you mean 'dog'"):
        prompt_names(("dog", "cat"), {"dgo": "a hound"})
    with pytest.raises(TableError, match="the prompt name of class 'dog' is blank"):
        prompt_names(("dog",), {"dog": " "})


def test_classes_in_another_order_are_brought_in_order() -> None:
    table = _table(
        [[1, 0], [-1, 1]],
        ("dog", "cat"),
        origins=(GIVEN, Origin("reviewed", "anna")),
        origin_index=np.array([[1, 0], [0, 0]]),
        probabilities=np.array([[0.5, np.nan], [np.nan, np.nan]], dtype=np.float32),
    )
    turned = align_classes(table, ("cat", "dog"))
    assert turned.labels.values.tolist() == [[0, 1], [1, -1]]
    assert turned.origin_index is not None
    assert turned.origin_index.tolist() == [[0, 1], [0, 0]]
    assert align_classes(turned, ("dog", "cat")) == table


def test_other_classes_are_refused_with_the_difference() -> None:
    with pytest.raises(TableError) as caught:
        align_classes(_table([[1, 0]], ("dog", "bird")), ("cat", "dog"), "run runs/a")
    assert str(caught.value) == (
        "the classes of run runs/a and of the data differ (not in the data: 'cat'; not in run runs/a: 'bird'); "
        "rename, add or remove columns of the table"
    )


def test_class_counts_by_state_and_source() -> None:
    table = _table(
        [[1, 0], [0, -1], [1, -1]],
        ("dog", "cat"),
        origins=(GIVEN, Origin("predicted", "run"), Origin("reviewed", "anna")),
        origin_index=np.array([[0, 0], [1, 1], [2, 0]]),  # the source of an unknown label is not counted
    )
    assert class_counts(table) == (ClassCounts("dog", 2, 1, 0, 1, 1, 1), ClassCounts("cat", 0, 1, 2, 1, 0, 0))


def test_what_labels_lack() -> None:
    labels = PartialLabels(np.array([[1, 0, -1], [0, 0, -1]]))
    found = [(problem.level, problem.column, problem.message.split(";")[0]) for problem in label_problems(labels, ("dog", "cat", "tree"))]
    assert found == [
        ("warning", "cat", "no known positive label"),
        ("warning", "tree", "no known positive label"),
        ("warning", "tree", "no known negative label"),
    ]
    assert label_warnings(_table(labels.values.tolist(), ("dog", "cat", "tree"))) == (
        "no known positive for 2 of 3 classes ('cat', 'tree'); they stay, scored by their names alone",
    )
    assert label_warnings(_table([[1, 1], [0, 0]], ("dog", "cat"))) == ()


def test_no_known_label_at_all() -> None:
    labels = PartialLabels(np.full((3, 2), -1))
    assert [problem.level for problem in label_problems(labels, ("dog", "cat"))] == ["error"]
    with pytest.raises(TableError, match=r"table.csv: no known label at all, so there is nothing to learn from; fill some cells"):
        require_known(labels, "table.csv")


@pytest.mark.parametrize(
    ("classes", "named", "reason"),
    [
        (("Dog", "dog", "cat"), {"dog"}, "another case"),
        (("DOG", "dog", "Dog"), {"dog", "Dog"}, "all after the first"),
        (("blue_sky", "blue sky", "blue-sky"), {"blue sky", "blue-sky"}, "what stands between words"),
        (("Straße", "STRASSE"), {"STRASSE"}, "a case that is longer"),
        (("!cat", "dog"), {"!cat"}, "a list takes the mark into the name"),
        (("?bird",), {"?bird"}, "and this one"),
        (("-cat", "cat"), {"-cat"}, "a minus beside the class itself"),
        (("-pattern", "cat"), set(), "a minus may belong to a name"),
        (("!?", "!", "1girl"), set(), "a tag of signs alone"),
        (("cat", "caterpillar"), set(), "others"),
    ],
)
def test_names_that_may_mislead_are_said(classes: tuple[str, ...], named: set[str], reason: str) -> None:
    assert {name for name, _ in name_problems(classes)} == named, reason


def test_training_lists_a_few_misleading_names_and_counts_the_others() -> None:
    classes = tuple(case(f"class {number}") for number in range(4) for case in (str.lower, str.upper, str.title))
    table = LabelTable(("a.jpg",), classes, PartialLabels(np.ones((1, len(classes)), np.int8)))
    lines = label_warnings(table)
    assert len(lines) == 6
    assert lines[-1] == "3 more class names may mislead; taglens inspect lists them"

"""Suggested relations: what the known labels must show, what is left out, and that chance suggests nothing."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact

from taglens.labels.origins import GIVEN, Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.relations import Group, Implication, Relations, read_relations
from taglens.relations.file import written_line
from taglens.relations.suggest import Suggestion, Support, _by_chance, suggestion_lines

CLASSES = ("terrier", "dog", "animal", "cat")
RNG = np.random.default_rng(0)


def truth(pictures: int = 800) -> np.ndarray:
    """Terriers are dogs are animals; no picture shows a dog and a cat."""
    kind = RNG.integers(0, 4, pictures)
    dog, cat = kind == 1, kind == 2
    terrier, animal = dog & (RNG.random(pictures) < 0.5), dog | cat | (RNG.random(pictures) < 0.2)
    return np.stack([terrier, dog, animal, cat], 1).astype(np.int8)


def suggest(labels: PartialLabels, relations: Relations) -> list[Suggestion]:
    return Support.of(labels).suggestions(relations)


def said(values: np.ndarray, relations: Relations | None = None) -> set[str]:
    known = relations or Relations(CLASSES)
    return {written_line(one.relation, CLASSES) for one in suggest(PartialLabels(values), known)}


def test_what_others_imply_is_left_out() -> None:
    assert said(truth()) == {"terrier > dog", "dog > animal", "cat > animal", "dog | cat <= 1"}


def test_what_is_said_already_is_left_out() -> None:
    relations = Relations(CLASSES, (Implication(0, 1), Implication(1, 2)))
    assert said(truth(), relations) == {"cat > animal", "dog | cat <= 1"}
    assert said(truth(), Relations(CLASSES, (), (Group((1, 3), "="),))) == {"terrier > dog", "dog > animal", "cat > animal"}


@pytest.mark.parametrize(
    ("present", "wrong", "suggested", "reason"),
    [
        (45, 0, True, "45 without an exception: at least 95 % at 90 % confidence"),
        (44, 0, False, "44 are too few"),
        (100, 1, True, "one wrong label in a hundred is a wrong label"),
        (1000, 2, False, "two are no slip"),
        (99, 1, False, "one in fewer may be more than a slip"),
    ],
)
def test_how_many_pictures_it_takes(present: int, wrong: int, suggested: bool, reason: str) -> None:
    lower = np.r_[np.ones(present), np.zeros(500)]
    upper = np.r_[np.zeros(wrong), np.ones(present - wrong), np.arange(500) % 4 == 0]
    values = np.stack([lower, upper], 1).astype(np.int8)
    found = suggest(PartialLabels(values), Relations(("a", "b")))
    assert (Implication(0, 1) in [one.relation for one in found]) == suggested, reason
    assert [(one.pictures, one.exceptions) for one in found] == [(present, wrong)] * suggested


def test_a_class_that_is_nearly_everywhere_is_implied_by_nothing() -> None:
    values = np.stack([RNG.random(2000) < 0.3, RNG.random(2000) < 0.999], 1).astype(np.int8)
    assert suggest(PartialLabels(values), Relations(("a", "sky"))) == []


def test_rare_classes_exclude_nothing() -> None:
    values = (RNG.random((3000, 6)) < 0.02).astype(np.int8)
    assert suggest(PartialLabels(values), Relations(tuple("abcdef"))) == []


def test_chance_suggests_nothing() -> None:
    """Independent classes of all frequencies: in 30 tables of 20 classes, by the correction at most one or two have a suggestion."""
    rates, none = np.linspace(0.02, 0.98, 20), Relations(tuple("abcdefghijklmnopqrst"))
    tables = [suggest(PartialLabels((RNG.random((600, 20)) < rates).astype(np.int8)), none) for _ in range(30)]
    assert sum(map(bool, tables)) <= 3


def test_chance_is_fishers_exact_test() -> None:
    n, k, marked, m = (np.array(column) for column in zip((60, 0, 7, 50), (120, 1, 30, 300), (45, 0, 45, 45), (100, 1, 1, 9), strict=True))
    expected = [fisher_exact([[e, p - e], [b - e, o - b + e]], "less").pvalue for p, e, b, o in zip(n, k, marked, m, strict=True)]
    np.testing.assert_allclose(_by_chance(k, n, marked, m), expected, rtol=1e-9)


def test_groups_are_whole() -> None:
    values = np.eye(4, dtype=np.int8)[RNG.integers(0, 4, 1200)]
    found = suggest(PartialLabels(values), Relations(tuple("abcd")))
    assert [one.relation for one in found] == [Group((0, 1, 2, 3), "<=")]


def test_two_names_of_one_tag_are_asked_about() -> None:
    one = (RNG.random(500) < 0.4).astype(np.int8)
    labels = PartialLabels(np.stack([one, one], 1))
    assert suggest(labels, Relations(("photo", "picture"))) == []
    assert Support.of(labels).same_tags() == [(0, 1)]


def test_unknown_labels_and_what_followed_or_was_filled_speak_for_nothing() -> None:
    values = truth()
    table = LabelTable(tuple(f"{row}.png" for row in range(len(values))), CLASSES, PartialLabels(values))
    origins = (GIVEN, Origin("implied", "dog"))
    index = np.zeros(values.shape, np.int16)
    index[:, 2] = 1
    implied = LabelTable(table.images, CLASSES, table.labels, origins=origins, origin_index=index)
    lines = suggestion_lines(implied, Relations(CLASSES))
    assert not any("animal" in line for line in lines)
    assert any(line.startswith("terrier > dog") for line in lines)
    values[:, 2] = -1
    assert not any("animal" in one for one in said(values))


def test_the_lines_are_a_file_of_relations(tmp_path: Path) -> None:
    classes = ("terrier", "dog", 'an "animal"', "cat|kitten")
    values = truth()
    table = LabelTable(tuple(f"{row}.png" for row in range(len(values))), classes, PartialLabels(values))
    lines = suggestion_lines(table, Relations(classes))
    (tmp_path / "kinds.txt").write_text("\n".join(lines), "utf-8")
    read = read_relations(tmp_path / "kinds.txt", classes)
    assert {(one.lower, one.upper) for one in read.implications} == {(0, 1), (1, 2), (3, 2)}
    assert [group.members for group in read.groups] == [(1, 3)]
    assert "  # of " in lines[0]


def test_tags_alone_can_suggest_nothing() -> None:
    values = np.where(truth() == 1, 1, -1).astype(np.int8)
    table = LabelTable(tuple(f"{row}.png" for row in range(len(values))), CLASSES, PartialLabels(values))
    assert "no absent label is known" in suggestion_lines(table, Relations(CLASSES))[0]

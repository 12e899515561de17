"""The label array refuses what it cannot mean; masks are the published ones; settings keep what they promise."""

from itertools import pairwise

import numpy as np
import pytest

from taglens.errors import TableError, TagLensError
from taglens.labels.codes import CODES, from_codes
from taglens.labels.hiding import SETTINGS, annotator_blocks, fixed_per_class, hide, keep_known, positives_only, single_positive
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable


def test_views_and_counts() -> None:
    labels = PartialLabels(np.array([[1, 0, -1], [1, -1, -1]]))
    assert labels.positive.tolist() == [[True, False, False], [True, False, False]]
    assert labels.negative.tolist() == [[False, True, False], [False, False, False]]
    assert labels.unknown.tolist() == [[False, False, True], [False, True, True]]
    assert (labels.known == ~labels.unknown).all()
    assert [count.tolist() for count in labels.counts()] == [[2, 0, 0], [0, 1, 0], [0, 1, 2]]
    assert labels.values.dtype == np.int8


def test_a_line_says_what_is_in_it() -> None:
    labels = PartialLabels(np.resize(np.array([1, 0, -1, -1], dtype=np.int8), (1767, 20)))
    assert repr(labels) == "PartialLabels(1,767 images, 20 classes: 8,835 positive, 8,835 negative, 17,670 unknown)"
    images = tuple(f"{row}.jpg" for row in range(1767))
    table = LabelTable(images, tuple(f"class {column}" for column in range(20)), labels)
    assert repr(table) == "LabelTable(1,767 images, 20 classes: 8,835 positive, 8,835 negative, 17,670 unknown)"
    split = LabelTable(("a.jpg", "b.jpg", "c.jpg"), ("dog",), PartialLabels(np.array([[1], [0], [-1]])), splits=("train", "val", ""))
    assert repr(split) == "LabelTable(3 images, 1 classes: 1 positive, 1 negative, 1 unknown; splits train, val, blank)"


def test_the_array_is_its_own_and_read_only() -> None:
    given = np.zeros((2, 2), dtype=np.int8)
    labels = PartialLabels(given)
    given[0, 0] = 1
    assert labels.values[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        labels.values[0, 0] = 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param([[1, 2]], "came 2 at image 0, label 1", id="another code"),
        pytest.param([[1], [-2]], "came -2 at image 1, label 0", id="another negative code"),
        pytest.param([1, 0], r"of shape \(2,\)", id="one image forgot its axis"),
        pytest.param([[1.0, 0.0]], "came float64", id="probabilities are not labels"),
        pytest.param([["1"]], "came <U1", id="text"),
    ],
)
def test_wrong_arrays_are_refused(values: list, words: str) -> None:
    with pytest.raises(TableError, match=words):
        PartialLabels(np.array(values))


def test_mask_is_the_published_one() -> None:
    """known(i, c) iff RandomState(0).random_sample((N, C))[i, c] < p; these six draws are numpy's, written out."""
    draws = np.array([[0.5488135, 0.71518937], [0.60276338, 0.54488318], [0.4236548, 0.64589411]])
    labels = PartialLabels(np.ones((3, 2), dtype=np.int8))
    for proportion in (0.43, 0.545, 0.5449, 0.6, 0.65, 0.9):
        assert (keep_known(labels, proportion).known == (draws < proportion)).all()


def test_mask_of_many_images_is_drawn_as_if_at_once() -> None:
    labels = PartialLabels(np.ones((70_001, 3), dtype=np.int8))  # more rows than are drawn at a time
    expected = np.random.RandomState(7).random_sample((70_001, 3)) < 0.3
    assert (keep_known(labels, 0.3, 7).known == expected).all()


@pytest.mark.parametrize("proportion", [-0.1, 1.1, float("nan"), 10])
def test_wrong_proportion(proportion: float) -> None:
    with pytest.raises(TagLensError, match=r"must lie between 0 and 1, came .*; write 0.1 for 10 %"):
        keep_known(PartialLabels(np.ones((1, 1), dtype=np.int8)), proportion)


LABELS = PartialLabels(np.random.default_rng(3).choice(np.array([1, 0, -1], dtype=np.int8), size=(300, 12), p=[0.3, 0.5, 0.2]))
AMOUNTS = {
    "proportion": (0.0, 0.2, 0.7, 1.0),
    "single_positive": (0, 1, 3, 12),
    "positives_only": (0.0, 0.2, 0.7, 1.0),
    "fixed_per_class": (0, 1, 20, 300),
    "annotator_blocks": (0.0, 0.2, 0.7, 1.0),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_hide_only_and_nest(setting: str) -> None:
    known = []
    for amount in AMOUNTS[setting]:
        hidden = hide(LABELS, setting, amount, seed=5)
        assert (hidden.values[hidden.known] == LABELS.values[hidden.known]).all()
        assert hide(LABELS, setting, amount, seed=5) == hidden
        known.append(hidden.known)
    assert not known[0].any()
    assert all((more | ~fewer).all() for fewer, more in pairwise(known))
    assert hide(LABELS, setting, AMOUNTS[setting][1], 6) != hide(LABELS, setting, AMOUNTS[setting][1], 5)


@pytest.mark.parametrize("setting", ["proportion", "fixed_per_class", "annotator_blocks"])
def test_settings_with_the_largest_amount_keep_all(setting: str) -> None:
    assert hide(LABELS, setting, AMOUNTS[setting][-1]) == LABELS


def test_single_positive_keeps_one_positive_of_each_image() -> None:
    hidden = single_positive(LABELS)
    assert not hidden.negative.any()
    assert (hidden.positive.sum(axis=1) == np.minimum(1, LABELS.positive.sum(axis=1))).all()
    assert len(np.unique(hidden.positive.argmax(axis=1))) == 12  # no class is preferred


def test_positives_only_keeps_a_share_of_the_positives() -> None:
    assert (positives_only(LABELS, 1.0).positive == LABELS.positive).all()
    hidden = positives_only(LABELS, 0.5)
    assert not hidden.negative.any()
    assert 0.4 < hidden.positive.sum() / LABELS.positive.sum() < 0.6


def test_fixed_per_class_keeps_that_many_of_each() -> None:
    counts = fixed_per_class(LABELS, 20).counts()
    assert (counts.positive == 20).all()
    assert (counts.negative == 20).all()


def test_annotator_blocks_are_blocks_and_keep_the_share() -> None:
    everything = PartialLabels(np.ones((2000, 15), dtype=np.int8))
    known = annotator_blocks(everything, 0.35, annotators=40).known
    assert len(np.unique(known, axis=0)) <= 40
    assert abs(known.mean() - 0.35) < 0.03
    assert set(known.sum(axis=1).tolist()) <= {5, 6}  # 0.35 x 15 = 5.25 classes for each annotator


@pytest.mark.parametrize(
    ("setting", "amount", "words"),
    [
        ("single_positive", 1.5, "the number of positive labels of every image must be a whole number from 0, came 1.5"),
        ("fixed_per_class", -1, "the number of labels of every class must be a whole number from 0, came -1"),
        ("fixed_per_class", float("nan"), "must be a whole number from 0, came nan"),
        ("annotator_blocks", 2, "must lie between 0 and 1, came 2"),
        ("single_positiv", 1, "unknown label setting 'single_positiv'; did you mean 'single_positive'"),
    ],
)
def test_wrong_settings(setting: str, amount: float, words: str) -> None:
    with pytest.raises(TagLensError, match=words):
        hide(LABELS, setting, amount)


@pytest.mark.parametrize(
    ("project", "values"),
    [
        ("taglens", [1, 0, -1]),
        ("hcp", [1, -1, 0]),  # here -1 is checked and absent
        ("dualcoop", [1, 0, -1]),
        ("csl", [1, 0, -1]),
        ("voc", [1, -1, 0]),  # 0 = difficult
        ("chexpert", [1, 0, -1]),  # -1 = mentioned as uncertain
    ],
)
def test_codes_of_projects(project: str, values: list[int]) -> None:
    labels = from_codes([values], project)
    assert labels.values.tolist() == [[1, 0, -1]]
    assert from_codes([[float(value) for value in values]], project) == labels


def test_wrong_codes() -> None:
    with pytest.raises(TagLensError, match="unknown label code 'dualcop'; did you mean 'dualcoop'"):
        from_codes([[1]], "dualcop")
    with pytest.raises(TableError, match=r"labels of hcp are 1, -1, 0, came 2 at \(0, 1\)"):
        from_codes([[1, 2]], "hcp")
    with pytest.raises(TableError, match="labels of openimages are 1, 0, came -1"):
        from_codes([[-1]], "openimages")
    assert set(CODES) == {"taglens", "hcp", "dualcoop", "csl", "voc", "openimages", "chexpert", "nuswide", "cub"}

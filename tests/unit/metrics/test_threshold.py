"""Thresholds from held-out labels and from calibrated probabilities, against trying every one; and which classes reach theirs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from taglens.errors import TagLensError
from taglens.metrics import precision_recall_f1
from taglens.metrics.threshold import (
    ENOUGH_KNOWN,
    UNREACHED,
    best_threshold,
    expected_at,
    expected_f1_thresholds,
    expected_precision_thresholds,
    precision_threshold,
    reached,
    shown_columns,
    tag_columns,
)


@given(st.integers(0, 10_000))
def test_no_other_threshold_has_a_higher_f1(seed):
    random = np.random.default_rng(seed)
    probabilities = np.round(random.random((30, 4)), 2)  # rounded: with ties
    labels = random.choice([1, 0, -1], size=(30, 4), p=[0.3, 0.4, 0.3]).astype(np.int8)
    chosen = precision_recall_f1(probabilities, labels, best_threshold(probabilities, labels)).OF1
    assert chosen == pytest.approx(max(precision_recall_f1(probabilities, labels, each).OF1 for each in np.unique(probabilities)))


@pytest.mark.parametrize(
    ("positives", "expected", "reason"),
    [(9, 0.5, "under ten known positives the best is luck"), (10, 0.45, "halfway between the positives at 0.8 and the negatives at 0.1")],
)
def test_few_known_positives_keep_one_half(positives, expected, reason):
    labels = np.array([1] * positives + [0] * 20 + [-1] * 5, np.int8)[:, None]
    probabilities = np.where(labels == 1, 0.8, 0.1)
    assert best_threshold(probabilities, labels) == pytest.approx(expected), reason


def test_a_float32_number_reaches_the_threshold_of_the_same_name():
    assert reached(np.float32([[0.7, 0.69999]]), np.array([0.7, 0.7])).tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("probabilities", "tags", "shown", "reason"),
    [
        ([0.5, 0.9, 0.6], [1, 2, 0], [1, 2, 0], "the most probable first"),
        ([0.6, 0.5, 0.6], [0, 2, 1], [0, 2, 1], "equal ones in the order of the classes"),
        ([0.1, 0.3, 0.2], [], [1], "without a tag the most probable class"),
    ],
)
def test_what_is_worth_showing(probabilities, tags, shown, reason):
    values = np.float32(probabilities)
    assert (tag_columns(values, 0.5), shown_columns(values, np.full(3, 0.5))) == (tags, shown), reason


def column(*values):
    return np.array(values, np.float64)[:, None]


@st.composite
def probabilities(draw):
    shape = draw(st.tuples(st.integers(1, 30), st.integers(1, 4)))
    number = st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32)
    return draw(hnp.arrays(draw(st.sampled_from([np.float32, np.float64])), shape, elements=number))


@given(probabilities())
def test_no_other_threshold_has_a_higher_expected_f1(values):
    found = expected_at(values, expected_f1_thresholds(values))
    for label, scores in enumerate(values.T):
        tried = [
            2 * scores[scores >= each].sum(dtype=float) / ((scores >= each).sum() + scores.sum(dtype=float)) for each in scores if each
        ]
        assert found.f1[label] == pytest.approx(max(tried)) if tried else found.tags[label] == 0


@given(probabilities(), st.floats(0.01, 0.99))
def test_no_lower_threshold_has_the_expected_precision(values, precision):
    thresholds = expected_precision_thresholds(values, precision)
    found = expected_at(values, thresholds)
    for label, scores in enumerate(values.T):
        tried = [(scores >= each).sum() for each in scores if each and scores[scores >= each].mean(dtype=float) >= precision + 1e-6]
        assert found.tags[label] >= max(tried, default=0)
        if found.tags[label]:
            assert found.precision[label] >= precision - 1e-6
        else:
            assert thresholds[label] == UNREACHED


@given(probabilities(), st.integers(0, 1000))
def test_the_order_of_pictures_and_classes_never_matters(values, seed):
    random = np.random.default_rng(seed)
    rows, columns, known = random.permutation(len(values)), random.permutation(values.shape[1]), random.integers(0, 30, values.shape[1])
    thresholds = expected_f1_thresholds(values, known)
    np.testing.assert_array_equal(expected_f1_thresholds(values[rows][:, columns], known[columns]), thresholds[columns])
    assert ((thresholds >= 0) & (thresholds <= 1)).all()


@given(probabilities(), st.floats(0.05, 0.9))
def test_pictures_in_which_nothing_can_be_change_nothing(values, precision):
    """A class is as rare as its pictures say; empty pictures give neither tags nor misses."""
    empty = np.concatenate([values, np.zeros_like(values)])
    more = expected_at(empty, expected_f1_thresholds(empty))
    before = expected_at(values, expected_f1_thresholds(values))
    np.testing.assert_allclose(more.f1, before.f1, equal_nan=True)
    asked = expected_precision_thresholds(values, precision)
    np.testing.assert_array_equal(expected_precision_thresholds(empty, precision), asked)


@pytest.mark.parametrize(
    ("scores", "expected", "reason"),
    [
        ([0.9, 0.8, 0.1, 0.1], 0.45, "halfway between 0.8 and 0.1: F1 2 1.7 / (2 + 1.9), with all four 2 1.9 / (4 + 1.9)"),
        ([0.3, 0.3, 0.3], 0.15, "equal ones go together, and expecting 0.9 of 3 beats expecting nothing"),
        ([0.0, 0.0], UNREACHED, "a class that is never there has no tag"),
        ([1.0, 1.0, 0.0], 0.5, "certain ones"),
        ([], 0.5, "no picture: nothing to go by"),
    ],
)
def test_the_threshold_of_the_highest_expected_f1(scores, expected, reason):
    assert expected_f1_thresholds(column(*scores)) == pytest.approx([expected]), reason


@pytest.mark.parametrize(
    ("scores", "precision", "expected", "reason"),
    [
        ([0.99, 0.9, 0.8, 0.1], 0.89, 0.45, "the mean of three is 0.897: halfway to the fourth"),
        ([0.99, 0.9, 0.8, 0.1], 0.9, 0.85, "0.897 is not enough"),
        ([0.6, 0.5], 0.9, UNREACHED, "no picture is sure enough"),
        ([0.95, 0.85, 0.85], 0.9, 0.9, "equal ones go together, and the mean of all three is below 0.9"),
        (np.full(7, np.float32(0.9)), 0.9, 0.45, "a float32 0.9 is as much as was asked for"),
    ],
)
def test_the_lowest_threshold_of_an_expected_precision(scores, precision, expected, reason):
    assert expected_precision_thresholds(np.asarray(scores)[:, None], precision) == pytest.approx([expected]), reason


def test_a_threshold_separates_neighbouring_numbers_of_32_bits():
    low = np.float32(0.3)
    values = np.array([np.nextafter(low, np.float32(1))] * 12 + [low] * 12, np.float32)[:, None]
    labels = np.array([1] * 12 + [0] * 12)[:, None]
    assert (reached(values, best_threshold(values, labels)) == labels).all()


@pytest.mark.parametrize(
    ("known", "side", "reason"),
    [
        (ENOUGH_KNOWN, "own", "enough known labels: its own"),
        (0, "pooled", "none: that of all classes together"),
        (ENOUGH_KNOWN // 2, "between", "half of what is enough: halfway in logits"),
    ],
)
def test_a_class_with_few_known_labels_shares_strength(known, side, reason):
    random = np.random.default_rng(0)
    values = random.beta(0.3, [3.0, 1.0, 0.6], (2000, 3))
    own, pooled = expected_f1_thresholds(values), expected_f1_thresholds(values.reshape(-1, 1))[0]
    found = expected_f1_thresholds(values, [known, 100, 100])
    logit = {"own": np.log(own[0] / (1 - own[0])), "pooled": np.log(pooled / (1 - pooled))}
    logit["between"] = (logit["own"] + logit["pooled"]) / 2
    assert found[0] == pytest.approx(1 / (1 + np.exp(-logit[side])), rel=1e-3), reason
    assert (found[1:] == own[1:]).all()


@pytest.mark.parametrize("prevalence", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("sharpness", [0.7, 2.0, 4.0])
def test_with_calibrated_probabilities_it_is_close_to_the_best_f1(prevalence, sharpness):
    """The threshold comes from the probabilities of 1,500 pictures, F1 is measured on 20,000 others; the best of these is tried out."""
    random = np.random.default_rng(0)
    values = 1 / (1 + np.exp(-(np.log(prevalence / (1 - prevalence)) + sharpness * random.normal(size=21_500))))
    labels = (random.random(len(values)) < values).astype(np.int8)  # calibrated by construction
    threshold = expected_f1_thresholds(values[:1500, None])[0]

    def f1(each):
        return precision_recall_f1(values[1500:, None], labels[1500:, None], each).OF1

    best = max(f1(each) for each in np.linspace(0.01, 0.9, 60))
    assert f1(threshold) > best - 0.02
    if sharpness > 1:
        assert f1(threshold) > f1(0.5)
    for precision in (0.5, 0.9):
        asked = expected_precision_thresholds(values[:1500, None], precision)[0]
        right = labels[1500:][values[1500:] >= asked]
        assert asked == UNREACHED or len(right) < 100 or right.mean() > precision - 0.07


def test_a_precision_from_held_out_labels():
    values = column(*np.linspace(0.99, 0.01, 50))
    labels = np.array([1] * 20 + [0, 1] * 5 + [0] * 20)[:, None]
    found = precision_threshold(values, labels, 0.9)
    assert labels[values >= found].mean() >= 0.9
    assert all(labels[values >= each].mean() < 0.9 for each in values[values < found])
    assert precision_threshold(values, labels[::-1].copy(), 0.99) == UNREACHED


@pytest.mark.parametrize(
    ("call", "wording"),
    [
        (lambda: expected_f1_thresholds(column(1.5)), "apply the sigmoid to logits first"),
        (lambda: expected_f1_thresholds(np.array([0.5])), r"must be \(image, label\), shape \(1,\) came"),
        (lambda: expected_f1_thresholds(column(0.5), [1, 2]), "for each of 1 classes"),
        (lambda: expected_precision_thresholds(column(0.5), 1.0), "above 0 and below 1 expected, such as 0.9; 1 came"),
        (lambda: precision_threshold(column(*[0.5] * 9), np.ones((9, 1)), 0.9), "needs at least 10 present and some absent .* are 9 and 0"),
        (lambda: precision_threshold(column(*[0.5] * 12), np.ones((12, 1)), 0.9), "some absent labels .* there are 12 and 0"),
    ],
)
def test_threshold_errors(call, wording):
    with pytest.raises(TagLensError, match=wording):
        call()

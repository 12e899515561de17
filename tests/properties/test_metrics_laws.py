"""What must hold of the metrics whatever the numbers are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from taglens.metrics import average_precision, precision_recall_f1
from taglens.metrics.calibration import expected_calibration_error, reliability

# Eight levels: ties are the rule, not the exception.
LEVELS = st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.5, 0.7, 0.9, 1.0])


@st.composite
def examples(draw):
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 5)))
    probabilities = draw(hnp.arrays(np.float32, shape, elements=LEVELS))
    states = draw(hnp.arrays(np.int8, shape, elements=st.sampled_from([-1, 0, 1])))
    return probabilities, states, draw(st.permutations(range(shape[0]))), draw(st.permutations(range(shape[1])))


def same(one, other):
    np.testing.assert_allclose(np.array(one, float), np.array(other, float), atol=1e-12)


def numbers(found):
    return list(found.to_json().values())


@given(examples(), st.booleans())
@settings(max_examples=200)
def test_the_order_of_images_and_classes_never_matters(example, interpolated):
    probabilities, states, rows, columns = example
    ap = average_precision(probabilities, states, interpolated)
    same(average_precision(probabilities[rows], states[rows], interpolated), ap)
    same(average_precision(probabilities[:, columns], states[:, columns], interpolated), ap[columns])
    for top_k in (None, 1, 3):
        found = numbers(precision_recall_f1(probabilities, states, top_k=top_k))
        same(numbers(precision_recall_f1(probabilities[rows], states[rows], top_k=top_k)), found)
        same(numbers(precision_recall_f1(probabilities[:, columns], states[:, columns], top_k=top_k)), found)


@given(examples())
def test_interpolated_is_never_smaller_and_both_are_shares(example):
    probabilities, states, _, _ = example
    plain, envelope = average_precision(probabilities, states), average_precision(probabilities, states, interpolated=True)
    defined = ~np.isnan(plain)
    assert (defined == (states == 1).any(0) & (states == 0).any(0)).all(), "present cells alone have no order that is wrong"
    assert (envelope[defined] >= plain[defined]).all()
    assert ((plain[defined] > 0) & (envelope[defined] <= 1)).all()


@given(examples(), examples())
def test_unknown_entries_count_for_nothing(example, noise):
    probabilities, states, _, _ = example
    other = np.where(states == -1, np.resize(noise[0], states.shape), probabilities).astype(np.float32)
    same(average_precision(other, states), average_precision(probabilities, states))
    same(numbers(precision_recall_f1(other, states)), numbers(precision_recall_f1(probabilities, states)))
    same(expected_calibration_error(other, states), expected_calibration_error(probabilities, states))


@given(examples())
def test_only_the_ranking_counts_for_average_precision(example):
    probabilities, states, _, _ = example
    same(average_precision(np.exp(3.0 * probabilities.astype(np.float64)) - 2, states), average_precision(probabilities, states))


@given(examples())
def test_perfect_predictions_score_one_everywhere(example):
    _, states, _, _ = example
    perfect = (states == 1).astype(np.float32)
    ap = average_precision(perfect, states)
    assert (ap[~np.isnan(ap)] == 1).all()
    if ((states == 1).any(0) & (states == 0).any(0)).any():
        assert numbers(precision_recall_f1(perfect, states)) == [100.0] * 6
    if (states == 0).any():
        assert expected_calibration_error(perfect, states) == 0


@given(examples(), st.integers(1, 20))
def test_reliability_bins_hold_every_known_entry_once(example, bins):
    probabilities, states, _, _ = example
    found = reliability(probabilities, states, bins)
    assert found.count.sum() == (states != -1).sum()
    full = found.count > 0
    same((found.observed * found.count)[full].sum(), (states == 1).sum())

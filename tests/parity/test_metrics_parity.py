"""The metrics against scikit-learn and against the definitions as plain loops."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, fbeta_score, precision_score, recall_score, roc_auc_score

from taglens.metrics import auroc, average_precision, mean_f, precision_recall_f1
from taglens.metrics.average_precision import count_reaching


def example(seed, images=60, classes=7, *, grid=None, unknown=0.4):
    """Probabilities and states; ``grid`` rounds to that many steps so that many probabilities are equal."""
    draw = np.random.default_rng(seed)
    probabilities = draw.random((images, classes))
    if grid:
        probabilities = np.round(probabilities * grid) / grid
    states = (draw.random((images, classes)) < 0.3).astype(np.int8)
    states[draw.random((images, classes)) < unknown] = -1
    return probabilities, states


def loop_average_precision(probabilities, states):
    """(1/P) sum over positives of (positives so far / rank), one class at a time; needs distinct probabilities."""
    result = []
    for column in range(states.shape[1]):
        known = [(p, s) for p, s in zip(probabilities[:, column], states[:, column], strict=True) if s != -1]
        known.sort(key=lambda pair: -pair[0])
        found, total = 0, 0.0
        for rank, (_, state) in enumerate(known, start=1):
            if state == 1:
                found += 1
                total += found / rank
        result.append(total / found if found else float("nan"))
    return np.array(result)


def loop_interpolated(probabilities, states):
    """Sum over recall steps of (r_i - r_{i-1}) max_{j >= i} precision_j; needs distinct probabilities."""
    result = []
    for column in range(states.shape[1]):
        known = [(p, s) for p, s in zip(probabilities[:, column], states[:, column], strict=True) if s != -1]
        known.sort(key=lambda pair: -pair[0])
        positives = sum(state == 1 for _, state in known)
        recalls, precisions, found = [0.0], [], 0
        for rank, (_, state) in enumerate(known, start=1):
            found += state == 1
            recalls.append(found / max(positives, 1))
            precisions.append(found / rank)
        area = sum((recalls[i + 1] - recalls[i]) * max(precisions[i:]) for i in range(len(precisions)))
        result.append(area if positives else float("nan"))
    return np.array(result)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("grid", [None, 50, 4, 1], ids=["distinct", "some ties", "many ties", "nearly all tied"])
def test_average_precision_is_scikit_learns(seed, grid):
    probabilities, states = example(seed, grid=grid)
    for column, ours in enumerate(average_precision(probabilities, states)):
        known = states[:, column] != -1
        theirs = average_precision_score(states[known, column], probabilities[known, column])
        assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("grid", [None, 50, 4, 1], ids=["distinct", "some ties", "many ties", "nearly all tied"])
def test_auroc_is_scikit_learns(seed, grid):
    probabilities, states = example(seed, grid=grid)
    for column, ours in enumerate(auroc(probabilities, states)):
        known = states[:, column] != -1
        assert ours == pytest.approx(roc_auc_score(states[known, column], probabilities[known, column]), abs=1e-12)


def test_auroc_of_many_pictures_on_threads_is_scikit_learns():
    probabilities, states = example(8, images=9_000, classes=40, grid=1000)
    means = [roc_auc_score(s[s != -1], p[s != -1]) for p, s in zip(probabilities.T, states.T, strict=True)]
    np.testing.assert_allclose(auroc(probabilities.astype(np.float32), states), means, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_macro_f1_and_f2_are_scikit_learns(seed, threshold):
    """Macro F1 of each class's known pictures; F2 of each picture's known classes, which scikit-learn calls samples."""
    probabilities, states = example(seed)
    judged = [state for state in states if (state == 1).any() and (state == 0).any()]
    assert 0 < len(judged) < len(states), "some pictures have nothing to find"
    ours = mean_f(probabilities, states, threshold)
    predicted = probabilities >= threshold
    f1 = [f1_score(s[s != -1], p[s != -1], zero_division=0) for s, p in zip(states.T, predicted.T, strict=True)]
    f2 = [
        fbeta_score(s[s != -1], p[s != -1], beta=2, zero_division=0)
        for s, p in zip(states, predicted, strict=True)
        if (s == 1).any() and (s == 0).any()
    ]
    assert ours.macro_F1 == pytest.approx(np.mean(f1), abs=1e-12)
    assert pytest.approx(np.mean(f2), abs=1e-12) == ours.F2


def test_f2_of_complete_labels_is_scikit_learns_mean_over_samples():
    probabilities, states = example(4, unknown=0.0)
    states[np.arange(len(states)), 0], states[np.arange(len(states)), 1] = 1, 0  # each picture has both
    expected = fbeta_score(states, probabilities >= 0.5, beta=2, average="samples")
    assert pytest.approx(expected, abs=1e-12) == mean_f(probabilities, states).F2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("interpolated", "loop"), [(False, loop_average_precision), (True, loop_interpolated)])
def test_average_precision_is_the_plain_loop(seed, interpolated, loop):
    probabilities, states = example(seed)
    np.testing.assert_allclose(average_precision(probabilities, states, interpolated), loop(probabilities, states), atol=1e-12)


SPREADS = {
    "even": lambda random, count: random.random(count),
    "ties": lambda random, count: random.integers(0, 7, count) / 7,
    "nearly all in one bucket": lambda random, count: random.random(count) ** 60,
    "one outlier": lambda random, count: np.append(random.random(count - 1), 1e30),
    "range larger than the largest number": lambda random, count: np.append(random.normal(size=count - 2), [3e38, -3e38]),
    "range too small to divide by": lambda random, count: random.integers(0, 3, count) * 1e-45,
    "all the same": lambda random, count: np.full(count, 0.3),
    "logits": lambda random, count: 10 * random.normal(size=count),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [2, 100, 20_000])
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_counting_values_is_comparing_them_one_by_one(spread, count, dtype):
    values = spread(np.random.default_rng(0), count).astype(dtype)
    thresholds = np.sort(np.append(np.random.default_rng(1).choice(values, 50), [dtype(-0.5), dtype(0.5), dtype(2)]))
    np.testing.assert_array_equal(count_reaching(values, thresholds), [(values >= threshold).sum() for threshold in thresholds])


@pytest.mark.parametrize("seed", range(3))
def test_precision_recall_are_scikit_learns(seed):
    probabilities, states = example(seed, unknown=0.0)
    ours = precision_recall_f1(probabilities, states, threshold=0.6)
    predicted = probabilities >= 0.6
    for field, average in (("C", "macro"), ("O", "micro")):
        precision = precision_score(states, predicted, average=average, zero_division=0)
        recall = recall_score(states, predicted, average=average)
        assert getattr(ours, f"{field}P") == pytest.approx(precision)
        assert getattr(ours, f"{field}R") == pytest.approx(recall)
        assert getattr(ours, f"{field}F1") == pytest.approx(2 * precision * recall / (precision + recall))
    assert pytest.approx(f1_score(states, predicted, average="micro")) == ours.OF1
    assert abs(ours.CF1 - f1_score(states, predicted, average="macro")) > 1e-6, "CF1 is not the mean of per-class F1"


@pytest.mark.parametrize(("top_k", "threshold"), [(None, 0.5), (1, 0.0), (3, 0.0), (1, 0.5), (3, 0.5), (3, 0.9)])
def test_precision_recall_are_the_plain_loops(top_k, threshold):
    probabilities, states = example(11)
    images, classes = states.shape
    right, predicted, present = np.zeros(classes), np.zeros(classes), np.zeros(classes)
    for image in range(images):
        best = sorted(range(classes), key=lambda c: -probabilities[image, c])[: top_k or 0]
        for c in range(classes):
            if states[image, c] == -1:
                continue
            says_yes = (c in best if top_k else True) and probabilities[image, c] >= threshold
            right[c] += says_yes and states[image, c] == 1
            predicted[c] += says_yes
            present[c] += states[image, c] == 1
    ours = precision_recall_f1(probabilities, states, threshold, top_k=top_k)
    assert pytest.approx(np.mean([r / p if p else 0 for r, p in zip(right, predicted, strict=True)])) == ours.CP
    assert pytest.approx(np.mean(right / present)) == ours.CR
    assert pytest.approx(right.sum() / predicted.sum()) == ours.OP
    assert pytest.approx(right.sum() / present.sum()) == ours.OR

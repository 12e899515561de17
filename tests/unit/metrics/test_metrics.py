"""Small cases by hand, wording of errors, size and speed."""

import json
import time

import numpy as np
import pytest

from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.metrics import auroc, average_precision, by_class, checking, evaluate, mean_f, precision_recall_f1
from taglens.metrics.calibration import expected_calibration_error

P = np.array([[0.9, 0.2, 0.4], [0.8, 0.6, 0.3], [0.3, 0.7, 0.2], [0.1, 0.5, 0.1]])
S = np.array([[1, 0, 0], [0, 1, 0], [1, -1, 0], [0, 0, -1]], np.int8)


def test_average_precision_by_hand():
    plain, envelope = average_precision(P, S), average_precision(P, S, interpolated=True)
    np.testing.assert_allclose(plain, [(1 + 2 / 3) / 2, 1.0, np.nan])
    np.testing.assert_allclose(envelope, plain)
    # positives at ranks 2 and 3: precisions 1/2 and 2/3, the envelope lifts the first
    rising = np.array([[0.9], [0.8], [0.7]]), np.array([[0], [1], [1]])
    assert average_precision(*rising)[0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert average_precision(*rising, interpolated=True)[0] == pytest.approx(2 / 3)


def test_auroc_by_hand():
    # class 0: of the 4 pairs of a positive and a negative one is in the wrong order; class 1: none; class 2 has no positive
    np.testing.assert_allclose(auroc(P, S), [3 / 4, 1.0, np.nan])
    assert auroc(np.full((3, 1), 0.5), np.array([[1], [0], [0]]))[0] == 0.5  # all tied is no order at all
    assert np.isnan(auroc(np.array([[0.9], [0.1]]), np.array([[1], [-1]]))[0])  # nothing could be wrong


def test_macro_f1_and_f2_by_hand():
    found = mean_f(P, S)
    # class 0: 1 right of 2 predicted, 2 present; class 1: 1 right of 2 predicted, 1 present; class 2 is left out
    assert found.macro_F1 == pytest.approx((2 / 4 + 2 / 3) / 2)
    # 5 right / (4 present + predicted): picture 0 all right, 1 has a wrong tag more, 2 misses its tag, 3 has none to find
    assert pytest.approx((1 + 5 / 6 + 0) / 3) == found.F2
    assert np.isnan(mean_f(P, np.where(S == 0, -1, S)).F2)  # without a known absent cell nothing could be wrong


def test_the_mean_auroc_of_named_classes_needs_all_of_them():
    found = evaluate(P, S, ["a", "b", "c"])
    assert found.mean_auroc(["a", "b"]) == pytest.approx(7 / 8) == found.AUROC
    assert np.isnan(found.mean_auroc(["a", "c"]))  # c has no known positive
    assert np.isnan(found.mean_auroc(["a", "elsewhere"]))
    assert np.isnan(found.mean_auroc([]))


def test_f1_by_hand():
    found = precision_recall_f1(P, S)
    # class 0: right 1 of 2 predicted, 2 present; class 1: right 1 of 2 predicted (the unknown one does not count), 1 present
    assert (found.CP, found.CR) == (0.5, 0.75)
    assert pytest.approx(2 * 0.5 * 0.75 / 1.25) == found.CF1
    assert (pytest.approx(2 / 4), pytest.approx(2 / 3)) == (found.OP, found.OR)


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [
        (np.full((4, 2), 0.5, np.float32), "a threshold that equals the probability is reached"),
        (np.full((4, 2), 0.5, np.float16), "half precision is widened"),
        (np.ones((4, 2), np.int64), "whole numbers are probabilities too"),
    ],
)
def test_number_types(probabilities, reason):
    assert precision_recall_f1(probabilities, np.ones((4, 2))).OR == 1, reason


def test_float32_reaches_a_threshold_written_in_decimal():
    probabilities = np.full((2, 2), 0.7, np.float32)
    assert precision_recall_f1(probabilities, np.ones((2, 2)), [0.7, 0.7]).OR == 1
    assert precision_recall_f1(probabilities, np.ones((2, 2)), [0.7, 0.71]).OR == 0.5


def test_partial_labels_and_arrays_agree():
    np.testing.assert_array_equal(average_precision(P, PartialLabels(S)), average_precision(P, S))


def test_chunks_change_nothing(monkeypatch):
    draw = np.random.default_rng(3)
    p, s = draw.random((50, 9)).astype(np.float32), draw.integers(-1, 2, (50, 9)).astype(np.int8)
    whole = evaluate(p, s, list("abcdefghi")).to_json()
    monkeypatch.setattr(checking, "CHUNK", 100)
    assert evaluate(p, s, list("abcdefghi")).to_json() == whole


@pytest.mark.parametrize("interpolated", [False, True])
@pytest.mark.parametrize(("cores", "labels"), [(1, 9), (2, 9), (3, 2), (16, 5), (4, 0)])
def test_classes_shared_among_cores_change_nothing(monkeypatch, cores, labels, interpolated):
    draw = np.random.default_rng(4)
    p, s = draw.random((6_000, labels)).astype(np.float32), draw.integers(-1, 2, (6_000, labels)).astype(np.int8)
    alone = average_precision(p, s, interpolated)
    monkeypatch.setattr(by_class, "WORTH_THREADS", 0)
    monkeypatch.setattr(by_class, "cores", lambda: cores)
    np.testing.assert_array_equal(average_precision(p, s, interpolated), alone)


def test_json_of_an_evaluation():
    found = evaluate(P, S, ["dog", "cat", "fog"], thresholds=[0.2, 0.6, 0.9]).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["classes_without_positives"] == ["fog"]
    assert found["per_class"]["fog"] == {"ap": None, "ap_interpolated": None, "auroc": None, "positives": 0, "negatives": 3}
    assert found["per_class"]["dog"]["ap"] == pytest.approx(100 * 5 / 6)
    assert found["mAP"] == pytest.approx(100 * (5 / 6 + 1) / 2)
    assert found["mAP_interpolated"] >= found["mAP"]
    assert {"CP", "CR", "CF1", "OP", "OR", "OF1", "CF1_top3", "OF1_top3", "OF1_top3_plain", "CF1_thresholds", "ECE"} <= found.keys()
    assert found["CR_thresholds"] == 100
    assert found["AUROC"] == pytest.approx(100 * (3 / 4 + 1) / 2)
    assert {"macro_F1", "F2", "macro_F1_thresholds", "F2_thresholds"} <= found.keys()


def test_top_three_by_hand():
    """Four classes; the published form wants 0.5 as well (conventions.md, section 4)."""
    probabilities = np.array([[0.9, 0.8, 0.7, 0.6], [0.9, 0.4, 0.3, 0.2], [0.45, 0.1, 0.2, 0.3]])
    labels = np.array([[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1]])
    found = evaluate(probabilities, labels, list("abcd")).to_json()
    # published: 3 of the first picture (2 right), 1 of the second (right), none of the third, where every one is below 0.5
    assert (found["OP_top3"], found["OR_top3"]) == (pytest.approx(100 * 3 / 4), pytest.approx(100 * 3 / 6))
    # plain: 3 of each picture, and 2 + 1 + 2 of these are right
    assert (found["OP_top3_plain"], found["OR_top3_plain"]) == (pytest.approx(100 * 5 / 9), pytest.approx(100 * 5 / 6))
    # published: a 2 right of 2, b 1 of 1, c 0 of 1, d not predicted; present are 2, 1, 1 and 2
    assert (found["CP_top3"], found["CR_top3"]) == (pytest.approx(100 * (1 + 1 + 0 + 0) / 4), pytest.approx(100 * (1 + 1 + 0 + 0) / 4))


ONLY_PRESENT, BOTH = np.array([[0.9], [0.2], [0.6]]), np.array([[0.9, 0.9], [0.2, 0.2], [0.6, 0.6]])


@pytest.mark.parametrize(
    ("states", "undefined", "defined", "reason"),
    [
        (
            [[1], [1], [1]],
            "mAP mAP_interpolated AUROC CP CF1 OP OF1 macro_F1 F2 ECE",
            {"CR": 200 / 3, "OR": 200 / 3},
            "from present cells alone: recall only",
        ),
        ([[1], [-1], [-1]], "mAP AUROC CP CF1 OP OF1 macro_F1 F2 ECE", {"CR": 100, "OR": 100}, "unknown cells are not absent ones"),
        (
            [[0], [0], [0]],
            "mAP AUROC CP CR CF1 OP OR OF1 macro_F1 F2",
            {"ECE": 100 * (0.9 + 0.2 + 0.6) / 3},
            "absent cells alone: calibration only",
        ),
        ([[-1], [-1], [-1]], "mAP AUROC CP CR CF1 OP OR OF1 macro_F1 F2 ECE", {}, "nothing at all"),
    ],
)
def test_one_kind_of_label_alone(states, undefined, defined, reason):
    found = evaluate(ONLY_PRESENT, np.array(states), ["a"], [0.5]).to_json()
    assert [found[name] for name in undefined.split()] == [None] * len(undefined.split()), reason
    assert {name: found[name] for name in defined} == pytest.approx(defined), reason
    assert found["left_out"] or found["mAP"] is not None, "said why"


def test_a_class_of_present_cells_alone_changes_no_number():
    """Its perfect order would be an AP of 100, and its tags could not be wrong."""
    alone = evaluate(BOTH[:, :1], np.array([[0], [1], [1]]), ["a"], [0.5]).to_json()
    found = evaluate(BOTH, np.array([[0, 1], [1, 1], [1, -1]]), ["a", "b"], [0.5, 0.5]).to_json()
    names = [name for name, value in alone.items() if isinstance(value, float)]
    assert len(names) > 20
    assert {name: found[name] for name in names if "top3" not in name} == {name: alone[name] for name in names if "top3" not in name}
    assert found["classes_without_negatives"] == ["b"]
    assert found["left_out"] == ["left out of all numbers, no known absent cell, so that nothing could be wrong: b"]


def test_nothing_known_is_undefined_not_zero():
    found = evaluate(P, np.full(P.shape, -1), ["a", "b", "c"]).to_json()
    assert found["mAP"] is found["CF1"] is found["ECE"] is None
    assert found["classes_without_positives"] == ["a", "b", "c"]


def test_calibration_by_hand():
    # bin of 0.8: observed 1/2, off by 0.3 (two entries); bin of 0.1: observed 0, off by 0.1 (one entry)
    assert expected_calibration_error(np.array([[0.8], [0.8], [0.1]]), np.array([[1], [0], [0]])) == pytest.approx(0.7 / 3)


@pytest.mark.parametrize(
    ("call", "wording"),
    [
        (lambda: average_precision(P, S[:, :2]), r"same shape \(image, label\); came \(4, 3\) and \(4, 2\)"),
        (lambda: average_precision(P * np.nan, S), "probability of row 0, class 0 is nan"),
        (lambda: average_precision(P, S * 2), "labels must be 1 .positive., 0 .negative. or -1 .unknown."),
        (lambda: precision_recall_f1(P * 9 - 4, S), "apply the sigmoid to logits first"),
        (lambda: precision_recall_f1(P, S, [0.5, 0.5]), "one threshold or 3"),
        (lambda: precision_recall_f1(P, S, top_k=0), "top_k must be at least 1, 0 came"),
        (lambda: evaluate(P, S, ["a"]), "3 class names expected .* 1 came"),
    ],
)
def test_errors_say_what_is_wrong(call, wording):
    with pytest.raises(TagLensError, match=wording):
        call()


def test_coco_sized_average_precision_is_quick():
    draw = np.random.default_rng(0)
    p, s = draw.random((40_000, 80), np.float32), (draw.random((40_000, 80)) < 0.04).astype(np.int8)
    started = time.process_time()
    average_precision(p, s)
    assert time.process_time() - started < 2.0, "0.15 s on a quiet machine; a loop over images takes a minute"

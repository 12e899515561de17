"""Calibration with shrinkage, and its cross-fitting."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from taglens.completion.calibration import cross_calibrate, fit_calibration
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.metrics.calibration import expected_calibration_error


def table(images, classes, seed=0, known=0.5, slope=3.0, shift=1.0):
    """Return (stated probabilities, labels, truth): the stated logits are slope times too large and shifted."""
    random = np.random.default_rng(seed)
    right = random.normal(-1, 2, (images, classes))
    truth = random.random((images, classes)) < expit(right)
    labels = np.where(random.random((images, classes)) < known, truth, UNKNOWN).astype(np.int8)
    return expit(slope * right + shift).astype(np.float32), PartialLabels(labels), PartialLabels(truth.astype(np.int8))


def test_calibration_finds_the_distortion_and_mends_it():
    stated, labels, truth = table(5000, 2)
    found = fit_calibration(stated, labels)
    assert found.slopes == pytest.approx(1 / 3, rel=0.1)
    assert found.shifts == pytest.approx(-1 / 3, abs=0.15)
    assert expected_calibration_error(found(stated), truth) < 0.02 < expected_calibration_error(stated, truth)


def test_one_class_alone_is_logistic_regression():
    """With one class the pooled fit is the class's own: scikit-learn without penalty agrees."""
    stated, labels, _ = table(2000, 1, seed=3)
    found = fit_calibration(stated, labels)
    known = labels.known[:, 0]
    values = logit(np.clip(stated[known, 0].astype(float), 1e-6, 1 - 1e-6))[:, None]
    reference = LogisticRegression(C=1e9).fit(values, labels.values[known, 0])
    assert found.slopes[0] == pytest.approx(reference.coef_[0, 0], rel=0.02)
    assert found.shifts[0] == pytest.approx(reference.intercept_[0], abs=0.02)


def test_a_class_with_few_labels_stays_near_all_classes():
    stated, labels, _ = table(2000, 3)
    values = labels.values.copy()
    values[4:, 2] = UNKNOWN
    values[:4, 2] = [1, 1, 0, 1]
    found = fit_calibration(stated, PartialLabels(values))
    assert abs(np.log(found.slopes[2] / found.slopes[0])) < 0.4
    assert (found.slopes > 0).all()


def test_classes_without_labels_take_the_fit_of_all():
    stated, labels, _ = table(500, 2)
    values = labels.values.copy()
    values[:, 1] = UNKNOWN
    found = fit_calibration(stated, PartialLabels(values))
    assert found.slopes[1] == pytest.approx(found.slopes[0], rel=0.05)
    nothing = fit_calibration(stated, PartialLabels(np.full((500, 2), -1, np.int8)))
    assert nothing(stated) == pytest.approx(np.clip(stated, 1e-6, 1 - 1e-6), abs=1e-6)


def test_a_folds_own_labels_do_not_move_its_probabilities():
    stated, labels, _ = table(300, 3)
    folds = np.arange(300) % 3
    before = cross_calibrate(stated, labels, folds)
    flipped = labels.values.copy()
    inside = folds == 1
    flipped[inside] = np.where(labels.known[inside], 1 - labels.values[inside], -1)
    after = cross_calibrate(stated, PartialLabels(flipped), folds)
    assert (after[inside] == before[inside]).all()
    assert (after[~inside] != before[~inside]).any()

"""Probabilities that mean what they say: Platt's sigmoid for every class, drawn towards the one of all classes.

Source: Platt, "Probabilistic outputs for support vector machines", 1999; the shrinkage is a Gaussian prior around all classes' fit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from taglens.labels.states import PartialLabels

SLOPE_SPREAD, SHIFT_SPREAD = 0.3, 1.0
"""How far (standard deviation) a class may lie from all classes: in the logarithm of the slope, and in the shift."""
SMALLEST = 1e-6
"""Probabilities are kept this far from 0 and 1: a float32 holds no more."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """p' = sigmoid(slope * logit(p) + shift); slopes are positive, so the order within a class stays."""

    slopes: NDArray[np.float64]
    shifts: NDArray[np.float64]

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probabilities (image, label)."""
        calibrated = _logits(probabilities)
        calibrated *= self.slopes
        calibrated += self.shifts
        expit(calibrated, out=calibrated)
        return np.clip(calibrated, SMALLEST, 1 - SMALLEST, out=calibrated)


def fit_calibration(probabilities: NDArray[np.float32], labels: PartialLabels) -> Calibration:
    """Fit on the known labels; a class with few of them stays near what fits all classes.

    Args:
        probabilities: (image, label), of a model that was not trained on these labels.
        labels: (image, label); unknown entries are not used. With none known, nothing is changed.
    """
    known = labels.known
    logits = _logits(probabilities)
    together = _fit(logits[known], labels.positive[known], (0.0, 0.0))
    fitted = [_fit(logits[rows, label], labels.positive[rows, label], together) for label, rows in enumerate(known.T)]
    values = np.asarray(fitted, dtype=np.float64).reshape(-1, 2)
    return Calibration(np.exp(values[:, 0]), values[:, 1])


def cross_calibrate(probabilities: NDArray[np.float32], labels: PartialLabels, folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return calibrated probabilities (image, label), each fold's fitted on the labels of the other folds.

    Args:
        probabilities: (image, label), out of fold.
        labels: (image, label).
        folds: the fold of each picture, (image,).
    """
    calibrated = np.empty(probabilities.shape, dtype=np.float64)
    for fold in np.unique(folds):
        inside = folds == fold
        calibrated[inside] = fit_calibration(probabilities[~inside], labels.rows(~inside))(probabilities[inside])
    return calibrated


def _logits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    logits: NDArray[np.float64] = logit(clipped, out=clipped)  # a large table exists once, not four times
    return logits


def _fit(logits: NDArray[np.float64], positive: NDArray[np.bool_], centre: tuple[float, float]) -> tuple[float, float]:
    """Return (logarithm of the slope, shift): the most probable ones, with a Gaussian prior around ``centre``."""
    if not len(logits):
        return centre
    spread = np.array([SLOPE_SPREAD, SHIFT_SPREAD]) if centre != (0.0, 0.0) else np.array([1.0, 10.0])
    target = positive.astype(np.float64)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope = np.exp(values[0])
        scores = slope * logits + values[1]
        error = expit(scores) - target
        away = (values - centre) / spread
        total = np.logaddexp(0, scores).sum() - scores[positive].sum() + 0.5 * (away**2).sum()
        return float(total), np.array([slope * (error * logits).sum(), error.sum()]) + away / spread

    bounds = [(centre[0] - 5, centre[0] + 5), (centre[1] - 50, centre[1] + 50)]
    best = minimize(loss, np.asarray(centre), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(best.x[0]), float(best.x[1])

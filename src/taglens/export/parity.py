"""Whether an exported file says what the recogniser says."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.recognizer import Recognizer
from taglens.runtime import OnnxPredictor

TOLERANCE = 1e-4
"""Largest difference of a probability that a float32 file may show."""


@dataclass(frozen=True)
class Parity:
    """Probabilities of the file against PyTorch's on the same pictures."""

    pictures: int
    largest: float
    """Largest difference of a probability."""
    mean: float
    """Mean difference."""
    same_tags: float
    """Share of the cells (picture, class) that fall on the same side of the threshold."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def compare(recognizer: Recognizer, predictor: OnnxPredictor, pictures: Sequence[Path], batch: int = 8) -> Parity:
    """Predict the pictures with both.

    Raises:
        PictureError: a picture cannot be read.
    """
    # a last batch of another size than the first is part of the check
    expected, came = recognizer.predict(pictures, batch), predictor.predict(pictures, batch + 1)
    return difference(expected, came, recognizer.thresholds)


def difference(expected: NDArray[np.float32], came: NDArray[np.float32], thresholds: NDArray[np.float64]) -> Parity:
    """Compare probabilities (picture, label); a value that is no number counts as a difference of 1."""
    apart = np.nan_to_num(np.abs(expected.astype(np.float64) - came), nan=1.0)
    same = (expected >= thresholds) == (came >= thresholds)
    return Parity(len(expected), float(apart.max()), float(apart.mean()), float(same.mean()))

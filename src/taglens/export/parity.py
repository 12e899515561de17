"""Whether an exported file says what the recogniser says, and the pictures of a run to ask both about."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.source import read_data
from taglens.errors import TagLensError
from taglens.metrics.threshold import reached
from taglens.recognizer import Recognizer
from taglens.runs.folder import find_config
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
    expected, came = recognizer.predict(pictures, batch).probabilities, predictor.predict(pictures, batch + 1)
    return difference(expected, came, recognizer.thresholds)


def difference(expected: NDArray[np.float32], came: NDArray[np.float32], thresholds: NDArray[np.float64]) -> Parity:
    """Compare probabilities (picture, label); a value that is no number counts as a difference of 1."""
    apart = np.nan_to_num(np.abs(expected.astype(np.float64) - came), nan=1.0)
    same = reached(expected, thresholds) == reached(came, thresholds)
    return Parity(len(expected), float(apart.max()), float(apart.mean()), float(same.mean()))


def run_pictures(run: Path, part: Literal["train", "test"], most: int) -> Sequence[Path]:
    """Return at most ``most`` pictures, spread evenly over the part; the training part where the data have no test part.

    Raises:
        TagLensError: the run does not say what it was trained on, or the data have gone.
    """
    config = find_config(run)
    flag = "--pictures" if part == "test" else "--calibration-pictures"
    if config is None:
        raise TagLensError(f"{run} does not say what it was trained on (no config.json); pass {flag} FOLDER")
    try:
        table = read_data(config.data.data, part, config.data.options)
    except TagLensError as error:
        if part == "test":
            return run_pictures(run, "train", most)
        raise TagLensError(f"the run's pictures cannot be read ({error}); pass {flag} FOLDER") from error
    rows = np.unique(np.linspace(0, len(table) - 1, min(most, len(table))).astype(int))
    found = [table.path(int(row)) for row in rows]
    missing = next((path for path in found if not path.is_file()), None)
    if missing is not None:
        raise TagLensError(f"the run's picture {missing} is no longer there; pass {flag} FOLDER")
    return found

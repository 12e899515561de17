"""Hiding labels as the field's published masks do."""

import numpy as np

from taglens.errors import TagLensError
from taglens.labels.states import UNKNOWN, PartialLabels

_ROWS_AT_ONCE = 65_536


def keep_known(labels: PartialLabels, proportion: float, seed: int = 0) -> PartialLabels:
    """Keep about ``proportion`` of all cells and make the others unknown.

    known(i, c) iff numpy.random.RandomState(seed).random_sample((N, C))[i, c] < proportion

    This reproduces the masks published with TaI-DPT and HCP-MLR-PL bit for bit (seed 0, rows in data set order).
    One seed nests: what is known at 10 % is known at 20 %. Nothing unknown becomes known.

    Raises:
        TagLensError: ``proportion`` is outside 0..1.
    """
    require_proportion(proportion)
    random = np.random.RandomState(seed)
    values = labels.values.copy()
    for start in range(0, len(values), _ROWS_AT_ONCE):  # the stream is the same as drawn at once, without its memory
        part = values[start : start + _ROWS_AT_ONCE]
        part[random.random_sample(part.shape) >= proportion] = UNKNOWN
    return PartialLabels(values)


def require_proportion(proportion: float) -> None:
    """Raise TagLensError unless ``proportion`` lies in 0..1."""
    if not 0.0 <= proportion <= 1.0:
        raise TagLensError(f"the known proportion must lie between 0 and 1, came {proportion}; write 0.1 for 10 %")

"""What training will cost, estimated before anything is loaded: features once, then the exact head; no PyTorch.

Times are those of benchmarks/README.md, two cores of the processor named there: a fit takes 2.4 s and 0.24 ms for each known cell (fitted
to 24 classes with 177, 884 and 1,590 cells, choices included), up to the size from which the primal form takes over with 6.5 ns for each
further cell and feature (80 classes of 8,208 cells, 1,024 features); one pass of RN101 at 448 takes a core 0.75 s, at 224 a quarter.
Measured for this estimate, 26 November, the same machine: in the end every picture is scored for every class, known or not, 9 us of a core
(512 channels, 49 positions); one more label in the table takes 30 bytes at the peak (fit_exact on 20,000 pictures, 50 and 400 classes).
"""

from dataclasses import dataclass

import numpy as np

from taglens.gaussian_process.forms import BYTES_PER_ENTRY, MOST_DUAL
from taglens.labels.states import PartialLabels

CELLS_TELLING = 1_000
"""Cells of a class in the last fit, where unknown ones say something: the known ones, and unknown ones at random up to this number."""
KERNEL_BYTES = 1 << 29
"""Of the kernels of the classes that are solved together."""
POSITION_BYTES = 3 << 28
"""Positions are kept in memory up to this size, and read again for every pass beyond it."""
_POSITIONS, _CHANNELS = 49, 512
"""Of the default backbone, RN101 at 224."""
_FEATURES = 4 * _CHANNELS
"""What the kernels see of a cell: two vectors, and 512 landmarks for each."""
_FIXED_SECONDS, _SECONDS_PER_CELL, _SECONDS_PER_LABEL = 2.4, 2.4e-4, 9e-6 / 2
_SECONDS_PER_FURTHER = 6.5e-9 * _FEATURES + 3 * _SECONDS_PER_LABEL
"""Of a cell in the primal form, which is looked at three times."""
_SECONDS_PER_PICTURE = 0.75 / 4 / 2
_FIXED_BYTES, _BYTES_PER_LABEL = 200_000_000, 30
_BYTES_PER_CLASS = 4 * (_FEATURES + _CHANNELS + 98 * 98)
"""Weights, where the class looks, and its deviations (docs/concepts/exact-head.md)."""


@dataclass(frozen=True)
class Costs:
    """What training with the default backbone and the exact head will take on two cores, roughly."""

    feature_seconds: float
    """Once; they are kept."""
    feature_bytes: int
    """On disk."""
    head_seconds: float
    memory_bytes: int
    """At the most, features of one batch of pictures and the programs themselves left out."""


def expected_costs(labels: PartialLabels) -> Costs:
    """Return the costs of training on all of ``labels``."""
    images, classes = labels.shape
    counts = labels.counts()
    cells = counts.positive + counts.negative
    tags_alone = (counts.negative == 0) & (cells > 0)  # unknown cells say something of these
    cells = np.where(tags_alone, np.maximum(cells, min(CELLS_TELLING, images)), cells)
    dual = np.minimum(cells, MOST_DUAL)
    head = _FIXED_SECONDS + _SECONDS_PER_LABEL * images * classes
    head += _SECONDS_PER_CELL * float(dual.sum()) + _SECONDS_PER_FURTHER * float((cells - dual).sum())
    kernels = float(np.square(dual.astype(np.float64)).sum()) * BYTES_PER_ENTRY
    largest = 4 * _FEATURES * int(cells.max(initial=0))
    positions = 4 * images * _POSITIONS * _CHANNELS
    memory = (
        _FIXED_BYTES
        + _BYTES_PER_LABEL * images * classes
        + _BYTES_PER_CLASS * classes
        + 2 * _FEATURES * images  # pooled vectors and their landmarks, float32
        + min(int(kernels), KERNEL_BYTES)
        + largest
        + min(positions, POSITION_BYTES)
    )
    return Costs(_SECONDS_PER_PICTURE * images, 2 * images * (1 + _POSITIONS) * _CHANNELS, head, memory)


def duration_words(seconds: float) -> str:
    """Return a time as people say it.

    >>> [duration_words(seconds) for seconds in (3, 100, 4000, 90_000, 400_000)]
    ['3 seconds', '2 minutes', '1.1 hours', '25 hours', '4.6 days']
    """
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= (1.5 if name == "minutes" else 1) * size and (name != "days" or seconds >= 2 * size):
            number = seconds / size
            return f"{number:.0f} {name}" if number >= 10 or name == "minutes" else f"{number:.1f} {name}"
    return f"{max(1, round(seconds))} second{'s' * (round(seconds) > 1)}"

"""Average precision of 40,000 images against the loop over images of published metric code; and of many classes."""

from collections.abc import Iterable

import numpy as np
import torch

from benchmarks.measure import Line, compared, in_milliseconds, medians, seconds
from benchmarks.references import average_precision as loop
from taglens.metrics.average_precision import average_precision

IMAGES, LABELS = 40_000, 80
LOOPED = 4
"""Classes that the loop is timed on; its time is the same for each, so it is scaled to all."""


def run() -> Iterable[Line]:
    """Yield the comparison and the time for 100,000 x 9,600."""
    random = np.random.default_rng(0)
    scores = random.random((IMAGES, LABELS), dtype=np.float32)
    targets = (random.random((IMAGES, LABELS)) < 0.04).astype(np.int8)
    few = torch.from_numpy(scores[:, :LOOPED]), torch.from_numpy(targets[:, :LOOPED])
    np.testing.assert_allclose(average_precision(scores[:, :LOOPED], targets[:, :LOOPED]), loop.average_precision(*few), rtol=1e-5)
    times = medians({"ours": lambda: average_precision(scores, targets), "theirs": lambda: loop.average_precision(*few)}, repeats=3)
    what = f"AP of {IMAGES:,} x {LABELS} (the loop timed on {LOOPED} classes)"
    yield compared(what, times["ours"], times["theirs"] * LABELS / LOOPED, in_milliseconds, 1000)
    yield _many(random)


def _many(random: np.random.Generator) -> Line:
    images, labels = 100_000, 9_600
    scores = np.empty((images, labels), dtype=np.float32)
    targets = np.empty((images, labels), dtype=np.int8)
    for column in range(0, labels, 100):
        scores[:, column : column + 100] = random.random((images, 100), dtype=np.float32)
        targets[:, column : column + 100] = random.random((images, 100), dtype=np.float32) < 0.01
    return Line(f"AP of {images:,} x {labels:,}", in_milliseconds(seconds(lambda: average_precision(scores, targets))))

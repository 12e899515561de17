"""What every metric asks of its two arrays."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels

Floats: TypeAlias = NDArray[np.floating[Any]]
States: TypeAlias = NDArray[np.int8]
Labels: TypeAlias = PartialLabels | NDArray[Any]

# Entries worked on at once: bounds the memory beyond the two arrays to some 100 MB.
CHUNK = 1 << 22


def checked(probabilities: NDArray[Any], labels: Labels) -> tuple[Floats, States]:
    """Return both arrays (image, label) as floating numbers and int8 states, or say what is wrong with them.

    Raises:
        TagLensError: shapes differ, a label is not 1 / 0 / -1, or a probability is not finite.
    """
    scores = np.asarray(probabilities)
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype(np.float32 if scores.dtype == np.float16 else np.float64)
    states = _states(labels)
    if scores.ndim != 2 or scores.shape != states.shape:
        raise TagLensError(f"probabilities and labels must have the same shape (image, label); came {scores.shape} and {states.shape}")
    for rows in chunks(len(scores), scores.shape[1]):
        _require_finite(scores[rows], rows.start)
    return scores, states


def require_probabilities(scores: Floats) -> None:
    """Raise TagLensError unless all numbers lie within 0..1: a threshold on logits would be silently wrong."""
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise TagLensError(
            f"probabilities between 0 and 1 expected, numbers between {scores.min():.3g} and {scores.max():.3g} came; "
            "apply the sigmoid to logits first"
        )


def chunks(count: int, width: int, parts: int = 1) -> Iterator[slice]:
    """Cut ``count`` rows (or columns) of ``width`` entries into slices, ``parts`` of which have at most CHUNK entries together."""
    step = max(1, min(CHUNK // parts // max(1, width), -(-count // parts)))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _states(labels: Labels) -> States:
    if isinstance(labels, PartialLabels):
        return labels.values
    values = np.asarray(labels)
    states = values.astype(np.int8)
    if not (np.array_equal(states, values) and (not states.size or UNKNOWN <= states.min() <= states.max() <= POSITIVE)):
        raise TagLensError(f"labels must be {POSITIVE} (positive), {NEGATIVE} (negative) or {UNKNOWN} (unknown)")
    return states


def _require_finite(scores: Floats, first: int) -> None:
    finite = np.isfinite(scores)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise TagLensError(f"probability of row {first + row}, class {column} is {scores[row, column]}; a finite number is needed")

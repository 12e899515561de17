"""How concentrated attention is, and whether it points at the object."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the width and height that the attention covers."""


def attention_entropy(attention: NDArray[Any]) -> NDArray[np.float64]:
    """Return how evenly attention is spread: 0 for a single position, 1 for all positions alike.

    H = - sum over p of a_p log a_p / log P,  0 log 0 = 0

    Args:
        attention: (..., position), sum 1; with a single position there is no choice and H is 1.
    """
    weights = np.asarray(attention, np.float64)
    positions = weights.shape[-1]
    if positions == 1:
        return np.ones(weights.shape[:-1])
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    entropy: NDArray[np.float64] = -(weights * logs).sum(-1) / np.log(positions)
    return entropy


def pointing_hit(attention: NDArray[Any], boxes: Sequence[Edges]) -> float:
    """Return 1 if the position with the most attention has its middle in one of the boxes of its class, else 0.

    Several positions with the same attention share the answer, so that even attention scores what pointing at random would.
    Relative to the paper: no margin of 15 pixels around the boxes.

    Args:
        attention: (row, column).
        boxes: of the objects of the class.

    Source: the pointing game, Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016.
    """
    weights = np.asarray(attention)
    rows, columns = np.nonzero(weights == weights.max())
    across, down = (columns + 0.5) / weights.shape[1], (rows + 0.5) / weights.shape[0]
    hits = [(left <= across) & (across <= right) & (top <= down) & (down <= bottom) for left, top, right, bottom in boxes]
    return float(np.any(hits, axis=0).mean()) if hits else 0.0

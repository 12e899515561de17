"""Ways in which labels come to be known, for measuring what holds under each: which cells of a complete table stay known."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Way = Callable[[np.random.Generator, NDArray[np.int8], NDArray[np.float64]], NDArray[np.bool_]]
"""(random, states (image, label), another model's scores (image, label)) -> known (image, label)."""


def at_random(share: float) -> Way:
    """Every cell is known with the same chance."""
    return lambda random, states, scores: random.random(states.shape) < share


def by_value(ratio: float, absent: float = 0.08) -> Way:
    """Present cells are known so many times as often as absent ones."""
    return lambda random, states, scores: random.random(states.shape) < np.where(states == 1, min(1.0, ratio * absent), absent)


def suggested(random: np.random.Generator, states: NDArray[np.int8], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Somebody checked what a model suggested: of each class the tenth of the pictures with the highest scores."""
    found: NDArray[np.bool_] = scores >= np.quantile(scores, 0.9, axis=0)
    return found


def one_annotator(random: np.random.Generator, states: NDArray[np.int8], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """One person checked half of the classes, in a fifth of the pictures; nobody checked the others."""
    classes = random.permutation(states.shape[1])[: max(1, states.shape[1] // 2)]
    known = np.zeros(states.shape, dtype=bool)
    known[:, classes] = (random.random(len(states)) < 0.2)[:, None]
    return known


def tags_alone(random: np.random.Generator, states: NDArray[np.int8], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Half of what is present was written down, and nothing else."""
    return (states == 1) & (random.random(states.shape) < 0.5)


WAYS: dict[str, Way] = {
    "at random, 10 %": at_random(0.1),
    "at random, 30 %": at_random(0.3),
    "present 2 times as often": by_value(2),
    "present 3 times as often": by_value(3),
    "present 10 times as often": by_value(10),
    "what a model suggested": suggested,
    "one annotator's classes": one_annotator,
    "tags alone": tags_alone,
}

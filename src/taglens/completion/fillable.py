"""How many cells could be filled now: what a review shows while it learns; nothing is filled."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.completion.assumption import find_assumption
from taglens.completion.config import Targets
from taglens.completion.filling import fill
from taglens.completion.scores import left_out_scores
from taglens.labels.states import POSITIVE, PartialLabels

PRECISIONS = (0.9, 0.95)


def count_fillable(
    classes: tuple[str, ...],
    probabilities: NDArray[np.float32],
    labels: PartialLabels,
    reviewed: NDArray[np.bool_],
    checked: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the cells that could be filled as present at :data:`PRECISIONS`, and why none can where none can.

    Args:
        classes: names.
        probabilities: (image, label), known cells without their own state.
        labels: (image, label).
        reviewed: (image, label) known cells that somebody was asked about or that follow from others, so that they are no random sample.
        checked: how the labels came about, as the exact head found it.
    """
    if not labels.unknown.any() or not labels.known.any():
        return {
            "cells": dict.fromkeys(map(str, PRECISIONS), 0),
            "why_not": "no cell is unknown" if labels.known.any() else "no cell is known",
        }
    scores = left_out_scores(probabilities, checked)
    assumption = find_assumption(scores, labels.values, reviewed, classes, None, None)
    found = {}
    for precision in PRECISIONS:
        filling = fill(scores.probabilities, labels, Targets(precision=precision), assumption, reviewed=reviewed)
        found[str(precision)] = int(filling.filled(POSITIVE).sum())
    return {"cells": found, "why_not": assumption.refused or ""}

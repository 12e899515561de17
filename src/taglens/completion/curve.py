"""How many cells could be filled at which precision, for all precisions at once: what to ask for, seen before anything is written."""

from typing import Any, NamedTuple

from taglens.completion.assumption import Assumption
from taglens.completion.complete import Completion
from taglens.completion.filling import cells_for, classes_of
from taglens.completion.guarantees.band import Band, guarantee_curve
from taglens.labels.states import POSITIVE

PRECISIONS = (0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)


class Reach(NamedTuple):
    """How far one value could be filled."""

    value: int
    band: Band

    def steps(self) -> list[tuple[float, int]]:
        """Return precisions with the most cells at which they are guaranteed, all of them together."""
        found = [(precision, self.band.most_cells(precision)) for precision in PRECISIONS]
        return [(precision, 0 if point is None else int(self.band.filled[point])) for precision, point in found]

    def nearest(self, asked: float) -> str:
        """Return what could be guaranteed instead of what was asked, in words."""
        point = self.band.nearest(asked)
        if point is None or self.band.precision[point] < PRECISIONS[-1]:
            return "nothing of use can be guaranteed with these known labels: know more of them"
        return f"what could be guaranteed: {self.band.precision[point]:.1%} of {int(self.band.filled[point]):,} cells"


def reach(completion: Completion) -> tuple[Reach, ...]:
    """Return the curves of the values that were asked for; none where nothing may be assumed of the known cells."""
    if completion.assumption.refused:
        return ()
    return tuple(_reach(completion, value, completion.assumption) for value, _ in completion.filling.outcomes())


def _reach(completion: Completion, value: int, assumption: Assumption) -> Reach:
    targets = completion.config.targets
    cells = cells_for(value, completion.filling.probabilities, completion.read, completion.reviewed)
    asked = targets.precision if value == POSITIVE or targets.npv is None else targets.npv
    return Reach(
        value,
        guarantee_curve(
            cells,
            classes_of(completion.read),
            precision=asked,
            confidence=targets.confidence,
            odds=assumption.odds(value),
            seed=completion.config.seed,
        ),
    )


def curve_json(found: tuple[Reach, ...], words: dict[int, str]) -> dict[str, Any]:
    """Return the steps for completion.json."""
    return {words[one.value]: [{"precision": precision, "cells": cells} for precision, cells in one.steps()] for one in found}

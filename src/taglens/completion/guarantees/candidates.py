"""Cells to be filled that an audit will probably confirm: chosen by their probabilities alone, nothing is guaranteed of them yet.

The set is the largest whose expected precision exceeds what is asked by 1.3 standard deviations of what an audit of ``answers`` answers
sees: sets with no such margin pass only every second or third time.
"""

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantees.exact import Cells
from taglens.completion.guarantees.outcome import Outcome, describe

ANSWERS = 150
"""Answers that an audit is expected to get."""
MARGIN = 1.3


def fill_for_audit(
    cells: Cells,
    classes: NDArray[np.int64],
    *,
    precision: float,
    confidence: float,
    odds: float = 1.0,
    above: float = -np.inf,
) -> Outcome:
    """Return the cells that are expected to be right often enough; known cells say nothing here but through the probabilities.

    Args:
        cells: all cells of the table that compete for one value.
        classes: index of each cell's class, (cell,).
        precision: share of the filled cells that must be right.
        confidence: of the audit that will follow.
        odds: of no effect: an audit holds whatever way the known cells came about.
        above: only cells with higher scores may be filled.
    """
    open_scores = np.sort(cells.scores[cells.unknown & (cells.scores > above)])[::-1]
    wanted = precision + MARGIN * np.sqrt(precision * (1 - precision) / ANSWERS)
    means = np.cumsum(open_scores) / np.arange(1, len(open_scores) + 1)
    enough = np.flatnonzero(means >= min(wanted, 1 - (1 - precision) / 10))
    count = len(np.bincount(classes)) if len(classes) else 0
    lowest = float(open_scores[enough[-1]]) if len(enough) else np.inf
    return describe(
        "audit",
        cells,
        classes,
        np.full(count, lowest),
        precision=precision,
        confidence=confidence,
        odds=odds,
        tipping=None,
        reasons=("",) * count,
        reason=f"no set of cells is expected to be right in {precision:.1%} with room for an audit's chance",
    )

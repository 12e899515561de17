"""What a guarantee may assume of the known cells: how much worse the unknown ones may be, or that nothing can be assumed at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taglens.completion.likeness import compare
from taglens.completion.sampling import Ratio, find_ratio, odds_ratio
from taglens.completion.scores import CellScores
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN

MOST_ODDS = 1000.0
"""Odds ratios beyond this are not told as numbers."""
WAY_OUT = (
    "answer a random sample of the cells that would be filled (`taglens complete --guarantee audit`, then `taglens audit`), know more "
    "labels, or name the odds ratio that the guarantee must survive (`--robust 3`)"
)


@dataclass(frozen=True)
class Assumption:
    """What known cells are taken for."""

    present: float
    """Odds ratio G for cells filled as present: the odds of being wrong among unknown cells are at most G times those among known ones."""
    absent: float
    """The same for cells filled as absent."""
    words: str
    """The assumption, in a sentence or two."""
    ratio: float = 1.0
    """Largest number of times as often as absent cells that present ones may have been checked."""
    refused: str = ""
    """Why nothing may be filled; "" if something may."""

    def odds(self, value: int) -> float:
        """Return G for cells filled with ``value``."""
        return self.present if value == POSITIVE else self.absent


def find_assumption(
    scores: CellScores,
    states: NDArray[np.int8],
    reviewed: NDArray[np.bool_],
    classes: tuple[str, ...],
    robust: float | None,
    pooled: NDArray[np.float32] | None,
) -> Assumption:
    """Return what can be assumed of the known cells that nobody chose to look at.

    Args:
        scores: of all cells, without their own states.
        states: (image, label).
        reviewed: (image, label), known cells that somebody chose to look at.
        classes: names.
        robust: the odds ratio that a person names; None: as the table says.
        pooled: (image, channel) vectors of the pictures; None: pictures are not compared.
    """
    sampled = np.where(reviewed, np.int8(UNKNOWN), states)
    if not (sampled == NEGATIVE).any() or not (sampled == POSITIVE).any():
        kind, other = ("absent", "present") if (sampled == POSITIVE).any() else ("present", "absent")
        said = f"Only {other} cells are known, so nothing says how often a guess is wrong."
        return Assumption(1.0, 1.0, said, refused=f"no {kind} cell is known, so nothing says how often a guess would be wrong; {WAY_OUT}")
    if robust is not None:
        return Assumption(robust, robust, f"As asked, {_odds_words(robust)}.", robust)
    if not (sampled == UNKNOWN).any():
        return Assumption(1.0, 1.0, "Every cell is known.")
    ratio = find_ratio(scores.known_logits, sampled)
    if ratio is None:
        few = (
            "too few known labels to tell how the known cells came about (no class has 3 known present, a known absent and an unknown cell)"
        )
        return Assumption(1.0, 1.0, few[0].upper() + few[1:] + ".", refused=f"{few}; {WAY_OUT}")
    present, absent = odds_ratio(sampled, ratio.high, POSITIVE), odds_ratio(sampled, ratio.low, NEGATIVE)
    words = _words(ratio, present)
    found = compare(scores.probabilities, sampled, ratio.best, pooled)
    if not ratio.told or found.doubted:
        return Assumption(present, absent, words, ratio.high, _doubt(ratio, found.classes, found.pictures, classes))
    return Assumption(present, absent, words, ratio.high)


def _words(ratio: Ratio, odds: float) -> str:
    alike = "alike, or nearly, as far as scores tell" if ratio.at_random else "as far as scores tell"
    return (
        f"Present cells were checked {ratio.low:.2f} to {ratio.high:.2f} times as often as absent ones ({alike}). Counted with is the "
        f"worse end: {_odds_words(odds)}."
    )


def _odds_words(odds: float) -> str:
    if odds > MOST_ODDS:  # as many digits as one likes, and no meaning
        return "nearly every present cell may be known already, so that no odds can be named for the unknown ones"
    return f"the odds of being wrong are taken to be at most {odds:.2f} times as high among unknown cells as among known ones"


def _doubt(ratio: Ratio, columns: tuple[int, ...], pictures: bool, classes: tuple[str, ...]) -> str:
    reasons = []
    if columns:
        names = ", ".join(repr(classes[column]) for column in columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")
        reasons.append(f"known cells of {names} have other scores than a sample would")
    if pictures:
        reasons.append("pictures with known cells can be told from the others by what they show")
    if not ratio.told:
        reasons.append("no ratio between checked present and checked absent cells explains the table")
    return f"the known cells are no random sample of the others ({'; '.join(reasons)}); {WAY_OUT}"

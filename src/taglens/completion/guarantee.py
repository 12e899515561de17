"""Which cells can be filled so that the share of right ones is at least what was asked, with the confidence that was asked.

The known labels of a class are taken as a random sample of its cells. Then, among the cells whose score reaches a threshold, the
known ones are a random sample too, and what they show bounds how many of the *unknown* ones are right: exactly, for this finite
table, by the hypergeometric distribution. It is Clopper and Pearson's exact test for the cells that are really filled; for a table
that is large beside its known part it becomes the binomial one, which is never stricter.

Many thresholds are tried without spending the confidence more than once by fixed-sequence testing: they are tested one after the
other, from few cells to many, and the first that fails ends it. Where the sequence begins is chosen from scores, not from labels.

Sources: Clopper and Pearson, Biometrika 1934; Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test", 2021 (fixed-sequence
testing of thresholds); Krishnamoorthy and Peng, "Improved closed-form prediction intervals", 2011 (the prediction form).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import hypergeom

Group = TypeVar("Group")

STEP = 1.1
"""Each set of the sequence holds so many times the cells of the one before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """The cells that compete to be filled with one value; all arrays are (cell,)."""

    scores: NDArray[np.float64]
    """Probability that the value is right; the highest are filled first."""
    sampled: NDArray[np.bool_]
    """Known at random: labels that the data gave."""
    reviewed: NDArray[np.bool_]
    """Known because somebody chose to look: no random sample, but no cell to fill either."""
    right: NDArray[np.bool_]
    """Known to have the value; only read where a cell is sampled or reviewed."""

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """The cells that can be filled."""
        return ~(self.sampled | self.reviewed)


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """What can be said of the cells at or above a threshold."""

    threshold: float | None
    """Lowest score that is filled; None: nothing can be guaranteed."""
    sampled: int = 0
    """Randomly known cells at or above the threshold (or in the first set that was tested)."""
    right: int = 0
    """Those of them that have the value."""
    reason: str = ""
    """Why nothing is guaranteed; "" if something is."""


def p_value(
    right: NDArray[np.int64],
    sampled: NDArray[np.int64],
    unknown: NDArray[np.int64],
    target: float,
    *,
    reviewed_right: NDArray[np.int64] | int = 0,
    reviewed: NDArray[np.int64] | int = 0,
) -> NDArray[np.float64]:
    """Return the exact probability of so many right known cells if fewer than ``target`` of the unknown cells were right.

    P(X >= right), X hypergeometric: ``sampled`` drawn of sampled + reviewed + unknown cells, of which right + j are right;
    j = ceil(target * unknown) - 1 + reviewed_right is the most that fails. Where nothing is unknown the answer is 0.

    Args:
        right: known cells that have the value, (set,).
        sampled: known cells, (set,).
        unknown: cells that would be filled, (set,).
        target: share of them that must be right.
        reviewed_right: cells known because they were chosen, that have the value, (set,).
        reviewed: all cells known because they were chosen, (set,).
    """
    failing = right + np.maximum(_wanted(target, unknown) - 1, 0) + reviewed_right
    found: NDArray[np.float64] = hypergeom.sf(right - 1, sampled + reviewed + unknown, failing, sampled)
    return np.where(np.asarray(unknown) == 0, 0.0, found)


def find_guarantee(cells: Cells, target: float, confidence: float, *, most: int | None = None) -> Guarantee:
    """Return the lowest threshold at which at least ``target`` of the filled cells are right, with the confidence that was asked.

    P(share of right cells among those filled >= target) >= confidence.

    Args:
        cells: what competes.
        target: share of the filled cells that must be right, 0..1.
        confidence: probability that the guarantee holds, 0..1.
        most: no more cells than these, known ones counted, lie above the threshold; None: no limit.
    """
    ranked = np.sort(cells.scores)[::-1]
    share = float(cells.sampled.mean())
    first = fewest_cells(share, len(ranked), target, confidence)
    if first is None:
        return Guarantee(threshold=None, sampled=int(cells.sampled.sum()), reason=_too_few(cells, target, confidence))
    sizes = _sequence(ranked, first, target, len(ranked) if most is None else most)
    if not len(sizes):
        return Guarantee(threshold=None, reason="the cells that could be promised were filled with the other value")
    thresholds = ranked[sizes - 1]
    reached = [np.searchsorted(np.sort(cells.scores[kind]), thresholds) for kind in _kinds(cells)]
    sampled, right, reviewed, reviewed_right, unknown = (
        np.count_nonzero(kind) - below for kind, below in zip(_kinds(cells), reached, strict=True)
    )
    last = -1
    for step in range(len(sizes)):
        one = slice(step, step + 1)
        found = p_value(right[one], sampled[one], unknown[one], target, reviewed_right=reviewed_right[one], reviewed=reviewed[one])
        if found[0] > 1 - confidence:
            break
        last = step
    if last < 0:
        reason = _failed(int(sampled[0]), int(right[0]), int(unknown[0]), target, confidence)
        return Guarantee(threshold=None, sampled=int(sampled[0]), right=int(right[0]), reason=reason)
    return Guarantee(threshold=float(thresholds[last]), sampled=int(sampled[last]), right=int(right[last]))


def fewest_cells(share: float, cells: int, target: float, confidence: float) -> int | None:
    """Return the fewest cells of which a guarantee is possible if all known ones among them are right; None if there are too few.

    Args:
        share: known share of the cells.
        cells: how many there are.
        target: share of the filled cells that must be right.
        confidence: probability that the guarantee holds.
    """
    sizes = np.arange(1, cells + 1)
    sampled = np.floor(share * sizes)
    failing = sampled + np.maximum(_wanted(target, sizes - sampled) - 1, 0)
    # Every one of the sample right: C(failing, sampled) / C(sizes, sampled).
    logarithm = gammaln(failing + 1) - gammaln(failing - sampled + 1) - gammaln(sizes + 1) + gammaln(sizes - sampled + 1)
    enough = np.flatnonzero((logarithm <= np.log(1 - confidence)) & (sampled > 0))
    return int(sizes[enough[0]]) if len(enough) else None


def guarantee_many(
    groups: Iterable[Group], guarantee: Callable[[Group, float], Guarantee], *, tried: int, confidence: float
) -> dict[Group, Guarantee]:
    """Return a guarantee, or why there is none, for each group.

    Each is made at the level (1 - confidence) R / m, where R of m groups get a guarantee: then the expected share of broken ones
    among those that are made is at most 1 - confidence. R is found from above, as in Benjamini and Hochberg's procedure.

    Args:
        groups: a class, or several that are taken together.
        guarantee: makes the guarantee of a group at a confidence.
        tried: m, the number of groups before any label was looked at.
        confidence: share of the guarantees that hold, on average.
    """
    found = {group: guarantee(group, confidence) for group in groups}
    before = tried
    while 0 < (made := sum(one.threshold is not None for one in found.values())) < before:
        before = made
        stricter = 1 - (1 - confidence) * made / tried
        found |= {group: guarantee(group, stricter) for group, one in found.items() if one.threshold is not None}
    return found


def _wanted(target: float, unknown: NDArray[np.int64]) -> NDArray[np.int64]:
    """Right cells that keep the guarantee; the small number forgives 0.9 * 10 = 9.000000000000002."""
    wanted: NDArray[np.int64] = np.ceil(target * unknown - 1e-9).astype(np.int64)
    return wanted


def _sequence(ranked: NDArray[np.float64], first: int, target: float, most: int) -> NDArray[np.int64]:
    """Return the sizes of the sets to test, in order: from the one that the scores expect to pass most clearly, to more cells."""
    steps = int(np.log(max(len(ranked) / first, 1)) / np.log(STEP)) + 2
    sizes = np.minimum(np.ceil(first * STEP ** np.arange(steps)), len(ranked)).astype(np.int64)
    tied = len(ranked) - np.searchsorted(ranked[::-1], ranked[sizes - 1])  # cells of equal score are filled together
    sizes = np.unique(tied[tied <= most])
    if not len(sizes):
        return sizes
    expected = np.cumsum(ranked)[sizes - 1] / sizes
    start = int(((expected - target) * np.sqrt(sizes)).argmax())
    return sizes[start:]


def _kinds(cells: Cells) -> tuple[NDArray[np.bool_], ...]:
    return (cells.sampled, cells.sampled & cells.right, cells.reviewed, cells.reviewed & cells.right, cells.unknown)


def _too_few(cells: Cells, target: float, confidence: float) -> str:
    known = int(cells.sampled.sum())
    needed = int(np.ceil(np.log(1 - confidence) / np.log(target))) if target < 1 else None
    wanted = "no sample shows that all are right" if needed is None else f"at least {needed} known cells are needed even if all are right"
    return f"too few known labels ({known:,}): {wanted}"


def _failed(sampled: int, right: int, unknown: int, target: float, confidence: float) -> str:
    shown = f"{right:,} of the {sampled:,} known cells it is surest of are right ({right / max(1, sampled):.0%})"
    better = np.arange(right + 1, sampled + 1)
    enough = better[p_value(better, np.full_like(better, sampled), np.full_like(better, unknown), target) <= 1 - confidence]
    needed = f"{enough[0]:,} would be needed" if len(enough) else "more known labels would be needed"
    return f"{shown}: {needed} to promise {target:.1%}".replace(".0%", "%")

"""Many thresholds tried without spending the confidence more than once: fixed-sequence testing.

Sets of cells are tested one after the other, from few cells to many, and the first that fails ends it. Where the sequence begins is
chosen from scores, not from labels.

Source: Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test", 2021 (fixed-sequence testing of thresholds).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from taglens.completion.guarantees.exact import Cells, Counts, p_value, wanted
from taglens.completion.guarantees.odds import shifted, tipping_point

Group = TypeVar("Group")

STEP = 1.05
"""Each set of the sequence holds so many times the cells of the one before."""

MOST_NEEDED = 1_000_000
"""Numbers of known cells beyond this are not told: they say nothing to anybody."""


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
    tipping: float | None = None
    """Largest odds ratio at which this sequence of tests would still have reached the threshold."""


def find_guarantee(cells: Cells, target: float, confidence: float, *, most: int | None = None, odds: float = 1.0) -> Guarantee:
    """Return the lowest threshold at which at least ``target`` of the filled cells are right, with the confidence that was asked.

    P(share of right cells among those filled >= target) >= confidence.

    Args:
        cells: what competes.
        target: share of the filled cells that must be right, 0..1.
        confidence: probability that the guarantee holds, 0..1.
        most: no more cells than these, known ones counted, lie above the threshold; None: no limit.
        odds: how much higher the odds of being unknown are for wrong cells than for right ones.
    """
    ranked = np.sort(cells.scores)[::-1]
    share = float(cells.sampled.mean()) if len(ranked) else 0.0
    first = fewest_cells(share, len(ranked), shifted(target, odds), confidence)
    if first is None:
        return Guarantee(threshold=None, sampled=int(cells.sampled.sum()), reason=_too_few(cells, shifted(target, odds), confidence))
    sizes = _sequence(ranked, first, shifted(target, odds), len(ranked) if most is None else most)
    if not len(sizes):
        return Guarantee(threshold=None, reason="the cells that could be promised were filled with the other value")
    thresholds = ranked[sizes - 1]
    counts = counts_above(cells, thresholds)
    last = -1
    while last + 1 < len(sizes) and counts[last + 1 : last + 2].p_value(target, odds)[0] <= 1 - confidence:
        last += 1
    if last < 0:
        sampled, right = int(counts.sampled[0]), int(counts.right[0])
        reason = _failed(sampled, right, int(counts.unknown[0]), target, confidence, odds)
        return Guarantee(threshold=None, sampled=sampled, right=right, reason=reason)
    return Guarantee(
        threshold=float(thresholds[last]),
        sampled=int(counts.sampled[last]),
        right=int(counts.right[last]),
        tipping=_tipping(counts[: last + 1], target, confidence, odds),
    )


def counts_above(cells: Cells, thresholds: NDArray[np.float64]) -> Counts:
    """Return what the cells at or above each threshold hold, (threshold,)."""
    kinds = (cells.sampled, cells.sampled & cells.right, cells.reviewed, cells.reviewed & cells.right, cells.unknown)
    found = [np.count_nonzero(kind) - np.searchsorted(np.sort(cells.scores[kind]), thresholds) for kind in kinds]
    return Counts(sampled=found[0], right=found[1], reviewed=found[2], reviewed_right=found[3], unknown=found[4])


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
    failing = sampled + np.maximum(wanted(target, sizes - sampled) - 1, 0)
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


def _tipping(passed: Counts, target: float, confidence: float, odds: float) -> float:
    """Return the largest odds ratio at which every set that passed still does: one that fails lowers it, the others need no search."""
    found = np.inf
    for step in reversed(range(len(passed.sampled))):
        one = passed[step : step + 1]

        def holds(ratio: float, one: Counts = one) -> bool:
            return bool(one.p_value(target, ratio)[0] <= 1 - confidence)

        if found == np.inf or not holds(found):
            found = tipping_point(holds, odds)
    return found


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


def _too_few(cells: Cells, target: float, confidence: float) -> str:
    known = int(cells.sampled.sum())
    needed = int(np.ceil(np.log(1 - confidence) / np.log(target))) if target < 1 else None
    if needed is None or needed > MOST_NEEDED:
        wanted = "no sample that anybody would label shows that so many are right"
    else:
        wanted = f"at least {needed:,} known cells are needed even if all are right"
    return f"too few known labels ({known:,}): {wanted}"


def _failed(sampled: int, right: int, unknown: int, target: float, confidence: float, odds: float) -> str:
    shown = f"{right:,} of the {sampled:,} known cells it is surest of are right ({right / max(1, sampled):.0%})"
    better = np.arange(right + 1, sampled + 1)
    enough = better[p_value(better, np.full_like(better, sampled), np.full_like(better, unknown), target, odds=odds) <= 1 - confidence]
    needed = f"{enough[0]:,} would be needed" if len(enough) else "more known labels would be needed"
    return f"{shown}: {needed} to promise {target:.1%}".replace(".0%", "%")

"""A guarantee for each class by itself: at least the asked share of the cells filled in that class is right.

Guarantees of many classes are made at a stricter level (Benjamini and Yekutieli), so that on average at most 1 - confidence of those
that are made are broken. Every class that is tried makes it stricter for the others: classes of which the scores say that they cannot
pass are not tried. The scores are calibrated without the labels of the cells they judge, as is the start of the sequence of tests.

Sources: Benjamini and Yekutieli, JASA 2005 (selected statements); Genovese, Roeder and Wasserman, Biometrika 2006 (weights from
other evidence than the tests').
"""

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantees.exact import Cells
from taglens.completion.guarantees.odds import shifted
from taglens.completion.guarantees.outcome import Outcome, describe
from taglens.completion.guarantees.sequence import Guarantee, find_guarantee, guarantee_many

CLEARANCE = 1.28
"""A class is tried if its expected precision lies so many standard errors above what was asked: then it passes alone in most tables."""


def guarantee_classes(
    cells: Cells,
    classes: NDArray[np.int64],
    *,
    precision: float,
    confidence: float,
    odds: float = 1.0,
    above: NDArray[np.float64] | None = None,
) -> Outcome:
    """Return the cells that can be filled so that in each class at least ``precision`` of them are right.

    The expected share of broken guarantees among those that are made is at most 1 - confidence. Each class is tested by itself, so that
    their known shares may differ.

    Args:
        cells: all cells of the table that compete for one value.
        classes: index of each cell's class, 0 to the number of classes - 1, (cell,).
        precision: share of the filled cells of a class that must be right.
        confidence: share of the guarantees that hold, on average.
        odds: how much higher the odds of being unknown are for wrong cells than for right ones.
        above: only cells with higher scores may be filled, (class,); None: all may.
    """
    order = np.argsort(classes, kind="stable")
    each = [cells.where(rows) for rows in np.split(order, np.cumsum(np.bincount(classes))[:-1])]
    reasons = [_lacking(one) for one in each]
    tried = []
    for column, one in enumerate(each):
        if not reasons[column]:
            z = clearance(np.sort(one.scores)[::-1], float(one.sampled.mean()), shifted(precision, odds), confidence)
            if z > CLEARANCE:
                tried.append(column)
            else:
                reasons[column] = (
                    f"not tried: its scores and its {int(one.sampled.sum()):,} known cells make {precision:.1%} unlikely to be shown"
                )

    def guarantee(column: int, level: float) -> Guarantee:
        most = None if above is None else int((each[column].scores > above[column]).sum())
        return find_guarantee(each[column], precision, level, most=most, odds=odds)

    found = guarantee_many(tried, guarantee, tried=len(tried), confidence=confidence)
    thresholds = np.full(len(each), np.inf)
    for column, made in found.items():
        reasons[column] = made.reason
        thresholds[column] = np.inf if made.threshold is None else made.threshold
    tipping = [made.tipping for made in found.values() if made.tipping is not None]
    return describe(
        "class",
        cells,
        classes,
        thresholds,
        precision=precision,
        confidence=confidence,
        odds=odds,
        tipping=min(tipping, default=None),
        reasons=tuple(reasons),
        reason=f"none of {len(each):,} classes can be guaranteed by itself, {len(tried):,} were tried",
    )


def clearance(ranked: NDArray[np.float64], share: float, precision: float, confidence: float) -> float:
    """Return by how many standard errors the best set's expected precision lies above what was asked; -inf where none is large enough.

    max over k of (mean of the k highest scores - a) sqrt(share k) / sqrt(a (1 - a)), over sets with 0.9 ln(1 - confidence) / ln(a)
    known cells, fewer than which show nothing even if all are right.

    Args:
        ranked: scores, the highest first, (cell,).
        share: known share of the cells.
        precision: a, share of the filled cells that must be right.
        confidence: of a class's guarantee.
    """
    sizes = np.arange(1, len(ranked) + 1)
    enough = share * sizes >= 0.9 * np.log(1 - confidence) / np.log(precision)
    if not enough.any():
        return -np.inf
    errors = (np.cumsum(ranked) / sizes - precision) * np.sqrt(share * sizes / (precision * (1 - precision)))
    return float(errors[enough].max())


def _lacking(cells: Cells) -> str:
    if not cells.unknown.any():
        return "no unknown cell"
    if not cells.sampled.any():
        return "never known: no label of this class was given, so nothing says how good a guess is"
    return ""

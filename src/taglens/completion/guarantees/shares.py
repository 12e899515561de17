"""Classes of which unequal shares are known, made comparable so that they can be taken together.

Pooling needs every cell to be known with the same chance. Classes are first put into groups of one share each: a group is divided
while a chi-square test says that its classes differ. Then known cells of the more known groups are set aside at random until the odds
of being known are the same everywhere: those that stay are one random sample of the cells that are left. Groups known so little that
keeping them would cost more cells than they bring are left out; which, is decided from scores and shares, never from labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from taglens.completion.guarantees.exact import Cells

LEVEL = 0.2
"""How often classes of one share are still divided: often, because that costs a few known cells, and the opposite error the level."""
CLEARANCE = 2.0
"""Standard errors by which the expected precision of a set must clear what was asked, so that it is expected to be filled."""
CANDIDATES = 20
"""Shares that are weighed against each other, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Cells that can be taken together."""

    joined: NDArray[np.bool_]
    """(cell,) those whose known ones are a random sample of them all; known cells that were set aside are not among them."""
    reasons: tuple[str, ...]
    """Why a class is not among them; "" where it is, (class,)."""


def pool_classes(cells: Cells, classes: NDArray[np.int64], *, precision: float, seed: int = 0) -> Pool:
    """Return the cells that can be taken together, so that each is known with the same chance.

    Args:
        cells: all that compete.
        classes: index of each cell's class, (cell,).
        precision: share of the known cells that will have to be right, for choosing the groups.
        seed: of which known cells are set aside.
    """
    total = np.bincount(classes)
    known = np.bincount(classes[cells.sampled], minlength=len(total))
    unknown = np.bincount(classes[cells.unknown], minlength=len(total))
    reasons = np.full(len(total), "", dtype=object)
    reasons[known == 0] = "never known: no label of this class was given, so nothing says how good a guess is"
    reasons[unknown == 0] = "no unknown cell"
    groups = equal_shares(known, total, np.flatnonzero(reasons == ""))
    if len(groups) < 2:
        return Pool(joined=(reasons == "")[classes], reasons=tuple(reasons))
    shares = np.zeros(len(total))
    for group in groups:
        shares[group] = known[group].sum() / total[group].sum()
    lowest = _best_lowest(cells, shares[classes], precision)
    for group in groups:
        if shares[group[0]] < lowest:
            reasons[group] = (
                f"{shares[group[0]]:.1%} of its cells are known, of other classes {lowest:.1%} and more: too few to be taken together with "
                "them; complete such classes by themselves, or check more of them"
            )
    return Pool(joined=_thinned(cells, classes, shares, lowest, seed) & (reasons == "")[classes], reasons=tuple(reasons))


def equal_shares(known: NDArray[np.int64], total: NDArray[np.int64], members: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return groups of classes whose known shares do not differ by more than chance, each an array of class indices.

    A group is divided where that raises the binomial likelihood most, while its chi-square test of homogeneity says less than ``LEVEL``.

    Args:
        known: known cells, (class,).
        total: all cells, (class,).
        members: classes to divide, (member,).
    """
    if len(members) < 2:
        return [members] if len(members) else []
    ordered = members[np.argsort(known[members] / total[members], kind="stable")]
    hits, cells = known[ordered], total[ordered]
    share = hits.sum() / cells.sum()
    if share in (0.0, 1.0):
        return [members]
    statistic = ((hits - share * cells) ** 2 / (cells * share * (1 - share))).sum()
    if chi2.sf(statistic, len(members) - 1) >= LEVEL:
        return [members]
    below, above = np.cumsum(hits)[:-1], np.cumsum(cells)[:-1]
    gain = _likelihood(below, above) + _likelihood(hits.sum() - below, cells.sum() - above)
    cut = int(gain.argmax()) + 1
    return equal_shares(known, total, ordered[:cut]) + equal_shares(known, total, ordered[cut:])


def expected_fill(ranked: NDArray[np.float64], share: float, precision: float) -> float:
    """Return how many cells the scores expect to be filled: the most whose expected precision clears the noise of their known ones.

    Args:
        ranked: scores, the highest first, (cell,).
        share: known share of the cells.
        precision: share of the known cells that will have to be right.
    """
    sizes = np.arange(1, len(ranked) + 1)
    errors = (np.cumsum(ranked) / sizes - precision) * np.sqrt(share * sizes / (precision * (1 - precision)))
    passing = np.flatnonzero(errors >= CLEARANCE)
    return float(sizes[passing[-1]] * (1 - share)) if len(passing) else 0.0


def _likelihood(hits: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.float64]:
    share = hits / cells
    found: NDArray[np.float64] = hits * np.log(np.maximum(share, 1e-300)) + (cells - hits) * np.log(np.maximum(1 - share, 1e-300))
    return found


def _best_lowest(cells: Cells, shares: NDArray[np.float64], precision: float) -> float:
    """Return the known share to which all are brought: of the groups' shares, the one at which most cells are expected to be filled."""
    candidates = np.unique(shares[shares > 0])
    candidates = candidates[np.unique(np.linspace(0, len(candidates) - 1, CANDIDATES).astype(np.int64))]
    order = np.argsort(-cells.scores)
    ranked, of_cell = cells.scores[order], shares[order]
    fills = [expected_fill(ranked[of_cell >= one], float(one), precision) for one in candidates]
    return float(candidates[int(np.argmax(fills))])


def _thinned(cells: Cells, classes: NDArray[np.int64], shares: NDArray[np.float64], lowest: float, seed: int) -> NDArray[np.bool_]:
    """Return the cells that stay; a known one does with the chance that makes its odds of being known those of the lowest share."""
    with np.errstate(divide="ignore"):
        stays = np.where(shares > 0, lowest / (1 - lowest) * (1 - shares) / shares, 0.0)
    drawn = np.random.default_rng(seed).random(len(classes))
    return ~cells.sampled | (drawn < stays[classes])

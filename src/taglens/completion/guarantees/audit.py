"""A check of the cells that are filled: a simple random sample of them, answered by a person, and the bound that follows.

It needs nothing of how the known labels came about, nor of the model: only that the answers are right.

Sources: Clopper and Pearson, Biometrika 1934; for a finite population Buonaccorsi, "A note on confidence intervals for proportions in
finite populations", The American Statistician 1987.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from taglens.completion.guarantees.exact import Counts, wanted
from taglens.completion.guarantees.odds import at_most
from taglens.errors import TagLensError

ASSUMPTION = (
    "The sample was drawn at random from the filled cells. Cells that were not answered are taken as skipped without regard to what they "
    "show: the first bound leaves them out. The strict bound counts each of them as wrong and needs no such assumption. An answer "
    '"can\'t tell" counts as wrong in both.'
)


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the answers say of all filled cells."""

    filled: int
    right: int
    """Answers that the filled value is right."""
    wrong: int
    """Answers that it is wrong."""
    unsure: int
    """Answers "can't tell", counted as wrong."""
    unanswered: int
    confidence: float
    precision: float
    """At least this share of all filled cells is right, if what was not answered was left out by chance."""
    strict: float
    """The same with every unanswered cell counted as wrong."""
    assumption: str = ASSUMPTION


def answers_needed(precision: float, confidence: float, *, wrong: int = 0, filled: int | None = None) -> int | None:
    """Return the fewest answers that show a precision if so many of them are wrong; None if not even all cells would do.

    The smallest n with P(at most ``wrong`` of n are wrong) <= 1 - confidence, where a share 1 - precision of the cells is wrong.

    Args:
        precision: share of the filled cells that must be right.
        confidence: of the bound.
        wrong: wrong answers that may come.
        filled: cells that are filled; None: so many that their number plays no part.
    """
    if filled is None:
        low, high = wrong + 1, wrong + 2
        while binom.cdf(wrong, high, 1 - precision) > 1 - confidence:
            low, high = high, 2 * high
        numbers = np.arange(low, high + 1)
        return int(numbers[np.flatnonzero(binom.cdf(wrong, numbers, 1 - precision) <= 1 - confidence)[0]])
    numbers = np.arange(wrong + 1, filled + 1)
    right = int(wanted(precision, np.array([filled]))[0]) - 1  # the most that is still too few
    shown = at_most(np.array(wrong), np.array(filled - right), np.array(right), numbers) <= 1 - confidence
    return int(numbers[np.flatnonzero(shown)[0]]) if shown.any() else None


def draw_audit(filled: NDArray[np.bool_], answers: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return the places of a simple random sample of the filled cells, in the order in which to ask, (answer,).

    The order is random too, so that whoever stops early has still answered a random sample, unless the answers made them stop.

    Args:
        filled: (cell,) or (image, label); places count along the flattened array.
        answers: how many to ask for; all cells if there are fewer.
        seed: same seed and cells, same sample.

    Raises:
        TagLensError: nothing is filled, or no answer is asked for.
    """
    places = np.flatnonzero(filled)
    if not len(places) or answers < 1:
        raise TagLensError(f"an audit needs filled cells and at least 1 answer, came {len(places):,} cells and {answers} answers")
    drawn: NDArray[np.int64] = np.random.default_rng(seed).permutation(places)[:answers]
    return drawn


def audit_bound(*, filled: int, right: int, wrong: int, unsure: int = 0, unanswered: int = 0, confidence: float) -> Audit:
    """Return the exact one-sided bound of the share of right cells among all that are filled, the audited ones as they were filled.

    Args:
        filled: cells that are filled.
        right: answers that the value is right.
        wrong: answers that it is wrong.
        unsure: answers "can't tell".
        unanswered: cells of the sample without an answer.
        confidence: probability that the bound holds.

    Raises:
        TagLensError: there are more answers than filled cells, or a number is negative.
    """
    asked = right + wrong + unsure + unanswered
    if min(right, wrong, unsure, unanswered) < 0 or asked > filled or filled < 1:
        raise TagLensError(f"an audit asks for 0 to all of the filled cells: {filled:,} are filled, {asked:,} were asked for")
    return Audit(
        filled=filled,
        right=right,
        wrong=wrong,
        unsure=unsure,
        unanswered=unanswered,
        confidence=confidence,
        precision=_bound(filled, right, right + wrong + unsure, confidence),
        strict=_bound(filled, right, asked, confidence),
    )


def _bound(filled: int, right: int, answered: int, confidence: float) -> float:
    none = np.array([0])
    counts = Counts(
        sampled=np.array([answered]), right=np.array([right]), reviewed=none, reviewed_right=none, unknown=np.array([filled - answered])
    )
    rest = 0.0 if filled == answered else float(counts.lower_bound(confidence)[0]) * (filled - answered)
    return (right + rest) / filled

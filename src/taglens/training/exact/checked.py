"""How the labels came about: what share of the present and of the absent cells somebody checked.

With c1 = P(known | present), c0 = P(known | absent) and the ratio r = c1 / c0, a class with P known present and A known absent cells among
N pictures has

    c0 = (P / r + A) / N,    c1 = r c0,    prevalence = P / (P + r A),

so that r alone is searched for, common to all classes; with tags alone c0 = 0, and c1, common to all classes, is searched for. What is
searched for is the highest leave-one-out likelihood of all states, unknown included: the evidence, tried too, overrates c1 (docs/log.md).

Most unknown cells can be left out. If each is kept with probability f, then among the kept cells, with t1 = c1 + f (1 - c1) and
t0 = c0 + f (1 - c0),

    P(present, known | kept) = c1 s / (t1 s + t0 (1 - s)) = (c1 / t1) s',   s' = sigma(z + log t1 / t0),

and so on: the same likelihood with shares c1 / t1 and c0 / t0 and logits that are log(t1 / t0) higher. No approximation, only less is seen.

Source: Elkan and Noto, "Learning classifiers from only positive and unlabeled data", KDD 2008 (c0 = 0).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor

from taglens.errors import TrainingError
from taglens.gaussian_process import CheckedShares
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.training.config import Checked
from taglens.training.exact.problem import Telling

LEAST_GAIN, LEAST_ERRORS = 10.0, 2.0
"""Nats, and standard errors over the classes, that the likelihood must gain before labels count as not checked at random."""
FEWEST_POSITIVES = 3
"""Known present cells of a class that takes part in the search."""
MOST_RATIO = 64.0
_STEP = 2.0
_LEAST_TAGGED = 0.02
_MOST_PREVALENT = 0.9
_EXPECTED_ABSENT = 3.0
"""A class is one of tags alone if it has no known absent cell where the other classes let this many be expected: by chance in 1 of 20."""

Kind = Literal["at-random", "by-value", "tags-alone"]
Support = Callable[["Checking"], Float[Tensor, " label"]]
"""The leave-one-out log likelihood, with some shares, of each class that takes part, in nats."""


@dataclass(frozen=True)
class Counts:
    """Known cells of every class."""

    present: Float[Tensor, " label"]
    absent: Float[Tensor, " label"]
    pictures: int

    @classmethod
    def of(cls, states: Int8[Tensor, "image label"]) -> "Counts":
        """Count."""
        return cls((states == POSITIVE).sum(0).double(), (states == NEGATIVE).sum(0).double(), len(states))

    @property
    def unknown(self) -> Float[Tensor, " label"]:
        """Unknown cells of every class."""
        return self.pictures - self.present - self.absent

    def telling(self) -> Bool[Tensor, " label"]:
        """Return the classes that can say something of the ratio."""
        enough = (self.present >= FEWEST_POSITIVES) & (self.unknown > 0)
        return enough & (self.absent > 0) if bool(self.absent.any()) else enough


@dataclass(frozen=True, eq=False)
class Checking:
    """Shares of every class, and base rates that go with them."""

    kind: Kind
    ratio: float
    """c1 / c0 of the classes with known absent cells; infinite with tags alone."""
    present: Float[Tensor, " label"]
    """c1."""
    absent: Float[Tensor, " label"]
    """c0."""
    base_rates: Float[Tensor, " label"]
    """Log-odds of the prevalence that the shares imply."""

    @property
    def informed(self) -> Bool[Tensor, " label"]:
        """Classes whose unknown cells say something."""
        return self.present != self.absent

    @property
    def known_rates(self) -> Float[Tensor, " label"]:
        """Log-odds of present cells among the known ones; where no absent cell is ever known the base rate."""
        among = (self.present / self.absent).log().float()
        return self.base_rates + torch.where((self.absent > 0) & (self.present > 0), among, 0.0)

    def cells(self, states: Int8[Tensor, "image label"], labels: Tensor, rank: Float[Tensor, " image"], most: int) -> Telling:
        """Return which unknown cells of the classes ``labels`` count beside the known ones, and what they say.

        Args:
            states: of these classes.
            labels: their numbers.
            rank: a random number for each picture; unknown cells are taken from the lowest on.
            most: cells of a class altogether; with tags alone there are at least as many unknown as known ones.
        """
        unknown = states == UNKNOWN
        total, known = unknown.sum(0), (~unknown).sum(0)
        c1, c0 = self.present[labels], self.absent[labels]
        wanted = (most - known).clamp(min=0)
        wanted = torch.where(c0 == 0, torch.maximum(wanted, known), wanted).minimum(total)
        places = torch.where(unknown, rank[:, None], torch.inf).argsort(0).argsort(0)
        kept = wanted / total.clamp(min=1)
        t1, t0 = c1 + kept * (1 - c1), c0 + kept * (1 - c0)
        seen = zip((c1 / t1).clamp(max=1).tolist(), (c0 / t0).clamp(max=1).tolist(), strict=True)
        # of a class that nobody looked at, unknown cells say nothing
        shares = [CheckedShares(high, low) if high > 0 else CheckedShares(0.5, 0.5) for high, low in seen]
        shift = torch.where(c1 == c0, 0.0, (t1 / t0.clamp(min=1e-12)).log())
        return Telling(unknown & (places < wanted), tuple(shares), shift.float())


@dataclass(frozen=True, eq=False)
class Finding:
    """What was found, and how sure it is."""

    checking: Checking
    gain: float
    """Nats that the leave-one-out likelihood is above checked at random; 0 for tags alone, where there is nothing to compare with."""
    error: float
    """Standard error of the gain over the classes."""
    best_ratio: float
    """The ratio with the highest likelihood, used or not."""
    asked: bool
    """Whether a person said so."""
    tags_alone: tuple[int, ...] = ()
    """Classes with tags alone among others with known absent cells."""

    def facts(self, counts: Counts) -> dict[str, Any]:
        """Return what goes into metrics.json."""
        present, absent = _pooled(self.checking, counts)
        finite = math.isfinite(self.checking.ratio)
        return {
            "kind": self.checking.kind,
            "present": present,
            "absent": absent,
            "ratio": self.checking.ratio if finite else None,
            "gain_nats": self.gain,
            "gain_error": self.error,
            "best_ratio": self.best_ratio if math.isfinite(self.best_ratio) else None,
            "asked": self.asked,
            "tags_alone_classes": list(self.tags_alone),
        }


def in_words(facts: dict[str, Any], classes: tuple[str, ...]) -> str:
    """Return what a finding's facts say, in one sentence, and a second one if some classes have tags alone."""
    asked = "as asked, " if facts["asked"] else ""
    if facts["kind"] == "tags-alone":
        said = (
            f"No absent cell is known, so the labels are read as tags alone: {asked}with about {100 * facts['present']:.0f} % of what "
            "is present written down; probabilities and thresholds count with the rest."
        )
    elif facts["kind"] == "by-value":
        said = (
            f"Present cells seem to have been checked {facts['ratio']:.1f} times as often as absent ones ({100 * facts['present']:.1f} and "
            f"{100 * facts['absent']:.1f} % of them; {asked}{facts['gain_nats']:.0f} nats above checked alike); probabilities and "
            "thresholds are corrected for it."
        )
    elif facts["asked"]:
        said = "Present and absent cells count as checked alike, as asked."
    elif facts["best_ratio"] == 1:
        said = "Present and absent cells count as checked alike: nothing in the table speaks against it."
    else:
        said = (
            f"Present and absent cells count as checked alike: a ratio of {facts['best_ratio']:.1f} would explain the table "
            f"{facts['gain_nats']:.0f} nats better, which is too little to tell."
        )
    alone = [classes[label] for label in facts["tags_alone_classes"]]
    if alone and facts["kind"] != "tags-alone":
        said += f" Only present cells are known of {', '.join(alone)}: read as tags alone."
    return said


def find_checking(counts: Counts, support: Support, asked: Checked) -> Finding:
    """Return how the labels came about; ``support`` is not called where there is nothing to choose.

    Raises:
        TrainingError: tags alone are asked for and there are absent cells, or by value and there are none.
    """
    require_counts(counts, asked)
    everything = by_ratio(counts, 1.0)
    if asked == "tags-alone" or (asked == "auto" and not bool(counts.absent.any())):
        if not bool(counts.unknown.any()):
            return Finding(everything, 0.0, 0.0, 1.0, asked != "auto")
        found, _ = _climb(lambda c1: support(of_tags(counts, c1)), 0.5, _tag_limits(counts), _STEP**0.5)
        checking = of_tags(counts, found)
        return Finding(checking, 0.0, 0.0, math.inf, asked != "auto")
    if asked == "at-random":
        return Finding(everything, 0.0, 0.0, 1.0, True)
    chosen, ratio, gain, error = everything, 1.0, 0.0, 0.0
    if bool(counts.telling().any()):
        ratio, gains = _climb(lambda ratio: support(by_ratio(counts, ratio)), 1.0, (1 / MOST_RATIO, MOST_RATIO), _STEP)
        gain, error = float(gains.sum()), float(gains.std()) * len(gains) ** 0.5 if len(gains) > 1 else 0.0
        if gain > max(LEAST_GAIN, LEAST_ERRORS * error) or asked == "by-value":
            chosen = by_ratio(counts, ratio)
    chosen, alone = with_tags_alone(chosen, counts)
    return Finding(chosen, gain, error, ratio, asked == "by-value", alone)


def rates_among_known(checking: Checking, looked_at: Counts, known: Counts) -> Float[Tensor, " label"]:
    """Return the log-odds of present cells among all known ones.

    Where some are known because others imply them, their share is counted; elsewhere it is what the shares of checked cells mean.
    """
    counted = ((known.present + 0.5) / (known.absent + 0.5)).log().float()
    more = (known.present != looked_at.present) | (known.absent != looked_at.absent)
    return torch.where(more, counted, checking.known_rates)


def taken_over(facts: Mapping[str, Any], counts: Counts) -> Finding | None:
    """Return an earlier finding (:meth:`Finding.facts`) with the shares that its ratio means for these counts; None of tags alone."""
    if facts["ratio"] is None:
        return None
    checking, alone = with_tags_alone(by_ratio(counts, facts["ratio"]), counts)
    best = math.inf if facts["best_ratio"] is None else facts["best_ratio"]
    return Finding(checking, facts["gain_nats"], facts["gain_error"], best, facts["asked"], alone)


def by_ratio(counts: Counts, ratio: float) -> Checking:
    """Return the shares with c1 / c0 = ``ratio`` where the counts allow it (c1 and c0 at most 1)."""
    present, absent, pictures = counts.present, counts.absent, counts.pictures
    c0 = (present / ratio + absent) / pictures
    c1 = ratio * c0
    c1, c0 = (
        torch.where(c1 > 1, 1.0, torch.where(c0 > 1, present / (pictures - absent).clamp(min=1), c1)),
        torch.where(c0 > 1, 1.0, torch.where(c1 > 1, absent / (pictures - present).clamp(min=1), c0)),
    )
    nothing = (present + absent == 0) | (c1 <= 0) | (ratio == 1)
    c0 = torch.where(nothing, (present + absent) / pictures, c0)
    c1 = torch.where(nothing, c0, c1)
    weight = torch.where(c0 > 0, c1 / c0.clamp(min=1e-12), ratio)
    overall = (present.sum() + 0.5) / ((present + weight * absent).sum() + 1)
    base_rates = torch.logit((present + 2 * overall) / (present + weight * absent + 2), eps=1e-4)
    return Checking("at-random" if ratio == 1 else "by-value", ratio, c1, c0, base_rates.float())


def of_tags(counts: Counts, c1: float) -> Checking:
    """Return the shares with c0 = 0; a class without any tag is one that nobody looked for."""
    tagged = counts.present > 0
    share = torch.where(tagged, (counts.present / counts.pictures / _MOST_PREVALENT).clamp(min=c1, max=1), 0.0)
    possible = (share * counts.pictures).clamp(min=1e-9)
    overall = float(counts.present[tagged].sum() / possible[tagged].sum()) if bool(tagged.any()) else 0.5
    rates = torch.where(tagged, (counts.present + 2 * overall) / (possible + 2), overall)
    base_rates = torch.logit(rates.clamp(max=_MOST_PREVALENT), eps=1e-4)
    return Checking("tags-alone", math.inf, share, torch.zeros_like(share), base_rates.float())


def with_tags_alone(checking: Checking, counts: Counts) -> tuple[Checking, tuple[int, ...]]:
    """Return the shares in which classes with present cells only, among others with absent ones, are those of tags alone."""
    c1, c0 = _pooled(checking, counts)
    expected = c0 * (counts.pictures - counts.present / max(c1, 1e-9)).clamp(min=0)
    alone = (counts.absent == 0) & (counts.present > 0) & (counts.unknown > 0) & (expected >= _EXPECTED_ABSENT)
    if not bool(alone.any()):
        return checking, ()
    tags = of_tags(counts, min(max(c1, _LEAST_TAGGED), 1.0))
    mixed = (torch.where(alone, ours, theirs) for ours, theirs in zip(_tensors(tags), _tensors(checking), strict=True))
    return Checking(checking.kind, checking.ratio, *mixed), tuple(alone.nonzero()[:, 0].tolist())


def _tensors(checking: Checking) -> tuple[Tensor, Tensor, Tensor]:
    return checking.present, checking.absent, checking.base_rates


def _pooled(checking: Checking, counts: Counts) -> tuple[float, float]:
    """Return c1 and c0 over all classes together that somebody looked at; those without absent cells only if no class has any."""
    looked = counts.absent > 0 if bool(counts.absent.any()) else counts.present > 0
    present, absent, c1 = counts.present[looked].sum(), counts.absent[looked].sum(), checking.present[looked]
    there = (counts.present[looked] / c1.clamp(min=1e-9)).sum()
    if not bool(there > 0):
        share = float(absent / max(counts.pictures * int(looked.sum()), 1))
        return share, share
    return float(present / there), float(absent / (counts.pictures * int(looked.sum()) - there).clamp(min=1e-9))


def _tag_limits(counts: Counts) -> tuple[float, float]:
    return max(_LEAST_TAGGED, float(counts.present.max()) / counts.pictures), 1.0


def _climb(support: Callable[[float], Tensor], start: float, limits: tuple[float, float], step: float) -> tuple[float, Tensor]:
    """Return the value that most speaks for, on a scale of logarithms, and the classes' gains over ``start``."""
    tried: dict[float, Tensor] = {start: support(start)}

    def total(value: float) -> float:
        value = min(max(value, limits[0]), limits[1])
        if value not in tried:
            tried[value] = support(value)
        return float(tried[value].sum())

    best = start
    for factor in (step, 1 / step):
        while (further := min(max(best * factor, limits[0]), limits[1])) != best and total(further) > total(best):
            best = further
        if best != start:
            break
    low, high = max(best / step, limits[0]), min(best * step, limits[1])
    if math.isclose(best / low, high / best) and low < best < high:
        left, middle, right = total(low), total(best), total(high)
        bend = left - 2 * middle + right
        if bend < 0:
            total(best * step ** (0.5 * (left - right) / bend))
    best = max(tried, key=lambda value: float(tried[value].sum()))
    return best, tried[best] - tried[start]


def require_counts(counts: Counts, asked: Checked) -> None:
    """Refuse what cannot be with these known cells.

    Raises:
        TrainingError: tags alone are asked for and there are absent cells, or by value and there are none.
    """
    absent = int(counts.absent.sum())
    if asked == "tags-alone" and absent:
        raise TrainingError(
            f"--checked tags-alone says that nobody ever wrote down what is absent, but {absent:,} cells are known to be absent; "
            "use --checked auto or by-value"
        )
    if asked == "by-value" and not absent:
        raise TrainingError("--checked by-value compares present with absent cells, but no absent cell is known; use --checked tags-alone")

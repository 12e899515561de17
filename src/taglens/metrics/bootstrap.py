"""Is one method better than another, or were the test pictures kind to it? Paired bootstrap over test pictures (numpy only).

Both methods predict the same pictures, so each bootstrap sample draws pictures (with replacement) once and scores both on them:

    d_b = metric_A(sample b) - metric_B(sample b),    b = 1 .. samples,    metric: one of ``RESAMPLED``

averaged over the given pairs of runs (seeds, and proportions) within the sample. The interval holds the middle 95 % of the d_b; the
two-sided p is 2 (1 + min(#{d_b <= 0}, #{d_b >= 0})) / (samples + 1), at most 1. It speaks of other test pictures of the same kind, for
these trained weights: how much a new training would change is seen in the deviation over seeds. A class that lacks positive or
negative pictures in a sample is left out of that sample's mean, for both methods alike.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TagLensError, unknown_name
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.metrics.f1 import from_counts

CHUNK = 1 << 23
"""Numbers in one block of weights: bounds the memory."""


class Scored(NamedTuple):
    """A run's predictions on its test part."""

    probabilities: NDArray[Any]
    """(image, label)."""
    labels: NDArray[np.int8]
    """(image, label): 1, 0 or -1."""
    thresholds: NDArray[Any] | None = None
    """The run's own, (label,)."""


_Metric: TypeAlias = Callable[[Scored, NDArray[np.floating[Any]]], NDArray[np.float64]]


@dataclass(frozen=True)
class Difference:
    """How much better the first method is, in percent points of the metric."""

    difference: float
    """On the test pictures as they are."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    p: float
    """Two-sided."""
    samples: int
    pairs: int
    """Pairs of runs that were averaged."""


def paired_differences(
    groups: Sequence[Sequence[tuple[Scored, Scored]]], *, metric: str = "mAP", samples: int = 1000, seed: int = 0
) -> tuple[list[Difference], Difference]:
    """Compare two methods: one result for each group of pairs of runs (a proportion's seeds), and one for all pairs together.

    Raises:
        TagLensError: another metric than those of ``RESAMPLED``, no pair, too few samples, or predictions of different pictures or labels.
    """
    if samples < 100 or not groups or not all(groups):
        raise TagLensError(f"expected at least one pair of runs and 100 samples, came {len(groups)} groups and {samples} samples")
    if metric not in RESAMPLED:
        raise unknown_name("metric of the bootstrap", metric, RESAMPLED)
    sizes = {len(scored.labels) for group in groups for pair in group for scored in pair}
    if len(sizes) > 1:
        raise TagLensError(f"runs on different numbers of test pictures cannot be paired: {sorted(sizes)}")
    for first, second in (pair for group in groups for pair in group):
        if not np.array_equal(first.labels, second.labels):
            raise TagLensError("the two methods were scored on different labels, so their runs cannot be paired")
    blocks = [_block(groups, weights, RESAMPLED[metric]) for weights in _weights(sizes.pop(), samples, seed)]
    drawn = np.concatenate(blocks, axis=1)  # (group, 1 + samples): the first is the pictures as they are
    counts = np.array([len(group) for group in groups])
    overall = np.average(drawn, axis=0, weights=counts)
    return [_difference(row, count) for row, count in zip(drawn, counts, strict=True)], _difference(overall, int(counts.sum()))


def resampled_map(scored: Scored, weights: NDArray[np.floating[Any]], interpolated: bool = False) -> NDArray[np.float64]:
    """Return the mAP (sample,) when picture i counts ``weights[i, sample]`` times; 0..1.

    Equal to the mean of ``taglens.metrics.average_precision`` over pictures repeated that often; NaN where no class has both a positive
    and a negative.
    """
    columns = zip(scored.probabilities.T, scored.labels.T, strict=True)
    found = np.array([_one_class(*column, weights, interpolated) for column in columns]).reshape(-1, weights.shape[1])
    defined = ~np.isnan(found)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, found, 0).sum(0) / defined.sum(0), np.float64)


def resampled_f1(scored: Scored, weights: NDArray[np.floating[Any]], name: str, own: bool = False) -> NDArray[np.float64]:
    """Return CF1 or OF1 (sample,), 0..1: ``taglens.metrics.precision_recall_f1`` of pictures repeated ``weights`` times.

    Predicted is what reaches one half, or with ``own`` the run's own thresholds.

    Raises:
        TagLensError: the run has none.
    """
    if own and scored.thresholds is None:
        raise TagLensError(f"{name} at the runs' own thresholds: these runs did not keep them beside their predictions; sweep again")
    cut = np.asarray(scored.thresholds if own else 0.5, scored.probabilities.dtype)
    predicted, positive, negative = scored.probabilities >= cut, scored.labels == POSITIVE, scored.labels == NEGATIVE
    cells = (predicted & positive, predicted & negative, positive, negative)
    counts = [np.rint(chosen.T.astype(weights.dtype) @ weights).astype(np.int64) for chosen in cells]  # (label, sample) each
    return np.array([getattr(from_counts(*columns), name) for columns in zip(*(count.T for count in counts), strict=True)])


def _one_class(score: NDArray[Any], state: NDArray[np.int8], weights: NDArray[np.floating[Any]], interpolated: bool) -> NDArray[np.float64]:
    """Weighted average precision (sample,); equal scores share one threshold."""
    known = np.flatnonzero(state != UNKNOWN)
    order = known[np.argsort(-score[known].astype(np.float64), kind="stable")]
    positive = np.flatnonzero(state[order] == POSITIVE)
    if not positive.size or positive.size == known.size:
        return np.full(weights.shape[1], np.nan)
    descending = -score[order].astype(np.float64)
    ends = np.searchsorted(descending, np.unique(descending[positive]), side="right")  # behind each tie that holds a positive
    starts = np.concatenate([[0], ends[:-1]])
    everything = np.add.reduceat(weights[order[: ends[-1]]], starts, axis=0).astype(np.float64).cumsum(0)
    owner = np.searchsorted(ends, positive, side="right")
    own = np.zeros_like(everything)
    np.add.at(own, owner, weights[order[positive]])
    total, absent = own.sum(0), (state == NEGATIVE).astype(weights.dtype) @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(everything > 0, own.cumsum(0) / everything, 0)
        if interpolated:  # the best precision at this threshold or a lower one
            precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        return np.where((total > 0) & (absent > 0), (own * precision).sum(0) / total, np.nan)


RESAMPLED: Mapping[str, _Metric] = {
    "mAP": resampled_map,
    "mAP_interpolated": partial(resampled_map, interpolated=True),
    "CF1": partial(resampled_f1, name="CF1"),
    "OF1": partial(resampled_f1, name="OF1"),
    "CF1_thresholds": partial(resampled_f1, name="CF1", own=True),
    "OF1_thresholds": partial(resampled_f1, name="OF1", own=True),
}
"""Metric -> its values (sample,) of resampled pictures."""


def _block(groups: Sequence[Sequence[tuple[Scored, Scored]]], weights: NDArray[np.float32], metric: _Metric) -> NDArray[np.float64]:
    rows = [np.mean([metric(first, weights) - metric(second, weights) for first, second in group], axis=0) for group in groups]
    return 100 * np.stack(rows)


def _weights(pictures: int, samples: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yield blocks (picture, sample) of how often each picture is drawn; the very first column is once each."""
    random = np.random.default_rng(seed)
    step = max(1, CHUNK // max(1, pictures))
    yield np.ones((pictures, 1), np.float32)
    for start in range(0, samples, step):
        drawn = random.multinomial(pictures, np.full(pictures, 1 / pictures), size=min(step, samples - start))
        yield np.ascontiguousarray(drawn.T, dtype=np.float32)


def _difference(drawn: NDArray[np.float64], pairs: int) -> Difference:
    actual, samples = float(drawn[0]), drawn[1:][~np.isnan(drawn[1:])]
    if not samples.size:
        raise TagLensError("no class has both a present and an absent test picture, so there is nothing to compare")
    low, high = np.percentile(samples, [2.5, 97.5])
    smaller = min(int((samples <= 0).sum()), int((samples >= 0).sum()))
    p = min(1.0, 2 * (1 + smaller) / (len(samples) + 1))
    return Difference(actual, float(low), float(high), p, len(samples), int(pairs))

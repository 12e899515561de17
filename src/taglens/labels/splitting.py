"""Dividing pictures into parts that are alike in every class: iterative stratification, with unknown labels, and without dividing groups.

Source: Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", ECML PKDD 2011. What is spread here are known
positives and known negatives, each as a label of its own; unknown cells ask for nothing. What the paper leaves to chance is decided by
hashes of the pictures' names, so that the order of the rows changes nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError, TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE, PartialLabels

TRAIN, VAL, TEST = "train", "val", "test"
_WHOLE = 1_000_000
"""Shares are counted in millionths: whole numbers have no rounding that would decide between parts."""
_NAMED = 10
"""Classes that a sentence names."""


def shares_of(test: float, val: float) -> dict[str, float]:
    """Return the parts and their shares, those without a picture left out.

    Raises:
        TagLensError: a share outside 0..1, nothing left to train on, or nothing to divide.
    """
    for name, share in ((TEST, test), (VAL, val)):
        if not 0 <= share < 1 or 0 < share < 1 / _WHOLE:
            raise TagLensError(f"--{name} is a share from 0 to below 1, such as 0.2; came {share:g}")
    if test + val > 1 - 1e-4:
        raise TagLensError(f"--test {test:g} and --val {val:g} leave nothing to train on; expected less than 1 together")
    if not test + val:
        raise TagLensError("--test 0 and --val 0 divide nothing; give one of them a share such as 0.2")
    return {name: share for name, share in ((TRAIN, 1 - test - val), (VAL, val), (TEST, test)) if share > 0}


def divide(
    labels: PartialLabels,
    names: Sequence[str],
    shares: Mapping[str, float],
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Return the number of the part, among ``shares`` in their order, that each picture belongs to, (image,).

    The rarest label that is not spread yet comes first. Each of its groups, those with most of it before others, goes to the part that
    still wants most of that label, if there are several to the one that wants most pictures, then to one drawn by the hash. Groups
    without any known label come last, largest first.

    Args:
        labels: (image, label).
        names: of the pictures, each once.
        shares: part -> share of the whole; together 1.
        groups: (image,) number of the group of each picture, from 0; groups stay whole. None: every picture is a group.
        seed: another one gives another division.

    Raises:
        TableError: fewer groups than parts.
    """
    groups = np.arange(len(names)) if groups is None else groups
    count = len(np.unique(groups))
    if count < len(shares):
        what = "pictures" if count == len(names) else f"group{'s' * (count != 1)} of the {len(names):,} pictures"
        raise TableError(
            f"{count} {what} cannot be divided into {len(shares)} parts ({', '.join(shares)}); ask for fewer, or group otherwise"
        )
    dividing = _Dividing(labels, groups, _hashes(names, seed), _millionths(shares))
    return dividing.run()[groups]


class _Dividing:
    """Parts being filled. Labels are numbered: positives of the classes first, then negatives."""

    def __init__(self, labels: PartialLabels, groups: NDArray[np.int64], hashes: NDArray[np.uint64], shares: NDArray[np.int64]) -> None:
        self.values, self.groups = labels.values, groups
        self.order = np.argsort(groups, kind="stable")
        self.starts = np.searchsorted(groups[self.order], np.arange(int(groups.max()) + 2))
        self.sizes = np.diff(self.starts)
        self.hashes = np.full(len(self.sizes), np.iinfo(np.uint64).max)
        np.minimum.at(self.hashes, groups, hashes)
        counts = labels.counts()
        self.left: NDArray[np.int64] = np.concatenate([counts.positive, counts.negative])
        self.wanted = shares[:, None] * self.left
        self.room = shares * len(groups)
        self.parts = np.full(len(self.sizes), -1)
        self.open = np.ones(len(groups), dtype=bool)

    def run(self) -> NDArray[np.int64]:
        """Return the part of each group."""
        while (label := self._rarest()) is not None:
            is_negative, column = divmod(label, self.values.shape[1])
            holding = self.open & (self.values[:, column] == (NEGATIVE if is_negative else POSITIVE))
            groups, weights = np.unique(self.groups[holding], return_counts=True)
            for group in groups[np.lexsort((self.hashes[groups], -weights))].tolist():
                self._give(group, self._neediest(group, self.wanted[:, label]))
        rest = np.flatnonzero((self.parts < 0) & (self.sizes > 0))
        for group in rest[np.lexsort((self.hashes[rest], -self.sizes[rest]))].tolist():
            self._give(group, self._neediest(group, self.room))
        return self.parts

    def _rarest(self) -> int | None:
        """Return the label of which fewest are left, but some."""
        if not self.left.any():
            return None
        return int(np.where(self.left > 0, self.left, np.iinfo(np.int64).max).argmin())

    def _neediest(self, group: int, wanted: NDArray[np.int64]) -> int:
        best = np.flatnonzero(wanted == wanted.max())
        if len(best) > 1:
            best = best[self.room[best] == self.room[best].max()]
        return int(best[int(self.hashes[group]) % len(best)])

    def _give(self, group: int, part: int) -> None:
        rows = self.order[self.starts[group] : self.starts[group + 1]]
        self.parts[group] = part
        self.open[rows] = False
        values = self.values[rows]
        given = np.concatenate([np.count_nonzero(values == state, axis=0) for state in (POSITIVE, NEGATIVE)])
        self.left -= given
        self.wanted[part] -= _WHOLE * given
        self.room[part] -= _WHOLE * len(rows)


def _hashes(names: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """Return a number for each name that says nothing of it, another with another seed."""
    digests = b"".join(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _millionths(shares: Mapping[str, float]) -> NDArray[np.int64]:
    """Return the shares as whole numbers that together are the whole, what rounding leaves going to the first."""
    found = np.array([round(share * _WHOLE) for share in shares.values()], dtype=np.int64)
    found[0] += _WHOLE - found.sum()
    return found


class Balance(NamedTuple):
    """What a division gave each part."""

    images: NDArray[np.int64]
    """(part,)"""
    groups: NDArray[np.int64]
    """(part,)"""
    positive: NDArray[np.int64]
    """(part, label) known positives."""
    negative: NDArray[np.int64]
    """(part, label) known negatives."""
    asked: NDArray[np.float64]
    """(part,) share of the whole."""

    def off(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return by how much each part's share of a class's ``counts`` exceeds what was asked, (part, label); NaN where there is none."""
        total = counts.sum(0)
        share: NDArray[np.float64] = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
        share -= self.asked[:, None]
        return share


def balance_of(labels: PartialLabels, parts: NDArray[np.int64], shares: Mapping[str, float], groups: NDArray[np.int64]) -> Balance:
    """Count what each part got."""
    masks = [parts == part for part in range(len(shares))]
    return Balance(
        images=np.array([np.count_nonzero(mask) for mask in masks]),
        groups=np.array([len(np.unique(groups[mask])) for mask in masks]),
        positive=np.stack([np.count_nonzero(labels.values[mask] == POSITIVE, axis=0) for mask in masks]),
        negative=np.stack([np.count_nonzero(labels.values[mask] == NEGATIVE, axis=0) for mask in masks]),
        asked=np.array(list(shares.values())),
    )


def not_balanced(
    labels: PartialLabels, classes: Sequence[str], balance: Balance, shares: Mapping[str, float], groups: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return in words what no division could balance, and which parts lack what."""
    found = [
        f"no picture is in the part {name!r}: too few for its share"
        for name, count in zip(shares, balance.images, strict=True)
        if not count
    ]
    positive, negative = balance.positive.sum(0), balance.negative.sum(0)
    few = np.flatnonzero((positive > 0) & (positive < len(shares)))
    if len(few):
        found.append(f"fewer known positives than the {len(shares)} parts: {_named(classes, few, positive)}; some parts have none of them")
    crowded = [
        column
        for column in np.flatnonzero(positive >= len(shares)).tolist()
        if len(np.unique(groups[labels.values[:, column] == POSITIVE])) < len(shares)
    ]
    if crowded:
        found.append(
            f"known positives in fewer groups than the {len(shares)} parts: {_named(classes, crowded, positive)}; some parts have none"
        )
    for part, name in enumerate(shares):
        lacking = np.flatnonzero((balance.positive[part] == 0) & (positive >= len(shares)))
        lacking = np.setdiff1d(lacking, crowded)
        if len(lacking) and balance.images[part]:
            found.append(f"no known positive in {name!r}: {_named(classes, lacking, positive)}")
    nothing = np.flatnonzero(positive + negative == 0)
    if len(nothing):
        found.append(f"no known label at all: {_named(classes, nothing)}")
    return tuple(found)


def _named(classes: Sequence[str], columns: Sequence[int] | NDArray[np.int64], counts: NDArray[np.int64] | None = None) -> str:
    """Return the number of these classes and the first names, with the counts behind them."""
    shown = [repr(classes[column]) + ("" if counts is None else f" {counts[column]:,}") for column in columns[:_NAMED]]
    more = f" and {len(columns) - _NAMED:,} more" if len(columns) > _NAMED else ""
    return f"{len(columns):,} class{'es' if len(columns) > 1 else ''} ({', '.join(shown)}{more})"

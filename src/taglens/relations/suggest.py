"""Relations that known labels support: implications and exclusions to be read by a person, never applied by themselves.

Of the n pictures that show a class a and whose label of b is known, k break the relation (a > b: b absent; a | b <= 1: b present), and of
the m pictures that do not show a, l have the same label of b. It is suggested where k is 0, or 1 of at least 100, and

    P(X <= k) <= 0.10,  X ~ Binomial(n, 0.05)                    the relation holds in 95 % of such pictures (Clopper and Pearson's bound)
    P(X <= k) <= 0.05 / pairs,  X ~ Hypergeometric(k + l of n + m)    and that is not what b is like anyhow (Fisher's exact test)

The first asks for 45 pictures without an exception. An exclusion is asked for from both sides.

Sources: Clopper and Pearson, Biometrika 1934; Fisher, "The design of experiments", 1935; Bonferroni's correction over all pairs looked at.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.relations.closure import close
from taglens.relations.file import written_line
from taglens.relations.relation import Group, Implication, Relation, Relations

HOLDS, BOUND_ERROR, CHANCE = 0.95, 0.10, 0.05
_FEWEST_FOR_ONE = 100
"""Pictures among which one may break a relation: labels are wrong now and then."""
_PICTURES_AT_ONCE = 2**16
_Pairs: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Suggestion:
    """A relation and what speaks for it."""

    relation: Relation
    pictures: int
    """That show the implying class, or one of a group, with the other label known."""
    exceptions: int
    """Of these, how many break the relation."""


@dataclass(frozen=True, eq=False)
class _Counts:
    """Pictures, (label a, label b): a as named, b present or absent."""

    together: _Pairs
    """a present, b present."""
    without: _Pairs
    """a present, b absent."""
    elsewhere: _Pairs
    """a absent, b present."""
    neither: _Pairs
    """a absent, b absent."""


def suggestion_lines(table: LabelTable, said: Relations) -> list[str]:
    """Return the suggestions of a table as lines of a file of relations with what speaks for each as a comment, or why there are none.

    Labels that a model filled, or that follow from others, speak for nothing.
    """
    labels = PartialLabels(np.where(table.of_kind("given", "reviewed"), table.labels.values, np.int8(UNKNOWN)))
    if not labels.negative.any():
        return ["# no relation can be suggested: no absent label is known, so nothing says which classes a picture does not show"]
    support = Support.of(labels)
    found = [f"{written_line(one.relation, table.classes)}  # {_words(one, table.classes)}" for one in support.suggestions(said)]
    found += [f"# {table.classes[one]} and {table.classes[other]} come together: one tag?" for one, other in support.same_tags()]
    fewest = math.ceil(math.log(BOUND_ERROR) / math.log(HOLDS))
    return found or [f"# no relation is supported: one needs {fewest} pictures that show a class and whose label of the other is known"]


def _words(one: Suggestion, classes: tuple[str, ...]) -> str:
    if isinstance(one.relation, Implication):
        lower, upper = classes[one.relation.lower], classes[one.relation.upper]
        return f"of {one.pictures:,} pictures with {lower} and {upper} known, {one.pictures - one.exceptions:,} show {upper}"
    return f"of {one.pictures:,} pairs of known labels with one present, {one.exceptions:,} have both"


@dataclass(frozen=True, eq=False)
class Support:
    """What labels (image, label) support, counted once."""

    counts: _Counts
    implies: NDArray[np.bool_]
    """(label a, label b): a > b holds as far as the labels say."""
    excludes: NDArray[np.bool_]
    """The same of a | b <= 1, of pictures that show a."""

    @classmethod
    def of(cls, labels: PartialLabels) -> "Support":
        """Count."""
        counts = _count(labels)
        implies = _supported(counts.without, counts.together, counts.neither, counts.elsewhere)
        return cls(counts, implies, _supported(counts.together, counts.without, counts.elsewhere, counts.neither))

    def suggestions(self, said: Relations) -> list[Suggestion]:
        """Return what is supported beyond what ``said`` says, implications first, most pictures first.

        What other suggestions imply is left out: of terrier > dog > animal there is no terrier > animal.
        """
        itself = np.eye(len(said.classes), dtype=bool)
        settled = close(PartialLabels(np.where(itself, np.int8(1), np.int8(UNKNOWN))), said).labels.values
        implies = self.implies & ~self.implies.T & (settled == UNKNOWN)  # those that imply each other: no relation can say it
        excludes = self.excludes & self.excludes.T & (settled == UNKNOWN) & ~implies & ~implies.T
        found = [_implication(self.counts, *pair) for pair in np.argwhere(implies & ~_through(implies, implies)).tolist()]
        inherited = _through(implies | ((settled == 1) & ~itself), excludes | (settled == 0))
        found += [_group(self.counts, members) for members in _cliques(excludes & ~(inherited | inherited.T))]
        return sorted(found, key=lambda one: (isinstance(one.relation, Group), -one.pictures))

    def same_tags(self) -> list[tuple[int, int]]:
        """Return pairs of classes that imply each other: perhaps one tag under two names."""
        return [(one, other) for one, other in np.argwhere(self.implies & self.implies.T).tolist() if one < other]


def _count(labels: PartialLabels) -> _Counts:
    size = labels.shape[1]
    sums = [np.zeros((size, size)) for _ in range(4)]
    for start in range(0, len(labels), _PICTURES_AT_ONCE):
        block = labels.rows(np.arange(start, min(start + _PICTURES_AT_ONCE, len(labels))))
        present, absent = block.positive.astype(np.float32), block.negative.astype(np.float32)
        for total, one, other in zip(sums, (present, present, absent, absent), (present, absent, present, absent), strict=True):
            total += one.T @ other
    return _Counts(*(np.rint(total).astype(np.int64) for total in sums))


def _supported(exceptions: _Pairs, agreeing: _Pairs, bad: _Pairs, good: _Pairs) -> NDArray[np.bool_]:
    """Return the pairs (a, b) that hold; ``bad`` and ``good`` count the same labels of b where a is absent."""
    pictures, others = exceptions + agreeing, bad + good
    looked_at = (pictures > 0) & (others > 0)
    np.fill_diagonal(looked_at, False)
    few = looked_at & ((exceptions == 0) | ((exceptions == 1) & (pictures >= _FEWEST_FOR_ONE)))
    n, k, m, b = pictures[few], exceptions[few], others[few], bad[few]
    holds = HOLDS**n + k * n * (1 - HOLDS) * HOLDS ** (n - 1) <= BOUND_ERROR
    supported: NDArray[np.bool_] = np.zeros(few.shape, dtype=bool)
    supported[few] = holds & (_by_chance(k, n, k + b, m) <= CHANCE / max(1, int(looked_at.sum())))
    return supported


def _by_chance(k: _Pairs, n: _Pairs, marked: _Pairs, m: _Pairs) -> NDArray[np.float64]:
    """Return P(X <= k), k 0 or 1, of the marked among n drawn from n + m."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int((n + m).max(initial=0)) + 1)))])

    def log_ways(of: _Pairs, take: _Pairs) -> NDArray[np.float64]:
        possible = (take >= 0) & (take <= of)
        take = np.where(possible, take, 0)
        return np.where(possible, logs[of] - logs[take] - logs[of - take], -np.inf)

    every = log_ways(n + m, marked)
    none = np.exp(log_ways(m, marked) - every)
    one = np.exp(np.log(n) + log_ways(m, marked - 1) - every)
    found: NDArray[np.float64] = none + np.where(k == 1, one, 0.0)
    return found


def _through(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pairs (a, c) for which there is a b with ``first`` (a, b) and ``second`` (b, c)."""
    found: NDArray[np.bool_] = (first.astype(np.float32) @ second.astype(np.float32)) > 0
    return found


def _implication(counts: _Counts, lower: int, upper: int) -> Suggestion:
    exceptions = int(counts.without[lower, upper])
    return Suggestion(Implication(lower, upper), int(counts.together[lower, upper]) + exceptions, exceptions)


def _group(counts: _Counts, members: tuple[int, ...]) -> Suggestion:
    pairs = [(one, other) for one in members for other in members if one < other]
    both = sum(int(counts.together[pair]) for pair in pairs)
    alone = sum(int(counts.without[pair] + counts.elsewhere[pair]) for pair in pairs)
    return Suggestion(Group(members, "<="), both + alone, both)


def _cliques(joined: NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    """Yield groups of which all are joined, so that every joined pair is in one; greedily, those of many partners first."""
    left = np.triu(joined)
    order = np.argsort(-joined.sum(1), kind="stable").tolist()
    while left.any():
        start, partner = np.argwhere(left)[0].tolist()
        members = [start, partner]
        for one in order:
            if one not in members and bool(joined[one, members].all()):
                members.append(one)
        members.sort()
        left[np.ix_(members, members)] = False
        yield tuple(members)

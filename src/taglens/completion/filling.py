"""From out-of-fold probabilities to a filled table: what is guaranteed of each class, and which cells are filled."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantee import Cells, Guarantee, fewest_cells, find_guarantee, guarantee_many
from taglens.errors import TableError, TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels

Basis = Literal["class", "pooled", "none"]


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the user wants to rely on."""

    precision: float = 0.95
    """Share of the cells filled as present that must be right."""
    npv: float | None = None
    """Share of the cells filled as absent that must be right; None: nothing is filled as absent."""
    confidence: float = 0.9
    """Share of the guarantees that hold, on average."""

    def __post_init__(self) -> None:
        for name, value in (("precision", self.precision), ("npv", self.npv), ("confidence", self.confidence)):
            if value is not None and not 0 < value < 1:
                raise TagLensError(f"{name} must lie between 0 and 1 (both excluded), came {value}; write 0.95 for 95 %")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is said of one value (present or absent) of one class."""

    basis: Basis
    """``class``: guaranteed of this class alone; ``pooled``: of all pooled classes together, not of this one; ``none``: not at all."""
    guarantee: Guarantee
    filled: int
    expected: float | None
    """Mean calibrated probability that the filled cells are right; None where none is filled."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Filling:
    """The outcome: labels with more cells known, and a statement for each class."""

    labels: PartialLabels
    present: tuple[Statement, ...]
    absent: tuple[Statement, ...] | None
    """None if no negative predictive value was asked for."""


def fill(
    probabilities: NDArray[np.float64], labels: PartialLabels, targets: Targets, *, reviewed: NDArray[np.bool_] | None = None
) -> Filling:
    """Fill the unknown cells that a guarantee covers; known labels are never changed.

    Args:
        probabilities: (image, label) calibrated, each from a model and a calibration that did not see the picture's labels.
        labels: (image, label).
        targets: precision, negative predictive value and confidence.
        reviewed: (image, label) known cells that somebody chose to look at, so that they are no random sample; None: none are.

    Raises:
        TableError: no cell is unknown, or none is known.
    """
    if not labels.unknown.any():
        raise TableError("no cell is unknown, so there is nothing to fill; blank cells are the ones that were not checked")
    if not labels.known.any():
        raise TableError("no cell is known, so nothing can be promised; fill some cells with 1 (present) or 0 (absent)")
    chosen = np.zeros(labels.shape, dtype=bool) if reviewed is None else reviewed & labels.known
    candidates = _Candidates(probabilities, labels, chosen)
    values = labels.values.copy()
    present = _state(candidates, POSITIVE, targets.precision, targets.confidence, limits=None)
    _write(values, candidates, present, POSITIVE)
    absent = None
    if targets.npv is not None:
        limits = [_below(candidates.scores(POSITIVE, column), found.guarantee) for column, found in enumerate(present)]
        absent = _state(candidates, NEGATIVE, targets.npv, targets.confidence, limits=limits)
        _write(values, candidates, absent, NEGATIVE)
    return Filling(labels=PartialLabels(values), present=present, absent=absent)


@dataclass(frozen=True, eq=False)
class _Candidates:
    """All cells, known and unknown, that compete to be filled; arrays are (image, label)."""

    probabilities: NDArray[np.float64]
    labels: PartialLabels
    reviewed: NDArray[np.bool_]

    @property
    def tried(self) -> int:
        """Number of classes that could get a guarantee, whatever their labels say."""
        sampled = (self.labels.known & ~self.reviewed).any(0)
        return int((sampled & self.labels.unknown.any(0)).sum())

    def scores(self, value: int, columns: int | list[int]) -> NDArray[np.float64]:
        """Return the probability that the value is right, (image,) for one class, (image, label) for several."""
        present = self.probabilities[:, columns]
        return present if value == POSITIVE else 1 - present

    def cells(self, value: int, columns: list[int]) -> Cells:
        """Return the cells of some classes as one."""
        return Cells(
            scores=self.scores(value, columns).ravel(),
            sampled=(self.labels.known & ~self.reviewed)[:, columns].ravel(),
            reviewed=self.reviewed[:, columns].ravel(),
            right=np.equal(self.labels.values[:, columns], value).ravel(),
        )


def _state(candidates: _Candidates, value: int, target: float, confidence: float, *, limits: list[int] | None) -> tuple[Statement, ...]:
    """Return a statement for each class: its own where its counts allow, else that of the classes that are pooled."""
    lacking = [_lacking(candidates, value, column, target, confidence) for column in range(candidates.labels.shape[1])]
    pool = tuple(column for column, reason in enumerate(lacking) if reason == "few")
    groups = [(column,) for column, reason in enumerate(lacking) if not reason] + ([pool] if pool else [])
    found = guarantee_many(
        groups,
        lambda group, level: _guarantee(candidates, value, group, target, level, limits),
        tried=candidates.tried,
        confidence=confidence,
    )

    def statement(column: int) -> Statement:
        group = pool if column in pool else (column,)
        guarantee = found.get(group, Guarantee(threshold=None, reason=lacking[column]))
        basis: Basis = "none" if guarantee.threshold is None else "pooled" if column in pool else "class"
        filled = _filled(candidates, value, column, guarantee)
        expected = float(candidates.scores(value, column)[filled].mean()) if filled.any() else None
        return Statement(basis=basis, guarantee=guarantee, filled=int(filled.sum()), expected=expected)

    return tuple(statement(column) for column in range(len(lacking)))


def _guarantee(
    candidates: _Candidates, value: int, group: tuple[int, ...], target: float, confidence: float, limits: list[int] | None
) -> Guarantee:
    cells = candidates.cells(value, list(group))
    most = None
    if limits is not None:  # cells that were filled as present are not there to be filled as absent
        highest = max(_highest_filled(candidates, column, limits[column]) for column in group)
        most = int((cells.scores > highest).sum())
    found = find_guarantee(cells, target, confidence, most=most)
    if found.reason and len(group) > 1:
        return replace(found, reason=f"{len(group)} classes with few known labels were taken together: {found.reason}")
    return found


def _lacking(candidates: _Candidates, value: int, column: int, target: float, confidence: float) -> str:
    """Return why a class can have no guarantee of its own: "" if it can be tried, "few" if it may join others."""
    states = candidates.labels.values[:, column]
    sampled = (states != UNKNOWN) & ~candidates.reviewed[:, column]
    if not (states == UNKNOWN).any():
        return "no unknown cell"
    if not sampled.any():
        return "never known: no label of this class was given, so nothing says how good a guess is"
    right = int((sampled & (states == value)).sum())
    if right == 0:
        return f"no known {'positive' if value == POSITIVE else 'negative'} label, so nothing says how good a guess is"
    share = float(sampled.mean())
    fewest = fewest_cells(share, len(states), target, confidence)
    return "few" if fewest is None or right < share * fewest else ""


def _filled(candidates: _Candidates, value: int, column: int, guarantee: Guarantee) -> NDArray[np.bool_]:
    if guarantee.threshold is None:
        return np.zeros(len(candidates.labels), dtype=bool)
    return candidates.labels.unknown[:, column] & (candidates.scores(value, column) >= guarantee.threshold)


def _write(values: NDArray[np.int8], candidates: _Candidates, statements: tuple[Statement, ...], value: int) -> None:
    for column, statement in enumerate(statements):
        values[_filled(candidates, value, column, statement.guarantee), column] = value


def _below(scores: NDArray[np.float64], guarantee: Guarantee) -> int:
    """Return how many cells lie below the threshold of the cells that were filled as present."""
    return len(scores) if guarantee.threshold is None else int((scores < guarantee.threshold).sum())


def _highest_filled(candidates: _Candidates, column: int, limit: int) -> float:
    """Return the score (of being absent) of the cells that were filled as present and come closest; below 0 if there are none."""
    ranked = np.sort(candidates.scores(NEGATIVE, column))[::-1]
    return float(ranked[limit]) if limit < len(ranked) else -1.0

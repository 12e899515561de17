"""From out-of-fold probabilities to a filled table: what is promised for each class, and which cells are filled."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantee import Cells, Promise, fewest_cells, find_promise, promise_many
from taglens.errors import TableError, TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels

Basis = Literal["class", "pooled", "none"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user wants to rely on."""

    precision: float = 0.95
    """Share of the cells filled as present that must be right."""
    npv: float | None = None
    """Share of the cells filled as absent that must be right; None: nothing is filled as absent."""
    confidence: float = 0.9
    """Share of the promises that are kept, on average."""

    def __post_init__(self) -> None:
        for name, value in (("precision", self.precision), ("npv", self.npv), ("confidence", self.confidence)):
            if value is not None and not 0 < value < 1:
                raise TagLensError(f"{name} must lie between 0 and 1 (both excluded), came {value}; write 0.95 for 95 %")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is said of one value (present or absent) of one class."""

    basis: Basis
    """``class``: promised of this class alone; ``pooled``: of all pooled classes together, not of this one; ``none``: not at all."""
    promise: Promise
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


def fill(probabilities: NDArray[np.float64], labels: PartialLabels, asked: Asked, *, reviewed: NDArray[np.bool_] | None = None) -> Filling:
    """Fill the unknown cells that can be promised; known labels are never changed.

    Args:
        probabilities: (image, label) calibrated, each from a model and a calibration that did not see the picture's labels.
        labels: (image, label).
        asked: precision, negative predictive value and confidence.
        reviewed: (image, label) known cells that somebody chose to look at, so that they are no random sample; None: none are.

    Raises:
        TableError: no cell is unknown, or none is known.
    """
    if not labels.unknown.any():
        raise TableError("no cell is unknown, so there is nothing to fill; blank cells are the ones that were not checked")
    if not labels.known.any():
        raise TableError("no cell is known, so nothing can be promised; fill some cells with 1 (present) or 0 (absent)")
    chosen = np.zeros(labels.shape, dtype=bool) if reviewed is None else reviewed & labels.known
    board = _Board(probabilities, labels, chosen)
    values = labels.values.copy()
    present = _state(board, POSITIVE, asked.precision, asked.confidence, limits=None)
    _write(values, board, present, POSITIVE)
    absent = None
    if asked.npv is not None:
        limits = [_below(board.scores(POSITIVE, place), found.promise) for place, found in enumerate(present)]
        absent = _state(board, NEGATIVE, asked.npv, asked.confidence, limits=limits)
        _write(values, board, absent, NEGATIVE)
    return Filling(labels=PartialLabels(values), present=present, absent=absent)


@dataclass(frozen=True, eq=False)
class _Board:
    probabilities: NDArray[np.float64]
    labels: PartialLabels
    reviewed: NDArray[np.bool_]

    @property
    def tried(self) -> int:
        """Number of classes that could be promised, whatever their labels say."""
        sampled = (self.labels.known & ~self.reviewed).any(0)
        return int((sampled & self.labels.unknown.any(0)).sum())

    def scores(self, value: int, places: int | list[int]) -> NDArray[np.float64]:
        """Return the probability that the value is right, (image,) for one class, (image, label) for several."""
        columns = self.probabilities[:, places]
        return columns if value == POSITIVE else 1 - columns

    def cells(self, value: int, places: list[int]) -> Cells:
        """Return the cells of some classes as one."""
        return Cells(
            scores=self.scores(value, places).ravel(),
            sampled=(self.labels.known & ~self.reviewed)[:, places].ravel(),
            reviewed=self.reviewed[:, places].ravel(),
            right=np.equal(self.labels.values[:, places], value).ravel(),
        )


def _state(board: _Board, value: int, asked: float, confidence: float, *, limits: list[int] | None) -> tuple[Statement, ...]:
    """Return a statement for each class: its own where its counts allow, else that of the classes that are pooled."""
    lacking = [_lacking(board, value, place, asked, confidence) for place in range(board.labels.shape[1])]
    pool = tuple(place for place, reason in enumerate(lacking) if reason == "few")
    groups = [(place,) for place, reason in enumerate(lacking) if not reason] + ([pool] if pool else [])
    found = promise_many(
        groups, lambda group, level: _promise(board, value, group, asked, level, limits), tried=board.tried, confidence=confidence
    )

    def statement(place: int) -> Statement:
        group = pool if place in pool else (place,)
        promise = found.get(group, Promise(threshold=None, reason=lacking[place]))
        basis: Basis = "none" if promise.threshold is None else "pooled" if place in pool else "class"
        filled = _filled(board, value, place, promise)
        expected = float(board.scores(value, place)[filled].mean()) if filled.any() else None
        return Statement(basis=basis, promise=promise, filled=int(filled.sum()), expected=expected)

    return tuple(statement(place) for place in range(len(lacking)))


def _promise(board: _Board, value: int, group: tuple[int, ...], asked: float, confidence: float, limits: list[int] | None) -> Promise:
    cells = board.cells(value, list(group))
    most = None
    if limits is not None:  # cells that were filled as present are not there to be filled as absent
        highest = max(_highest_filled(board, place, limits[place]) for place in group)
        most = int((cells.scores > highest).sum())
    found = find_promise(cells, asked, confidence, most=most)
    if found.reason and len(group) > 1:
        return replace(found, reason=f"{len(group)} classes with few known labels were taken together: {found.reason}")
    return found


def _lacking(board: _Board, value: int, place: int, asked: float, confidence: float) -> str:
    """Return why a class cannot be promised on its own: "" if it can be tried, "few" if it may join others."""
    column = board.labels.values[:, place]
    sampled = (column != UNKNOWN) & ~board.reviewed[:, place]
    if not (column == UNKNOWN).any():
        return "no unknown cell"
    if not sampled.any():
        return "never known: no label of this class was given, so nothing says how good a guess is"
    right = int((sampled & (column == value)).sum())
    if right == 0:
        return f"no known {'positive' if value == POSITIVE else 'negative'} label, so nothing says how good a guess is"
    share = float(sampled.mean())
    fewest = fewest_cells(share, len(column), asked, confidence)
    return "few" if fewest is None or right < share * fewest else ""


def _filled(board: _Board, value: int, place: int, promise: Promise) -> NDArray[np.bool_]:
    if promise.threshold is None:
        return np.zeros(len(board.labels), dtype=bool)
    return board.labels.unknown[:, place] & (board.scores(value, place) >= promise.threshold)


def _write(values: NDArray[np.int8], board: _Board, statements: tuple[Statement, ...], value: int) -> None:
    for place, statement in enumerate(statements):
        values[_filled(board, value, place, statement.promise), place] = value


def _below(scores: NDArray[np.float64], promise: Promise) -> int:
    """Return how many cells lie below the threshold of the cells that were filled as present."""
    return len(scores) if promise.threshold is None else int((scores < promise.threshold).sum())


def _highest_filled(board: _Board, place: int, limit: int) -> float:
    """Return the score (of being absent) of the cells that were filled as present and come closest; below 0 if there are none."""
    ranked = np.sort(board.scores(NEGATIVE, place))[::-1]
    return float(ranked[limit]) if limit < len(ranked) else -1.0

"""The known cells of a large table, without the others: memory grows with what is known, not with pictures x classes.

A cell is one number, image * classes + class. Used while Open Images is read; a LabelTable holds its labels densely, a byte a cell.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels

MOST_CELLS = 4 << 30
"""Cells (bytes) of the largest table that is made dense."""


class KnownCells(NamedTuple):
    """Which cells are known to be present and absent; each array is ascending and holds a cell once, and none is in both."""

    classes: int
    positive: NDArray[np.int64]
    negative: NDArray[np.int64]


def known_cells(images: NDArray[np.int64], columns: NDArray[np.int64], positive: NDArray[np.bool_], classes: int) -> tuple[KnownCells, int]:
    """Return the cells of rows (image, class, whether present), all of one length, and how many contradict each other.

    A cell whose rows contradict each other is not known.
    """
    cell = images * classes + columns
    present, absent = _once(cell[positive]), _once(cell[~positive])
    both = np.intersect1d(present, absent, assume_unique=True)
    return KnownCells(classes, without(present, both), without(absent, both)), len(both)


def closed(cells: KnownCells, ancestors: Mapping[int, tuple[int, ...]]) -> tuple[KnownCells, int, int]:
    """Return the cells with what a hierarchy implies, and how many implied cells were present and absent already or contradict each other.

    A present class makes its ancestors present, an absent class its descendants absent. What was given stays as it is; a cell
    that is implied both ways is not known.

    Args:
        cells: what was given.
        ancestors: class -> all classes above it, not only the next.

    Returns:
        The closed cells; the cells that were given otherwise than implied; the cells that are implied both ways.
    """
    descendants: dict[int, list[int]] = {}
    for child, above in ancestors.items():
        for parent in above:
            descendants.setdefault(parent, []).append(child)
    up = _implied(cells.positive, cells.classes, ancestors)
    down = _implied(cells.negative, cells.classes, descendants)
    against = len(np.intersect1d(up, cells.negative, assume_unique=True)) + len(np.intersect1d(down, cells.positive, assume_unique=True))
    given = _together(cells.positive, cells.negative)
    up, down = without(up, given), without(down, given)
    both = np.intersect1d(up, down, assume_unique=True)
    positive, negative = _together(cells.positive, without(up, both)), _together(cells.negative, without(down, both))
    return KnownCells(cells.classes, positive, negative), against, len(both)


def dense(cells: KnownCells, images: int, where: str) -> PartialLabels:
    """Return the labels (image, label).

    Raises:
        TableError: they would take more than ``MOST_CELLS`` bytes.
    """
    size = images * cells.classes
    if size > MOST_CELLS:
        raise TableError(
            f"{where}: {images:,} pictures x {cells.classes:,} classes are {size / 2**30:,.0f} GiB of labels, a byte a cell; at most "
            f"{MOST_CELLS / 2**30:.0f} GiB are held: keep the pictures you have (--at-hand), another --split, or list fewer classes in "
            "classes-trainable.txt"
        )
    values = np.full(size, UNKNOWN, np.int8)
    values[cells.positive], values[cells.negative] = POSITIVE, NEGATIVE
    values.flags.writeable = False  # so that it is not copied
    return PartialLabels(values.reshape(images, cells.classes))


def without(cells: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ``cells`` that are not among ``others``; both are ascending and hold a cell once."""
    return np.setdiff1d(cells, others, assume_unique=True)


def _together(cells: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return both, ascending; no cell is in both."""
    return np.sort(np.concatenate([cells, others]))


def _once(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each cell once, ascending: numpy's own unique hashes, which takes several times as long as sorting for millions."""
    ordered = np.sort(cells)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _implied(cells: NDArray[np.int64], classes: int, related: Mapping[int, tuple[int, ...] | list[int]]) -> NDArray[np.int64]:
    """Return the cells of the classes that are ``related`` to those of ``cells``, in the same pictures."""
    column = cells % classes
    parts = [(cells[column == one] - one)[:, None] + np.array(others)[None] for one, others in related.items() if others]
    return _once(np.concatenate([part.ravel() for part in parts])) if parts else np.zeros(0, np.int64)

"""Which classes go together, and which cells a class has."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int8, Int64
from torch import Tensor

from taglens.gaussian_process.forms import BYTES_PER_ENTRY


def batches(cells: Sequence[int], memory: int = 1 << 28) -> list[list[int]]:
    """Return classes to be solved together, the numbers ``cells`` of their cells being similar (padding below a quarter of the side).

    Args:
        cells: number of cells of each class.
        memory: bytes for the kernels and factors of one batch; a class that needs more is alone.
    """
    found: list[list[int]] = []
    for label in sorted(range(len(cells)), key=lambda label: (-cells[label], label)):
        batch = found[-1] if found else []
        largest = cells[batch[0]] if batch else 0
        fits = (len(batch) + 1) * largest**2 * BYTES_PER_ENTRY <= memory
        if batch and fits and cells[label] >= 0.75 * largest - 16:
            batch.append(label)
        else:
            found.append([label])
    return found


class Cells(NamedTuple):
    """The cells of some classes, padded at the end to the class with most."""

    rows: Int64[Tensor, "label cell"]
    """The picture of each cell; 0 in the padding."""
    filled: Bool[Tensor, "label cell"]
    """False in the padding."""


def counted_cells(counted: Bool[Tensor, "image label"]) -> Cells:
    """Return the pictures that count in each class, in order."""
    sizes = counted.sum(0)
    most = int(sizes.max()) if sizes.numel() else 0
    filled = torch.arange(most, device=counted.device)[None] < sizes[:, None]
    rows = torch.zeros(filled.shape, dtype=torch.int64, device=counted.device)
    rows[filled] = counted.T.nonzero()[:, 1]
    return Cells(rows, filled)


def padded_states(states: Int8[Tensor, "image label"], cells: Cells) -> Int8[Tensor, "label cell"]:
    """Return the states of these cells; -1 in the padding."""
    found = torch.gather(states.T, 1, cells.rows)
    return torch.where(cells.filled, found, -1)

"""Features that touch no disk: half precision in memory, for pictures that somebody has in hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from taglens.features.store import as_features
from taglens.shapes import Features


@dataclass(frozen=True, eq=False)
class MemoryStore:
    """What a :class:`taglens.features.store.FeatureStore` gives to those who read, from memory."""

    values: NDArray[np.float16]
    """(row, 1 + position, channel), the pooled vector first."""
    contents: Sequence[bytes]
    """Hash of the picture of each row."""

    def gather(self, rows: NDArray[np.int64], device: torch.device | str = "cpu") -> Features:
        """Return the features in these rows as float32, on ``device``."""
        return as_features(self.values[np.asarray(rows, dtype=np.int64)], device)

    def digests(self, rows: NDArray[np.int64]) -> bytes:
        """Return the hashes of the pictures in these rows, one after the other."""
        return b"".join(self.contents[row] for row in rows.tolist())

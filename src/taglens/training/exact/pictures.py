"""Training pictures as the exact head sees them: unit positions, the standardised pooled vector, and features of its RBF kernel."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from taglens.errors import TrainingError
from taglens.gaussian_process import Landmarks, choose_landmarks
from taglens.methods.exact import LANDMARKS
from taglens.training.costs import POSITION_BYTES
from taglens.training.data import FeatureRows

RBF_LENGTH = 1.2
"""Length of the RBF kernel on pooled vectors, in units where these have root mean square length 1."""
_BLOCK = 256
"""Pictures read at a time."""
_LANDMARK_SAMPLE = 2048


class PositionBlock(NamedTuple):
    """Positions of some pictures that follow each other."""

    start: int
    unit: Float[Tensor, "image position channel"]
    """The map's vectors, each of length 1."""
    length: Float[Tensor, "image position"]
    """The lengths they had."""


class TrainingPictures:
    """The pictures ``rows`` of ``features``, in that order.

    Args:
        features: of all pictures.
        rows: which.
        decoupling: whether classes look at their own positions; else positions are never read.
        scaled_by: pictures whose centre, spread and landmarks these share.
        device: where to compute with them.
    """

    def __init__(
        self,
        features: FeatureRows,
        rows: NDArray[np.int64],
        *,
        decoupling: bool = True,
        scaled_by: "TrainingPictures | None" = None,
        device: torch.device | None = None,
    ) -> None:
        self._features, self._rows = features, rows
        self._device: torch.device | None = device if scaled_by is None else scaled_by._device
        self.decoupling: bool = decoupling if scaled_by is None else scaled_by.decoupling
        self._kept: list[PositionBlock] | None = None
        pooled = torch.cat([features.gather(rows[i : i + _BLOCK]).pooled for i in range(0, len(rows), _BLOCK)]).to(self._device)
        self.pooled: Float[Tensor, "image channel"] = functional.normalize(pooled, dim=-1)
        if not bool(torch.isfinite(self.pooled).all()):
            raise TrainingError("features of some pictures are not finite; delete their feature store (taglens cache) and train again")
        self.centre: Float[Tensor, " channel"] = self.pooled.mean(0) if scaled_by is None else scaled_by.centre
        self.pooled -= self.centre
        self.spread: float = float(self.pooled.square().sum(-1).mean().sqrt().clamp(min=1e-6)) if scaled_by is None else scaled_by.spread
        self.pooled /= self.spread
        self.landmarks: Landmarks = _landmarks(self.pooled) if scaled_by is None else scaled_by.landmarks
        self.rbf: Float[Tensor, "image landmark"] = self.landmarks.features(self.pooled)

    def __len__(self) -> int:
        return len(self._rows)

    def blocks(self) -> Iterator[PositionBlock]:
        """Yield the positions of all pictures."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[PositionBlock] | None = []
        for start in range(0, len(self._rows), _BLOCK):
            maps = self._features.gather(self._rows[start : start + _BLOCK]).map.to(self._device)
            length = maps.norm(dim=-1).clamp(min=1e-12)
            block = PositionBlock(start, maps / length[..., None], length)
            if kept is not None and 4 * maps[0].numel() * len(self) <= POSITION_BYTES:
                kept.append(block)
            else:
                kept = None
            yield block
        self._kept = kept


def _landmarks(pooled: Tensor) -> Landmarks:
    step = max(1, -(-len(pooled) // _LANDMARK_SAMPLE))
    return choose_landmarks(pooled[::step], LANDMARKS, RBF_LENGTH)

"""Batches for training: rows of stored features with their labels."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.shapes import Features, Targets


class FeatureRows(Protocol):
    """Features of pictures by their place in the table."""

    def __len__(self) -> int:
        """Return the number of pictures."""

    def gather(self, rows: NDArray[np.int64]) -> Features:
        """Return the features of some pictures, float32."""


class Batch(NamedTuple):
    """Features of some pictures and their labels."""

    map: Tensor
    pooled: Tensor
    targets: Targets
    sure: Targets
    """The targets without those that a model filled."""

    @property
    def features(self) -> Features:
        """The features alone."""
        return Features(self.map, self.pooled)


class FeatureDataset(Dataset[Batch]):
    """Stored features beside all labels and those that no model filled; a whole batch is gathered at once."""

    def __init__(self, features: FeatureRows, labels: PartialLabels, sure: PartialLabels, rows: NDArray[np.int64]) -> None:
        self.features, self.rows = features, rows
        self.targets, self.sure = torch.from_numpy(labels.values[rows]), torch.from_numpy(sure.values[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, places: Sequence[int]) -> Batch:
        """Gather the pictures at ``places`` in one pass over the store."""
        chosen = self.features.gather(self.rows[np.asarray(places)])
        rows = torch.as_tensor(places)
        return Batch(chosen.map, chosen.pooled, self.targets[rows], self.sure[rows])


def loader(dataset: FeatureDataset, batch_size: int, *, shuffle_seed: int | None = None) -> DataLoader[Batch]:
    """Return batches in order, or shuffled anew each epoch from ``shuffle_seed``."""
    generator = None if shuffle_seed is None else torch.Generator().manual_seed(shuffle_seed)
    return DataLoader(dataset, batch_size, shuffle=generator is not None, generator=generator, collate_fn=_as_is)


def _as_is(batch: Any) -> Any:
    return batch


def batches_of(features: FeatureRows, rows: NDArray[np.int64], batch_size: int) -> Iterator[Features]:
    """Yield the features of ``rows`` in order."""
    for start in range(0, len(rows), batch_size):
        yield features.gather(rows[start : start + batch_size])


def without(labels: PartialLabels, filled: NDArray[np.bool_] | None) -> PartialLabels:
    """Return the labels with the filled ones unknown; all of them if no other is known."""
    if filled is None:
        return labels
    sure = PartialLabels(np.where(filled, np.int8(UNKNOWN), labels.values))
    return sure if sure.known.any() else labels


def hold_out(labels: PartialLabels, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split pictures into (training, held-out) rows; only pictures with a known label are held out, in sorted order.

    A class's only known positive never leaves the training rows.
    """
    random = np.random.default_rng(seed)
    candidates = random.permutation(np.flatnonzero(labels.known.any(1)))
    wanted = round(share * len(candidates))
    left = labels.counts().positive.copy()
    held: list[int] = []
    for row in candidates:
        if len(held) == wanted:
            break
        positive = labels.positive[row]
        if (left[positive] > 1).all():
            left -= positive
            held.append(int(row))
    chosen = np.sort(np.asarray(held, dtype=np.int64))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen

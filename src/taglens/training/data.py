"""Batches for training: rows of stored features with their labels."""

from collections.abc import Iterator, Sequence, Sized
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler, SequentialSampler

from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.shapes import Features, Targets


class FeatureRows(Protocol):
    """Features of pictures by their place in the table."""

    def __len__(self) -> int:
        """Return the number of pictures."""

    @property
    def views(self) -> int:
        """Views of each picture; view 0 is the picture as it is."""

    def gather(self, index: NDArray[np.int64], views: NDArray[np.int64] | int = 0) -> Features:
        """Return the features of some pictures, float32: one view for all, or one for each."""


class Batch(NamedTuple):
    """Features of some pictures and their labels."""

    map: Tensor
    pooled: Tensor
    targets: Targets
    sure: Targets
    """The targets without those that a model filled."""
    places: Tensor
    """Rows of the pictures among those that are trained on, which the memory of a loss goes by."""

    @property
    def features(self) -> Features:
        """The features alone."""
        return Features(self.map, self.pooled)


class FeatureDataset(Dataset[Batch]):
    """Stored features beside all labels and those that no model filled; a whole batch is gathered at once.

    With several ``views`` the number place * views + view stands for one view of the picture at a place.
    """

    def __init__(self, features: FeatureRows, labels: PartialLabels, sure: PartialLabels, rows: NDArray[np.int64], views: int = 1) -> None:
        self.features, self.rows, self.views = features, rows, views
        self.targets, self.sure = torch.from_numpy(labels.values[rows]), torch.from_numpy(sure.values[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, numbers: Sequence[int]) -> Batch:
        """Gather these views of pictures in one pass over the store."""
        places, views = np.divmod(np.asarray(numbers), self.views)
        chosen = self.features.gather(self.rows[places], views)
        rows = torch.from_numpy(places)
        return Batch(chosen.map, chosen.pooled, self.targets[rows], self.sure[rows], rows)


class ShuffledViews(RandomSampler):
    """Every picture once in an order that is new each epoch, seen by one of its views; one generator draws both."""

    def __init__(self, dataset: FeatureDataset, generator: torch.Generator) -> None:
        super().__init__(dataset, generator=generator)
        self.views = dataset.views

    def __iter__(self) -> Iterator[int]:
        order = torch.tensor(list(super().__iter__()))
        if self.views > 1:
            order = order * self.views + torch.randint(self.views, order.shape, generator=self.generator)
        return iter(order.tolist())


def loader(dataset: FeatureDataset, batch_size: int, *, shuffle_seed: int | None = None) -> DataLoader[Batch]:
    """Return batches in order, or shuffled anew each epoch from ``shuffle_seed``; each process gets its own share of every batch."""
    generator = None if shuffle_seed is None else torch.Generator().manual_seed(shuffle_seed)
    order = SequentialSampler(dataset) if generator is None else ShuffledViews(dataset, generator)
    shares = SharedBatches(order, batch_size, drop_short=generator is not None)
    return DataLoader(dataset, batch_sampler=shares, generator=generator, collate_fn=_as_is)


class SharedBatches(BatchSampler):
    """Batches of which every process takes every n-th picture, so that all processes together see what one alone would see.

    With ``drop_short`` a last batch with fewer pictures than processes is left out, since all must take the same number of steps.
    """

    def __init__(self, sampler: Sampler[int], batch_size: int, *, drop_short: bool) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        self.drop_short = drop_short

    def __iter__(self) -> Iterator[list[int]]:
        number, processes = _place()
        for batch in super().__iter__():
            share = batch[number::processes]
            if share and not (self.drop_short and len(batch) < processes):
                yield share

    def __len__(self) -> int:
        pictures = len(cast(Sized, self.sampler))
        short = self.drop_short and 0 < pictures % self.batch_size < _place()[1]
        return super().__len__() - short


def _place() -> tuple[int, int]:
    """Return this process's number and how many there are."""
    started = torch.distributed.is_available() and torch.distributed.is_initialized()
    return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if started else (0, 1)


def _as_is(batch: Any) -> Any:
    return batch


def batches_of(features: FeatureRows, rows: NDArray[np.int64], batch_size: int, device: torch.device | str = "cpu") -> Iterator[Features]:
    """Yield the features of ``rows`` in order, on ``device``."""
    for start in range(0, len(rows), batch_size):
        found = features.gather(rows[start : start + batch_size])
        yield Features(found.map.to(device), found.pooled.to(device))


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

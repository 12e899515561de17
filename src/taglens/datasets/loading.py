"""Pictures as batches of tensors, decoded by as many processes as the machine has cores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from taglens.datasets.pictures import MAX_PIXELS
from taglens.datasets.transforms import PictureTransform
from taglens.errors import PictureError, unknown_name
from taglens.labels.table import LabelTable
from taglens.machine import cores

OnBad = Literal["error", "skip"]


@dataclass(frozen=True)
class Skipped:
    """A picture that was left out, and why."""

    index: int
    path: Path
    reason: str


@dataclass(frozen=True)
class PictureBatch:
    """Pictures that could be read, and those that could not."""

    index: torch.Tensor
    """(batch,) positions of the pictures in the data set."""
    pictures: torch.Tensor
    """(batch, 3, size, size); a batch may be empty if every picture of it was skipped."""
    skipped: tuple[Skipped, ...]


class PictureDataset(Dataset["np.ndarray | Skipped"]):
    """The pictures of a table, or of a list of paths, as the backbone takes them: float32 (3, size, size).

    With ``on_bad="skip"`` an unreadable picture gives :class:`Skipped` instead of an error. ``max_pixels`` is the size limit of
    :func:`taglens.datasets.pictures.open_picture`.

    Raises:
        PictureError: at access, a picture that cannot be read, with ``on_bad="error"``.
    """

    def __init__(
        self,
        pictures: LabelTable | Sequence[Path],
        transform: PictureTransform,
        on_bad: OnBad = "error",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if on_bad not in ("error", "skip"):
            raise unknown_name("treatment of bad pictures", on_bad, ("error", "skip"))
        self.pictures = pictures
        self.transform = transform
        self.on_bad = on_bad
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.pictures)

    def path(self, index: int) -> Path:
        """Return where picture ``index`` lies."""
        return self.pictures.path(index) if isinstance(self.pictures, LabelTable) else Path(self.pictures[index])

    def __getitem__(self, index: int) -> np.ndarray | Skipped:
        path = self.path(index)
        try:
            return self.transform(self.transform.open(path, max_pixels=self.max_pixels))
        except PictureError as error:
            if self.on_bad == "skip":
                return Skipped(index, path, str(error).removeprefix(f"{path}: "))
            raise PictureError(f"{error} (or go on without it: --on-bad-image skip)") from error


class _Numbered(Dataset["tuple[int, np.ndarray | Skipped] | PictureError"]):
    """Adds the position to each picture, and hands errors over as values: a worker's traceback is nothing for users."""

    def __init__(self, dataset: PictureDataset, order: Sequence[int]) -> None:
        self.dataset, self.order = dataset, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> "tuple[int, np.ndarray | Skipped] | PictureError":
        index = int(self.order[place])
        try:
            return index, self.dataset[index]
        except PictureError as error:
            return PictureError(str(error))


def load_batches(
    dataset: PictureDataset, batch: int, *, order: Sequence[int] | None = None, workers: int | None = None
) -> Iterator[PictureBatch]:
    """Yield the pictures of ``dataset`` in batches, in the order given (default: from first to last).

    ``workers`` processes decode ahead (default: one for each core but one, none where the machine or the work is small); 0 decodes
    here. The batches do not depend on it.

    Raises:
        PictureError: a picture cannot be read and ``dataset.on_bad`` is "error".
    """
    chosen = range(len(dataset)) if order is None else order
    processes = default_workers(len(chosen)) if workers is None else workers
    loader = DataLoader(
        _Numbered(dataset, chosen),
        batch_size=batch,
        num_workers=processes,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=2 if processes else None,
    )
    for loaded in loader:
        if isinstance(loaded, PictureError):
            raise loaded
        yield PictureBatch(*loaded)


def default_workers(pictures: int) -> int:
    """Return how many processes should decode: the cores this process may use but one, at most 16; none for few pictures."""
    return 0 if pictures < 256 else min(cores() - 1, 16)


def _collate(
    items: "list[tuple[int, np.ndarray | Skipped] | PictureError]",
) -> "tuple[torch.Tensor, torch.Tensor, tuple[Skipped, ...]] | PictureError":
    good: list[tuple[int, np.ndarray]] = []
    skipped: list[Skipped] = []
    for item in items:
        if isinstance(item, PictureError):
            return item
        index, picture = item
        if isinstance(picture, Skipped):
            skipped.append(picture)
        else:
            good.append((index, picture))
    pictures = np.stack([picture for _, picture in good]) if good else np.empty((0, 3, 0, 0), dtype=np.float32)
    return torch.tensor([index for index, _ in good], dtype=torch.int64), torch.from_numpy(pictures), tuple(skipped)

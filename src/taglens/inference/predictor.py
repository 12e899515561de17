"""A stream of pictures in, a stream of probabilities out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taglens.datasets.pictures import OnBadImage
from taglens.errors import PictureError
from taglens.parallel import decode_ahead, readable

if TYPE_CHECKING:
    from taglens.recognizer import Recognizer

Pixels: TypeAlias = NDArray[np.float32]
"""A picture ready for the model, (3, size, size), or a batch of them."""
Maps: TypeAlias = NDArray[np.float32]
"""Where each class was seen, (label, row, column)."""


@dataclass(frozen=True, eq=False)
class PicturePrediction:
    """What a recogniser says of one picture."""

    path: Path
    probabilities: NDArray[np.float32]
    """One for each class, (label,)."""
    attention: Maps | None = None
    """Where each class looked, (label, row, column), sum 1; None if not asked for or the method does not look locally."""
    baseline: Maps | None = None
    """CLIP's own similarity map of each class, (label, row, column), sum 1; None if not asked for."""
    deviations: NDArray[np.float32] | None = None
    """Posterior standard deviation of each class's logit, (label,); None if not asked for."""

    @property
    def heatmaps(self) -> Maps | None:
        """What is shown: the attention, or CLIP's map for a method without attention of its own; None if not asked for."""
        return self.baseline if self.attention is None else self.attention


def predict_pictures(
    recognizer: "Recognizer",
    paths: Iterable[Path],
    *,
    batch: int = 32,
    maps: bool = False,
    uncertainty: bool = False,
    on_bad: OnBadImage = "error",
    on_skip: Callable[[Path, PictureError], None] | None = None,
    threads: int | None = None,
) -> Iterator[PicturePrediction]:
    """Yield the prediction of each picture in the order of ``paths``; at most three batches are in memory.

    Args:
        recognizer: the trained model with its backbone.
        paths: picture files, read lazily.
        batch: pictures that are encoded together.
        maps: also yield the attention maps and CLIP's own.
        uncertainty: also yield the deviations.
        on_bad: what to do with an unreadable picture; ``skip`` leaves it out and tells ``on_skip``.
        on_skip: called for each picture left out.
        threads: how many open pictures; default one for each processor.

    Raises:
        PictureError: a picture cannot be read and ``on_bad`` is "error".
        RunError: ``uncertainty`` is asked of a recogniser that has none.
    """
    if uncertainty:
        recognizer.require_deviations()
    transform = recognizer.backbone.transform

    def decode(path: Path) -> Pixels:
        return transform(transform.open(path))

    skip = None if on_bad == "error" else on_skip or (lambda path, error: None)
    decoded = decode_ahead(paths, decode, ahead=2 * batch, threads=threads)
    for chosen in _batches(readable(decoded, skip), batch):
        paths_of, pixels = [path for path, _ in chosen], np.stack([array for _, array in chosen])
        yield from _predict_batch(recognizer, paths_of, pixels, maps=maps, uncertainty=uncertainty)


def _batches(pictures: Iterable[tuple[Path, Pixels]], size: int) -> Iterator[list[tuple[Path, Pixels]]]:
    batch: list[tuple[Path, Pixels]] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@torch.inference_mode()
def _predict_batch(
    recognizer: "Recognizer", paths: list[Path], pictures: Pixels, *, maps: bool, uncertainty: bool
) -> list[PicturePrediction]:
    backbone = recognizer.backbone
    features = backbone.features(torch.from_numpy(pictures).to(backbone.device))
    deviations = recognizer.deviations(features).cpu().numpy() if uncertainty else None
    attention = baseline = None
    if maps:
        scores, grid = recognizer.scores(features), backbone.grid(*pictures.shape[2:])
        attention, baseline = _as_maps(scores.attention, grid), _as_maps(scores.baseline, grid)
        probabilities = scores.probabilities.cpu().numpy()
    else:
        probabilities = recognizer.probabilities(features).cpu().numpy()
    return [
        PicturePrediction(
            path,
            probabilities[i],
            attention=None if attention is None else attention[i],
            baseline=None if baseline is None else baseline[i],
            deviations=None if deviations is None else deviations[i],
        )
        for i, path in enumerate(paths)
    ]


def _as_maps(weights: Tensor | None, grid: tuple[int, int]) -> Maps | None:
    return None if weights is None else weights.float().cpu().numpy().reshape(*weights.shape[:2], *grid)

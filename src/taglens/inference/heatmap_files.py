"""Heatmaps as files, one for each picture and class, under names that every file system takes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.datasets.pictures import open_picture
from taglens.datasets.transforms import PictureTransform
from taglens.inference.heatmap import overlay, seen_box
from taglens.outputs import atomic_path, safe_name, safe_names

if TYPE_CHECKING:
    from taglens.inference.predictor import PicturePrediction


def save_heatmaps(
    predictions: Iterable["PicturePrediction"],
    folder: "HeatmapFolder",
    choose: Callable[[NDArray[np.float32]], Iterable[int]],
    transform: PictureTransform,
    longest: int = 1024,
) -> Iterator["PicturePrediction"]:
    """Hand the predictions on, writing on the way the heatmaps of the classes that ``choose`` picks by the probabilities.

    Predictions must carry maps; a method without attention of its own shows CLIP's similarity map.

    Args:
        predictions: made with ``maps=True``.
        folder: where the heatmaps go.
        choose: from probabilities (label,) to columns of classes.
        transform: the backbone's, which says what part of the picture the maps cover.
        longest: longer side of the written pictures.
    """
    for prediction in predictions:
        maps = prediction.heatmaps
        columns = [] if maps is None else list(choose(prediction.probabilities))
        if maps is not None and columns:
            picture = open_picture(prediction.path, at_least=longest)
            box = seen_box(picture, transform)
            for column in columns:
                folder.write(prediction.path, column, overlay(picture, maps[column], longest=longest, box=box))
        yield prediction


class HeatmapFolder:
    """Writes heatmaps as ``FOLDER/<picture>.<class>.png``.

    A picture with the same name as another one of this folder gets eight signs of a hash of its path appended.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self._folder = folder
        self._names = safe_names(classes)
        self._owner: dict[str, Path] = {}

    def write(self, path: Path, column: int, heatmap: Image.Image) -> Path:
        """Write the heatmap of the picture at ``path`` for the class of ``column`` and return its file name."""
        target = self._folder / f"{self._stem(path)}.{self._names[column]}.png"
        with atomic_path(target) as temporary:
            heatmap.save(temporary, format="PNG")
        return target

    def _stem(self, path: Path) -> str:
        stem = safe_name(path.stem)
        if self._owner.setdefault(stem.casefold(), path) == path:
            return stem
        return f"{stem}-{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"

"""A table as a FiftyOne dataset: known labels, probabilities as predictions, and heatmaps of the tags a model found."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.errors import OutputError, TagLensError
from taglens.inference.heatmap import intensity
from taglens.labels.states import POSITIVE
from taglens.labels.table import LabelTable

if TYPE_CHECKING:
    from taglens.recognizer import Recognizer

SHOWN = 0.5
"""Probabilities from which a class that nobody checked is shown as a prediction."""


def write_fiftyone(table: LabelTable, name: str, folder: Path, recognizer: "Recognizer | None" = None, *, force: bool = False) -> None:
    """Make the persistent dataset ``name``; with a recogniser, heatmaps of each picture's predicted tags lie in ``folder``.

    Raises:
        TagLensError: FiftyOne is not installed.
        OutputError: there is such a dataset and ``force`` is false.
    """
    os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")
    try:
        import fiftyone
    except ImportError as error:
        raise TagLensError("FiftyOne is not installed: pip install fiftyone") from error
    if fiftyone.dataset_exists(name) and not force:
        raise OutputError(f"there is a FiftyOne dataset {name!r} already; choose another name for --out or pass --force to replace it")
    dataset = fiftyone.Dataset(name=name, persistent=True, overwrite=force)
    dataset.default_classes = list(table.classes)
    dataset.add_samples(samples(table, fiftyone, _maps(table, folder, recognizer) if recognizer else None))


def samples(table: LabelTable, fiftyone: Any, maps: Callable[[int, Sequence[int]], dict[int, Path]] | None) -> Iterator[Any]:
    """Yield a sample for each picture, made by the module ``fiftyone``; ``maps`` writes heatmaps and returns class -> file."""
    filled = table.of_kind("predicted")
    for row in range(len(table)):
        sample = fiftyone.Sample(filepath=str(table.path(row).resolve()), tags=[table.splits[row]] if table.splits else [])
        given = np.flatnonzero(table.labels.positive[row] & ~filled[row])
        absent = np.flatnonzero(table.labels.negative[row] & ~filled[row])
        predicted = _predicted(table, row, filled[row])
        sample["present"] = fiftyone.Classifications(classifications=[fiftyone.Classification(label=table.classes[c]) for c in given])
        sample["absent"] = fiftyone.Classifications(classifications=[fiftyone.Classification(label=table.classes[c]) for c in absent])
        sample["predictions"] = fiftyone.Classifications(
            classifications=[
                fiftyone.Classification(label=table.classes[c], confidence=probability, filled=bool(filled[row, c]))
                for c, probability in predicted.items()
            ]
        )
        for label, path in (maps(row, list(predicted)) if maps else {}).items():
            sample[f"heat {table.classes[label]}".replace(" ", "_")] = fiftyone.Heatmap(map_path=str(path.resolve()))
        yield sample


def _predicted(table: LabelTable, row: int, filled: NDArray[np.bool_]) -> dict[int, float | None]:
    """Return the classes filled as present, and unchecked ones that are probable, with their probabilities."""
    column = np.full(len(table.classes), np.nan) if table.probabilities is None else table.probabilities[row]
    chosen = (filled & np.equal(table.labels.values[row], POSITIVE)) | (table.labels.unknown[row] & (column >= SHOWN))
    return {int(label): None if np.isnan(column[label]) else float(column[label]) for label in np.flatnonzero(chosen)}


def _maps(table: LabelTable, folder: Path, recognizer: "Recognizer") -> Callable[[int, Sequence[int]], dict[int, Path]]:
    from taglens.inference.predictor import predict_pictures

    def write(row: int, labels: Sequence[int]) -> dict[int, Path]:
        if not labels:
            return {}
        prediction = next(iter(predict_pictures(recognizer, [table.path(row)], maps=True, threads=1)))
        maps = prediction.baseline if prediction.attention is None else prediction.attention
        assert maps is not None
        folder.mkdir(parents=True, exist_ok=True)
        written = {}
        for label in labels:
            written[label] = folder / f"{row:06}-{label:03}.png"
            Image.fromarray((255 * intensity(maps[label])).astype(np.uint8)).save(written[label])
        return written

    return write

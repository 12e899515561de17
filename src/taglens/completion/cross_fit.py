"""A probability for every cell from a model that was not trained on the picture's labels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError, TrainingError
from taglens.features.extract import StoredFeatures
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.recognizer import Recognizer
from taglens.runs.prepare import PreparedPart
from taglens.runs.train import score_rows
from taglens.training.config import TrainConfig
from taglens.training.fit import INTERRUPTED, fit


def picture_folds(features: StoredFeatures, count: int, seed: int) -> NDArray[np.int64]:
    """Return a fold for each picture; two files of the same content are in the same one.

    Raises:
        TrainingError: fewer than 2 folds.
        TableError: fewer different pictures than folds.
    """
    if count < 2:
        raise TrainingError(f"at least 2 folds are needed, so that a picture is judged by a model trained without it; came {count}")
    contents, content = np.unique(features.rows[:, 0], return_inverse=True)
    if len(contents) < count:
        raise TableError(f"{len(contents)} different pictures cannot be divided into {count} folds; expected at least {count} pictures")
    order = np.random.default_rng(seed).permutation(len(contents))
    folds: NDArray[np.int64] = (order % count)[content]
    return folds


def cross_fit(
    recognizer: Recognizer,
    training: TrainConfig,
    part: PreparedPart,
    labels: PartialLabels,
    folds: NDArray[np.int64],
    *,
    progress: bool = False,
    say: Callable[[str], None] = lambda message: None,
) -> NDArray[np.float32]:
    """Train the recogniser's method once for each fold, without the fold's labels, and return the fold's probabilities.

    Each row (image, label) comes from the model that was trained without it.

    Args:
        recognizer: gives backbone, method, classes and words; its own weights are not used and stay as they are.
        training: how it was trained.
        part: the pictures and their features.
        labels: (image, label), the labels to train on.
        folds: the fold of each picture, (image,).
        progress: show Lightning's progress bar.
        say: is told of every fold.

    Raises:
        TrainingError: a fold's training part has no known label, or training failed.
    """
    probabilities = np.full(labels.shape, np.nan, dtype=np.float32)
    numbers = np.unique(folds)
    for number, fold in enumerate(numbers, start=1):
        inside = folds == fold
        say(f"training without fold {number} of {len(numbers)}: {int((~inside).sum()):,} pictures")
        trained = _train_without(recognizer, training, part, labels, inside, progress)
        probabilities[inside] = score_rows(trained, part, np.flatnonzero(inside))
    return probabilities


def _train_without(
    recognizer: Recognizer, training: TrainConfig, part: PreparedPart, labels: PartialLabels, inside: NDArray[np.bool_], progress: bool
) -> Recognizer:
    backbone = recognizer.backbone
    fresh = Recognizer.create(backbone, recognizer.name, recognizer.config, recognizer.classes, recognizer.prompt_names, seed=training.seed)
    hidden = PartialLabels(np.where(inside[:, None], np.int8(UNKNOWN), labels.values))
    found = fit(fresh.method, backbone.texts(), part.features, hidden, training, accelerator=backbone.device.type, progress=progress)
    if found.stopped is not None:  # one fold of another quality would spoil the comparison between known and unknown cells
        if found.stopped.startswith(INTERRUPTED):
            raise KeyboardInterrupt
        raise TrainingError(f"training without one fold stopped early, so nothing was filled: {found.stopped}")
    fresh.refresh()
    return fresh

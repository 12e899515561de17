"""How probable each cell is for a model that has not seen that cell's own state: by leave-one-out, else by training again without folds."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.completion.calibration import cross_calibrate
from taglens.completion.config import CompleteConfig
from taglens.completion.cross_fit import cross_fit, picture_folds
from taglens.completion.sampling import find_ratio, for_all, logits_of
from taglens.labels.states import PartialLabels
from taglens.methods.exact import ExactHead
from taglens.recognizer import Recognizer
from taglens.runs.config import RunConfig
from taglens.runs.prepare import PreparedPart
from taglens.training.fit import fit


class CellScores(NamedTuple):
    """What is known of each cell without its own state; arrays are (image, label)."""

    known_logits: NDArray[np.float64]
    """Log-odds that the cell is present if it is a known one: what known labels can be compared with."""
    probabilities: NDArray[np.float64]
    """That the cell is present, known or not."""
    how: str
    """By which method, for the statement."""
    tags_alone: tuple[int, ...]
    """Classes of which only present cells were ever written down, as the learner sees it."""


LEAVE_ONE_OUT = (
    "Each known cell is judged by the exact head without that cell's own state (leave-one-out, Rasmussen and Williams 2006, equation "
    "5.12), each unknown one by the exact head."
)
FOLDS = (
    "Each picture is judged by a model and a calibration made without its labels (cross-fitting, Platt's sigmoid with shrinkage to all "
    "classes). Pooling the folds treats their known labels as independent."
)


def judge_cells(
    recognizer: Recognizer,
    trained: RunConfig,
    part: PreparedPart,
    labels: PartialLabels,
    config: CompleteConfig,
    *,
    progress: bool = False,
    say: Callable[[str], None] = lambda message: None,
) -> CellScores:
    """Train the run's method on the labels of this table, and judge every cell.

    Args:
        recognizer: gives backbone, method, classes and words; its weights are not used and stay as they are.
        trained: the run's settings.
        part: the pictures and their features.
        labels: (image, label), the labels that were given.
        config: folds and seed, for methods without leave-one-out.
        progress: show Lightning's progress bar.
        say: is told of every fold.

    Raises:
        TrainingError: training failed, or a fold's training part has no known label.
        TableError: fewer different pictures than folds.
    """
    if isinstance(recognizer.method, ExactHead):
        return _leave_one_out(recognizer, trained, part, labels)
    folds = picture_folds(part.features, config.folds, config.seed)
    raw = cross_fit(recognizer, trained.training, part, labels, folds, progress=progress, say=say)
    known_logits = logits_of(cross_calibrate(raw, labels, folds))
    ratio = find_ratio(known_logits, labels.values)
    believed = 1.0 if ratio is None or ratio.at_random else ratio.best
    return CellScores(known_logits, for_all(known_logits, believed), FOLDS, ())


def _leave_one_out(recognizer: Recognizer, trained: RunConfig, part: PreparedPart, labels: PartialLabels) -> CellScores:
    backbone = recognizer.backbone
    fresh = Recognizer.create(backbone, recognizer.name, recognizer.config, recognizer.classes, recognizer.prompt_names)
    implied = part.table.of_kind("implied")
    found = fit(
        fresh.method, backbone.texts(), part.features, labels, trained.training, progress=False, checked=trained.checked, implied=implied
    )
    assert found.probabilities is not None
    return left_out_scores(found.probabilities, found.choices["checked"])


def left_out_scores(probabilities: NDArray[np.float32], checked: Mapping[str, Any]) -> CellScores:
    """Return the scores that leave-one-out probabilities (image, label) are, ``checked`` being how the head found the labels came about."""
    among_known = 0.0 if checked["ratio"] is None else float(np.log(checked["ratio"]))
    logits = logits_of(probabilities)
    alone = tuple(range(probabilities.shape[1])) if checked["kind"] == "tags-alone" else tuple(checked["tags_alone_classes"])
    return CellScores(logits + among_known, for_all(logits, 1.0), LEAVE_ONE_OUT, alone)

"""Thresholds that guarantee the tags of new pictures, from the labels that a run was trained on, each judged without its own state."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from taglens.completion.assumption import find_assumption
from taglens.completion.complete import pooled_vectors, without_predicted
from taglens.completion.config import CompleteConfig
from taglens.completion.guarantees.new_pictures import NewPictures, guarantee_new
from taglens.completion.own_table import read_own_table
from taglens.completion.scores import CellScores, judge_cells
from taglens.features.extract import extract_features
from taglens.labels.names import align_classes
from taglens.labels.states import POSITIVE, PartialLabels
from taglens.recognizer import Recognizer
from taglens.runs.folder import read_config
from taglens.runs.prepare import PreparedPart
from taglens.runs.tag_guarantees import TagGuarantees, find_tag_guarantees, write_tag_guarantees

PRECISIONS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
CONFIDENCE = 0.9


def tag_guarantees(config: CompleteConfig, *, say: Callable[[str], None] = lambda message: None) -> TagGuarantees:
    """Return what a run can guarantee of its tags; found once, and kept in its folder.

    Args:
        config: the run; folds, seed, feature store and device are used, data are the run's own.
        say: is told what is done.

    Raises:
        TagLensError: the run's data cannot be read any more, or training failed.
    """
    found = find_tag_guarantees(config.run)
    if found is None:
        say("judging the training labels, each without its own state: once for this run")
        found = _find(config, say)
        write_tag_guarantees(config.run, found)
    return found


def _find(config: CompleteConfig, say: Callable[[str], None]) -> TagGuarantees:
    trained = read_config(config.run)
    recognizer = Recognizer.load(config.run, device=config.device, text=True)
    table, _ = without_predicted(align_classes(read_own_table(config.run, trained), recognizer.classes))
    features = extract_features(table, recognizer.backbone, store=config.cache, views=trained.data.views, on_bad="skip")
    read = table.rows(features.kept)
    part = PreparedPart(table=read, features=features, whole=table)
    scores = judge_cells(recognizer, trained, part, read.labels, config, say=say)
    return guarantees_from(scores, read.labels, read.of_kind("reviewed", "implied"), table.classes, pooled_vectors(features))


def guarantees_from(
    scores: CellScores,
    labels: PartialLabels,
    reviewed: NDArray[np.bool_],
    classes: tuple[str, ...],
    pooled: NDArray[np.float32] | None = None,
) -> TagGuarantees:
    """Return the thresholds for new pictures like those of the table.

    Args:
        scores: of all cells, without their own states.
        labels: (image, label).
        reviewed: (image, label), known cells that somebody chose to look at: no sample of any pictures.
        classes: names.
        pooled: (image, channel) vectors of the pictures; None: pictures are not compared.
    """
    sampled = labels.known & ~reviewed
    assumption = find_assumption(scores, labels.values, reviewed, classes, None, pooled)
    if assumption.refused:
        steps = {precision: NewPictures(None, 0, 0, assumption.refused) for precision in PRECISIONS}
    else:
        cells, right = scores.probabilities[sampled], labels.values[sampled] == POSITIVE
        steps = {
            precision: guarantee_new(cells, right, precision=precision, confidence=CONFIDENCE, ratio=assumption.ratio)
            for precision in PRECISIONS
        }
    return TagGuarantees(
        CONFIDENCE,
        assumption.words,
        {precision: one.threshold for precision, one in steps.items()},
        {precision: one.reason for precision, one in steps.items()},
    )

"""Complete a table: judge every cell without its own state, say what known cells are taken for, and fill what can be guaranteed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.completion.assumption import Assumption, find_assumption
from taglens.completion.checks import Suspects, find_suspects
from taglens.completion.config import CompleteConfig
from taglens.completion.filling import Filling, fill
from taglens.completion.own_table import read_own_table
from taglens.completion.scores import judge_cells
from taglens.datasets.source import read_data
from taglens.errors import TableError
from taglens.features.extract import StoredFeatures, extract_features
from taglens.labels.names import align_classes
from taglens.labels.origins import Origin, now
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.metrics.calibration import Reliability, expected_calibration_error, reliability
from taglens.recognizer import Recognizer
from taglens.runs.folder import read_config
from taglens.runs.prepare import PreparedPart

_BATCH = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Completion:
    """A completed table and what can be said of it."""

    config: CompleteConfig
    data: str
    """What was completed."""
    table: LabelTable
    """With filled cells, their source, and a probability for every cell that was not known or is suspected to be wrong."""
    before: PartialLabels
    """The labels that were known, of all pictures of the table."""
    filling: Filling
    """Of the pictures that could be read."""
    read: PartialLabels
    """The labels that were known, of these pictures."""
    reviewed: NDArray[np.bool_]
    """Known cells of theirs that somebody chose to look at."""
    assumption: Assumption
    how: str
    """How the cells were judged."""
    suspects: Suspects
    """``image`` is a row of the table."""
    reliability: Reliability
    calibration_error: float
    notes: tuple[str, ...]
    """What a reader of the statement must know."""
    skipped: list[tuple[Path, str]]


def complete_table(config: CompleteConfig, *, progress: bool = False, say: Callable[[str], None] = lambda message: None) -> Completion:
    """Fill every unknown cell that can be filled at the asked precision; known labels are never changed.

    Raises:
        TagLensError: run, data or pictures cannot be used, or nothing is unknown or known.
    """
    trained = read_config(config.run)
    recognizer = Recognizer.load(config.run, device=config.device, text=True)
    data = config.data or trained.data.data
    own = config.data is None
    table = read_own_table(config.run, trained) if own else read_data(data, config.part, config.options)
    table, notes = without_predicted(align_classes(table, recognizer.classes))
    require_fillable(table, data, None if own else config.run)
    features = extract_features(
        table, recognizer.backbone, store=config.cache, views=trained.data.views, progress=progress, on_bad=config.on_bad
    )
    read = table.rows(features.kept)
    part = PreparedPart(table=read, features=features, whole=table)
    scores = judge_cells(recognizer, trained, part, read.labels, config, progress=progress, say=say)
    reviewed = read.of_kind("reviewed", "implied")
    targets = config.targets
    assumption = find_assumption(scores, read.labels.values, reviewed, table.classes, targets.robust, pooled_vectors(features))
    filling = fill(scores.probabilities, read.labels, targets, assumption, reviewed=reviewed, seed=config.seed)
    suspects = find_suspects(scores.probabilities, read.labels)
    judged = read.labels.unknown
    judged[[found.image for found in suspects.found], [found.label for found in suspects.found]] = True
    shown = np.where(judged, scores.probabilities, np.nan)
    return Completion(
        config=config,
        data=data,
        table=_completed(table, features.kept, filling.labels, shown, Origin("predicted", str(config.run), now())),
        before=table.labels,
        filling=filling,
        read=read.labels,
        reviewed=reviewed,
        assumption=assumption,
        how=scores.how,
        suspects=suspects.placed(features.kept),
        reliability=reliability(scores.probabilities, read.labels),
        calibration_error=expected_calibration_error(scores.probabilities, read.labels),
        notes=(*table.warnings, *notes),
        skipped=features.skipped,
    )


def without_predicted(table: LabelTable) -> tuple[LabelTable, tuple[str, ...]]:
    """Return the table with its predicted labels unknown again, and what there is to say of that."""
    predicted = table.of_kind("predicted")
    if not predicted.any():
        return table, ()
    earlier = ", ".join(f"{origin.by} ({origin.time})" for origin in table.origins if origin.kind == "predicted")
    said = (
        f"this table was completed before, by {earlier}: the {int(predicted.sum()):,} cells filled then are not known labels and were "
        "judged again. The same known labels speak for both completions: keep one of them, not the better of the two"
    )
    return table.with_labels(PartialLabels(np.where(predicted, np.int8(UNKNOWN), table.labels.values))), (said,)


def require_fillable(table: LabelTable, data: str, run: Path | None) -> None:
    """Raise TableError if no cell is unknown, or none known: before any long work; ``run`` may have a table with hidden labels."""
    if not table.labels.unknown.any():
        hint = "" if run is None else f". If the run hid labels (--known), complete what it kept: taglens complete {run}"
        raise TableError(f"{data}: every cell is known, so there is nothing to fill; blank cells are the ones that were not checked{hint}")
    if not table.labels.known.any():
        raise TableError(f"{data}: no cell is known, so nothing can be guaranteed; fill some cells with 1 (present) or 0 (absent)")


def pooled_vectors(features: StoredFeatures) -> NDArray[np.float32]:
    """Return the pictures' own vectors, (image, channel)."""
    starts = range(0, len(features), _BATCH)
    blocks = [features.gather(np.arange(start, min(start + _BATCH, len(features)))).pooled.numpy() for start in starts]
    return np.concatenate(blocks)


def _completed(
    table: LabelTable, kept: NDArray[np.int64], labels: PartialLabels, probabilities: NDArray[np.float64], origin: Origin
) -> LabelTable:
    """Return the table with the filled cells, their source, and the probabilities; pictures that were not read stay as they are."""
    values = table.labels.values.copy()
    values[kept] = labels.values
    index = np.zeros(table.labels.shape, dtype=np.int16) if table.origin_index is None else table.origin_index.copy()
    index[values != table.labels.values] = len(table.origins)
    shown = np.full(table.labels.shape, np.nan, dtype=np.float32) if table.probabilities is None else table.probabilities.copy()
    shown[kept] = probabilities
    return replace(table, labels=PartialLabels(values), origins=(*table.origins, origin), origin_index=index, probabilities=shown)

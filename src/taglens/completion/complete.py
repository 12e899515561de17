"""Complete a table: train again without each picture's own labels, calibrate, and fill what a guarantee covers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.completion.calibration import cross_calibrate
from taglens.completion.checks import Suspect, doubtful_classes, find_suspects
from taglens.completion.cross_fit import cross_fit, picture_folds
from taglens.completion.filling import Filling, Targets, fill
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions, Part, read_data
from taglens.errors import TableError
from taglens.features.extract import extract_features
from taglens.labels.names import align_classes
from taglens.labels.origins import Origin
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.metrics.calibration import Reliability, expected_calibration_error, reliability
from taglens.recognizer import Recognizer
from taglens.runs.folder import read_config
from taglens.runs.prepare import PreparedPart

ENOUGH_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class CompleteConfig:
    """What is completed, and how."""

    run: Path
    """Folder of a run: its backbone, method, words and training settings are used, and its name is written beside filled cells."""
    data: str
    """A table's path or ``name:root``."""
    targets: Targets = field(default_factory=Targets)
    folds: int = ENOUGH_FOLDS
    """Times the method is trained again, each time without one part of the pictures, which that model then judges."""
    seed: int = 0
    """Seed of the division into folds."""
    part: Part = "all"
    """Part of the data."""
    options: DataOptions = field(default_factory=DataOptions)
    on_bad: OnBadImage = "error"
    """What to do with a picture that cannot be read; skipped ones stay as they are."""
    cache: Path | None = None
    """Folder of the feature store; None: the user's."""
    device: str = "cpu"
    """Where to compute."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Completion:
    """A completed table and what can be said of it."""

    config: CompleteConfig
    table: LabelTable
    """With filled cells, their source, and a probability for every cell that was not known or is suspected to be wrong."""
    before: PartialLabels
    """The labels that were known, of all pictures of the table."""
    filling: Filling
    """Of the pictures that could be read."""
    suspects: list[Suspect]
    """``image`` is a row of the table."""
    reliability: Reliability
    calibration_error: float
    calibration_error_before: float
    notes: tuple[str, ...]
    """What a reader of the statement must know."""
    skipped: list[tuple[Path, str]]


def complete_table(config: CompleteConfig, *, progress: bool = False, say: Callable[[str], None] = lambda message: None) -> Completion:
    """Fill every unknown cell that can be filled at the asked precision; known labels are never changed.

    Raises:
        TagLensError: run, data or pictures cannot be used, or nothing is unknown or known.
    """
    trained = read_config(config.run)
    table = read_data(config.data, config.part, config.options)
    recognizer = Recognizer.load(config.run, device=config.device, text=True)
    table, reset = without_predicted(align_classes(table, recognizer.classes))
    require_fillable(table, config)
    notes = list(table.warnings)
    if reset:
        notes.append(f"{reset:,} cells that were predicted before are not known labels: they were judged again")
    features = extract_features(
        table, recognizer.backbone, store=config.cache, views=trained.data.views, progress=progress, on_bad=config.on_bad
    )
    read = table.rows(features.kept)
    folds = picture_folds(features, config.folds, config.seed)
    part = PreparedPart(table=read, features=features, whole=table)
    raw = cross_fit(recognizer, trained.training, part, read.labels, folds, progress=progress, say=say)
    probabilities = cross_calibrate(raw, read.labels, folds)
    reviewed = read.of_kind("reviewed")
    filling = fill(probabilities, read.labels, config.targets, reviewed=reviewed)
    doubts = doubtful_classes(probabilities, read.labels.known & ~reviewed, read.labels)
    if doubts:
        notes.append(_doubt(doubts, table.classes))
    suspects = find_suspects(probabilities, read.labels)
    judged = read.labels.unknown
    judged[[found.image for found in suspects], [found.label for found in suspects]] = True
    shown = np.where(judged, probabilities, np.nan)
    return Completion(
        config=config,
        table=_completed(table, features.kept, filling.labels, shown, Origin("predicted", str(config.run), _now())),
        before=table.labels,
        filling=filling,
        suspects=[found._replace(image=int(features.kept[found.image])) for found in suspects],
        reliability=reliability(probabilities, read.labels),
        calibration_error=expected_calibration_error(probabilities, read.labels),
        calibration_error_before=expected_calibration_error(raw, read.labels),
        notes=tuple(notes),
        skipped=features.skipped,
    )


def without_predicted(table: LabelTable) -> tuple[LabelTable, int]:
    """Return the table with its predicted labels unknown again, and how many these were."""
    predicted = table.of_kind("predicted")
    if not predicted.any():
        return table, 0
    return table.with_labels(PartialLabels(np.where(predicted, np.int8(UNKNOWN), table.labels.values))), int(predicted.sum())


def require_fillable(table: LabelTable, config: CompleteConfig) -> None:
    """Raise TableError if no cell is unknown, or none known: before any long work."""
    if not table.labels.unknown.any():
        hint = f"{config.run / 'labels.parquet'} with --images FOLDER"
        raise TableError(
            f"{config.data}: every cell is known, so there is nothing to fill; blank cells are the ones that were not checked. "
            f"If the run hid labels (--known), complete the labels it kept: {hint}"
        )
    if not table.labels.known.any():
        raise TableError(f"{config.data}: no cell is known, so nothing can be promised; fill some cells with 1 (present) or 0 (absent)")


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


def _doubt(columns: list[int], classes: tuple[str, ...]) -> str:
    names = ", ".join(repr(classes[column]) for column in columns[:10]) + (f" and {len(columns) - 10} more" if len(columns) > 10 else "")
    return (
        f"the given labels of {names} do not look like a random sample of the pictures (their scores differ from those of the "
        "unknown cells), which every promise rests on: check a handful of random pictures of these classes first"
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""The table that a run was trained on: the labels that it knew, with the pictures where its data have them."""

from dataclasses import replace
from pathlib import Path

from taglens.datasets.source import read_data
from taglens.errors import RunError, TagLensError
from taglens.labels.table import LabelTable
from taglens.runs.config import RunConfig

LABELS = "labels.parquet"


def read_own_table(run: Path, trained: RunConfig) -> LabelTable:
    """Return the run's stored labels, those that it hid unknown, with names of pictures that can be found.

    Raises:
        RunError: its data are not there any more, or are others.
    """
    stored = LabelTable.read(run / LABELS)
    try:
        source = read_data(trained.data.data, "train", trained.data.options)
    except TagLensError as error:
        raise RunError(f"the data of {run} cannot be read any more ({error}); name them: taglens complete {run} DATA") from error
    there = set(source.images)
    gone = [name for name in stored.images if name not in there]
    if gone:
        raise RunError(
            f"{trained.data.data} has no picture {gone[0]!r} any more ({len(gone):,} of the run's {len(stored):,} are missing); "
            f"name the data: taglens complete {run} DATA"
        )
    return replace(stored, root=source.root, files=source.files, warnings=(*stored.warnings, *source.warnings))

"""A folder of pictures with a ``metadata`` table, as Hugging Face's ``datasets`` reads and TagLens writes it.

``FOLDER/metadata.csv`` (or .jsonl, .parquet) with the column ``file_name``, or one in each split's folder, which is then the split.
Source: documentation of datasets, "ImageFolder".
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from taglens.errors import TableError
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import read_table
from taglens.labels.joining import join_tables
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def is_image_folder(folder: Path) -> bool:
    """Tell whether ``folder``, or a folder in it, has a metadata table."""
    return bool(_tables(folder))


def read_image_folder(folder: Path, options: TableOptions) -> LabelTable:
    """Read all metadata tables of ``folder``; a class that one of them does not have was not checked there.

    Raises:
        TableError: a table that cannot be read, or two in one folder.
    """
    found = _tables(folder)
    for place in {path.parent for path in found}:
        if len(here := [path.name for path in found if path.parent == place]) > 1:
            raise TableError(f"{place}: {' and '.join(here)}; a folder has one metadata table: remove the others")
    options = replace(options, image_column=options.image_column or "file_name")
    tables = [read_table(path, path.parent, options) for path in found]
    classes = list(dict.fromkeys(name for table in tables for name in table.classes))
    in_splits = any(path.parent != folder for path in found)
    return join_tables([_with_classes(table, classes, path, folder, in_splits) for table, path in zip(tables, found, strict=True)])


def _tables(folder: Path) -> list[Path]:
    places = [folder, *sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))]
    return [place / name for place in places for name in METADATA if (place / name).is_file()]


def _with_classes(table: LabelTable, classes: list[str], path: Path, folder: Path, in_splits: bool) -> LabelTable:
    """Return ``table`` with all ``classes``, its folder's name as split, and its pictures seen from ``folder``."""
    column = np.array([classes.index(name) for name in table.classes])
    values = np.full((len(table), len(classes)), UNKNOWN, np.int8)
    values[:, column] = table.labels.values
    index = None
    if table.origin_index is not None:
        index = np.zeros(values.shape, np.int16)
        index[:, column] = table.origin_index
    probabilities = None
    if table.probabilities is not None:
        probabilities = np.full(values.shape, np.nan, np.float32)
        probabilities[:, column] = table.probabilities
    below = path.parent.relative_to(folder)
    splits = table.splits or ((below.name,) * len(table) if in_splits else None)
    images = tuple((below / name).as_posix() for name in table.images)
    return replace(
        table, images=images, classes=tuple(classes), labels=PartialLabels(values), splits=splits, root=folder, origin_index=index,
        probabilities=probabilities,
    )  # fmt: skip

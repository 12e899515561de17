"""A table as a folder that Hugging Face's ``datasets`` reads: ``load_dataset("imagefolder", data_dir=FOLDER)``.

Source: documentation of datasets, "ImageFolder" with a metadata.parquet in each split's folder (JSON lines would give lists that are
empty throughout a split another type than elsewhere).
"""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from taglens.datasets.missing import missing_message
from taglens.errors import PictureError
from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_folder, new_folder

METADATA = "metadata.parquet"
LISTS = ("present", "absent", "filled")
SCHEMA = pa.schema([("file_name", pa.string()), ("source", pa.string()), *((name, pa.list_(pa.string())) for name in LISTS)])


def write_image_folder(table: LabelTable, folder: Path, *, force: bool = False) -> None:
    """Write pictures (hard links where the disk allows, else copies) with lists of present, absent and filled classes.

    A class in neither list was not checked; ``filled`` names those of the lists that a model filled. Splits become folders.

    Raises:
        OutputError: the folder exists and ``force`` is false, or cannot be written.
        PictureError: a picture is missing.
    """
    folder = new_folder(folder, force=force, marker="README.md")
    filled = table.of_kind("predicted")
    rows: dict[str, list[dict[str, Any]]] = {}
    with atomic_folder(folder) as temporary:
        for row in range(len(table)):
            split = (table.splits[row] if table.splits else "") or "train"
            name = _link(table.path(row), temporary / split, row)
            rows.setdefault(split, []).append({"file_name": name} | _labels(table, row, filled[row]))
        for split, found in rows.items():
            parquet.write_table(pa.Table.from_pylist(found, schema=SCHEMA), temporary / split / METADATA)
        (temporary / "README.md").write_text(_card(table), "utf-8")


def _link(source: Path, folder: Path, row: int) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{row:06}{source.suffix.lower()}"
    try:
        os.link(source, folder / name)
    except FileNotFoundError as error:
        raise PictureError(missing_message(source)) from error
    except OSError:  # another disk
        shutil.copyfile(source, folder / name)
    return name


def _labels(table: LabelTable, row: int, filled: np.ndarray) -> dict[str, Any]:
    values = table.labels.values[row]
    masks = (values == POSITIVE, values == NEGATIVE, filled)
    lists = {name: [table.classes[column] for column in np.flatnonzero(mask)] for name, mask in zip(LISTS, masks, strict=True)}
    return {"source": table.images[row]} | lists


def _card(table: LabelTable) -> str:
    return f"""---
task_categories: [image-classification]
tags: [multi-label, partial-labels]
---
{len(table):,} pictures, {len(table.classes)} classes; {table.labels.known.mean():.1%} of the labels are known. In each row: `present` and
`absent` classes; what is in neither was not checked; `filled` are those that a model filled. Written by TagLens.
"""

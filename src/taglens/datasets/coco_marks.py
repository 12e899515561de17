"""What TagLens keeps of a table in COCO's instances JSON beside what every program reads there: splits, sources, probabilities."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from taglens.errors import TableError
from taglens.labels.files.marks import ENTRY, SPLIT, read_marks
from taglens.labels.origins import GIVEN
from taglens.labels.table import LabelTable


def with_marks(table: LabelTable, pictures: Iterable[Mapping[str, Any]], where: str) -> LabelTable:
    """Return ``table`` with what ``pictures``, the entries of its file, keep; labels that were changed since then are given.

    Raises:
        TableError: entries that TagLens does not write.
    """
    marked = {picture["file_name"]: picture for picture in pictures if ENTRY in picture or SPLIT in picture}
    if not marked:
        return table
    row = {name: number for number, name in enumerate(table.images)}
    column = {name: number for number, name in enumerate(table.classes)}
    origins, changed = [GIVEN], 0
    index = np.zeros(table.labels.shape, np.int16)
    probabilities = np.full(table.labels.shape, np.nan, np.float32)
    for image, picture in marked.items():
        for name, mark in read_marks(picture, f"{where}, picture {image!r}").items():
            if name not in column or table.labels.values[row[image], column[name]] != mark.state:
                changed += 1
                continue
            if mark.origin not in origins:
                origins.append(mark.origin)
            index[row[image], column[name]] = origins.index(mark.origin)
            probabilities[row[image], column[name]] = mark.probability
    said = f"{where}: {changed:,} labels were changed since TagLens wrote them; their sources and probabilities are left out"
    splits = tuple(_split(marked.get(image, {}), where) for image in table.images)
    return replace(
        table,
        origins=tuple(origins),
        origin_index=index,
        probabilities=probabilities,
        splits=table.splits or (splits if any(SPLIT in picture for picture in marked.values()) else None),
        warnings=(*table.warnings, *[said] * bool(changed)),
    )


def _split(picture: Mapping[str, Any], where: str) -> str:
    split = picture.get(SPLIT, "")
    if not isinstance(split, str):
        raise TableError(f"{where}: {SPLIT!r} must be a text, came {str(split)[:40]}")
    return split

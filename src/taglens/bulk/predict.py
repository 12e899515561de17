"""Predictions for millions of pictures: part by part into a folder of Parquet files."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taglens.bulk.plan import BulkPlan
from taglens.bulk.sources import BulkPart, Named, read_part
from taglens.errors import PictureError, TagLensError
from taglens.inference.model import PictureModel
from taglens.outputs import atomic_path
from taglens.parallel import decode_ahead


class PartCounts(NamedTuple):
    """What became of a part."""

    pictures: int
    bad: int
    """How many of them cannot be read; their rows say why and have no probabilities."""


def run_here(plan: BulkPlan, model: PictureModel, batch: int) -> Iterator[PartCounts]:
    """Predict the parts that are not done, one after the other, in this process."""
    for number in plan.remaining():
        yield predict_part(model, plan.part(number), plan.target(number), batch)


def predict_part(model: PictureModel, part: BulkPart, target: Path, batch: int) -> PartCounts:
    """Write a row for each picture of a part: ``image``, ``error`` (none if it was read) and the probability of each class.

    The file appears under its name only when it is complete, and depends on nothing but the part, the model and ``batch``.

    Raises:
        TagLensError: an archive is damaged.
    """
    names: list[str] = []
    errors: list[str | None] = []
    found: list[NDArray[np.float32]] = []
    decoded = decode_ahead(read_part(part), lambda named: _pixels(named, model), ahead=2 * batch)
    for _, chosen in groupby(enumerate(decoded), key=lambda numbered: numbered[0] // batch):
        rows = [row for _, row in chosen]
        good = [pixels for _, pixels in rows if not isinstance(pixels, PictureError)]
        names += [name for (name, _), _ in rows]
        errors += [str(pixels) if isinstance(pixels, PictureError) else None for _, pixels in rows]
        if good:
            found.append(model.run(np.stack(good)).probabilities)
    with atomic_path(target) as temporary:
        pq.write_table(_table(names, errors, found, model.classes), temporary)
    return PartCounts(len(names), sum(error is not None for error in errors))


def require_columns(classes: tuple[str, ...]) -> None:
    """Refuse classes that would take the name of another column.

    Raises:
        TagLensError: a class is called image or error.
    """
    taken = sorted({"image", "error"} & set(classes))
    if taken:
        raise TagLensError(f"a class is called {taken[0]!r}, which is a column of its own here; use taglens predict")


def _pixels(named: Named, model: PictureModel) -> NDArray[np.float32]:
    name, content = named
    if isinstance(content, PictureError):
        raise content
    return model.transform(model.transform.open(content, name=name))


def _table(names: list[str], errors: list[str | None], found: list[NDArray[np.float32]], classes: tuple[str, ...]) -> pa.Table:
    probabilities = np.full((len(names), len(classes)), np.nan, np.float32)
    bad = np.array([error is not None for error in errors], dtype=bool)
    if found:
        probabilities[~bad] = np.concatenate(found)
    columns = {name: pa.array(probabilities[:, column], mask=bad) for column, name in enumerate(classes)}
    return pa.table({"image": pa.array(names, pa.string()), "error": pa.array(errors, pa.string())} | columns)

"""The one way from what the user names (``DATA``) to a LabelTable: a table of their own or a public data set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from taglens.datasets.coco import coco_boxes, is_coco_file, read_coco, read_coco_file
from taglens.datasets.pictures import Box
from taglens.datasets.voc import Difficult, read_voc, voc_boxes, voc_folder
from taglens.errors import TableError, unknown_name
from taglens.labels.files.assemble import Reading
from taglens.labels.files.tables import READERS as TABLE_READERS
from taglens.labels.files.tables import examine_table
from taglens.labels.inspection import raise_first
from taglens.labels.joining import join_tables
from taglens.labels.table import LabelTable

Part: TypeAlias = Literal["train", "test", "all"]
"""Which pictures of a data set are meant."""
Boxes: TypeAlias = Mapping[str, Sequence[Box]]
"""Picture as the table calls it -> its boxes."""
Reader: TypeAlias = Callable[[str, Part, "DataOptions"], LabelTable]

_TRAIN_NAMES = ("train", "trainval", "training")
_TEST_NAMES = (("test",), ("val", "validation"))
"""The test part of a user's table: rows called test, or if there are none, val."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How data are read."""

    images: Path | None = None
    """Folder of the pictures of an own table (default: the folder of the table)."""
    split: str | None = None
    """Read this split, by the data set's own name, instead of the usual one for training or testing."""
    difficult: Difficult = "negative"
    """VOC: what a class becomes that a picture shows only as a difficult object; the field uses negative."""
    annotated_only: bool = False
    """COCO: leave out pictures without any annotation, as DualCoOp, ASL and SCPNet do."""


class DataSet(NamedTuple):
    """A data set that is named as ``name:root``."""

    read: Reader
    """Return a part of the data set at ``root``."""
    boxes: Callable[[str, LabelTable], Boxes]
    """Return the boxes of a table that was read from ``root``."""


def read_data(data: str | Path, part: Part, options: DataOptions | None = None) -> LabelTable:
    """Read ``part`` of ``data``: the path of a CSV, Parquet or JSON table, an instances JSON of COCO, or ``name:root``.

    An own table with a split column gives its rows train (or trainval) for training and test (or else val) for testing; without
    one, every part is the whole table, with a warning where the test part was asked for.

    Raises:
        TagLensError: an unknown data set or split, or data that cannot be read.
    """
    reading = examine_data(data, part, options)
    raise_first(reading.problems, Path(str(data)))
    assert reading.table is not None
    return reading.table


def examine_data(data: str | Path, part: Part, options: DataOptions | None = None) -> Reading:
    """Read as :func:`read_data` does, but return what is wrong with the rows of an own table instead of raising it."""
    options = options or DataOptions()
    name, separator, root = str(data).partition(":")
    if separator and name in READERS:
        return Reading(READERS[name].read(root, part, options), None, ())
    path = Path(data)
    if separator and name.isidentifier() and len(name) > 1 and not path.exists() and path.suffix not in TABLE_READERS:
        raise unknown_name("data set", name, READERS)
    if path.is_dir():
        names = ", ".join(f"{reader}:{path}" for reader in READERS)
        raise TableError(f"{path}: a folder; expected a .csv, .parquet or .json table, or one of: {names}")
    if path.suffix.lower() == ".json" and path.is_file() and is_coco_file(path):
        return Reading(read_coco_file(path, options.images or path.parent, options.annotated_only), None, ())
    reading = examine_table(path, options.images)
    if reading.table is None or reading.rows is None:
        return reading
    table, chosen = _part(reading.table, part, options.split, str(path))
    return Reading(table, reading.rows[chosen], reading.problems)


def read_boxes(data: str, table: LabelTable) -> Boxes:
    """Return the boxes of the pictures of ``table``, read from ``data`` before; nothing where the data have none.

    Raises:
        TagLensError: annotations are there but cannot be read.
    """
    name, _, root = data.partition(":")
    return READERS[name].boxes(root, table) if name in READERS else {}


def _part(table: LabelTable, part: Part, split: str | None, where: str) -> tuple[LabelTable, np.ndarray]:
    """Return the rows that ``part`` means, and which of the table's these are."""
    everything = np.arange(len(table))
    if split is not None:
        chosen = table.split(split)
        assert table.splits is not None
        return chosen, everything[np.array([name == split for name in table.splits])]
    if part == "all":
        return table, everything
    if table.splits is None:
        return (
            table if part == "train" else _warn(table, f"{where}: no split column, so all {len(table):,} rows are the test part")
        ), everything
    wanted = (_TRAIN_NAMES,) if part == "train" else _TEST_NAMES
    for names in wanted:
        rows = np.flatnonzero([name.lower() in names for name in table.splits])
        if len(rows):
            return table.rows(rows), rows
    expected = " or ".join(name for names in wanted for name in names)
    found = ", ".join(repr(name) for name in table.split_names)
    raise TableError(f"{where}: no row of the {part} part; expected {expected} in the split column, came {found}; choose one with --split")


def _warn(table: LabelTable, warning: str) -> LabelTable:
    return replace(table, warnings=(*table.warnings, warning))


def _in_official_splits(read: Callable[[str, str, DataOptions], LabelTable], train: str, test: str) -> Reader:
    """Return a reader that knows which official split is which part."""

    def reader(root: str, part: Part, options: DataOptions) -> LabelTable:
        splits = (options.split,) if options.split is not None else {"train": (train,), "test": (test,), "all": (train, test)}[part]
        return join_tables([read(root, split, options) for split in splits])

    return reader


def _voc(year: int, train: str, test: str) -> DataSet:
    def read(root: str, split: str, options: DataOptions) -> LabelTable:
        return read_voc(Path(root), year, split, options.difficult)

    def boxes(root: str, table: LabelTable) -> Boxes:
        annotated = (voc_folder(Path(root), year) / "Annotations").is_dir()
        return voc_boxes(Path(root), year, table.images) if annotated else {}

    return DataSet(_in_official_splits(read, train, test), boxes)


def _coco(year: int) -> DataSet:
    def read(root: str, split: str, options: DataOptions) -> LabelTable:
        return read_coco(Path(root), year, split, options.annotated_only)

    def boxes(root: str, table: LabelTable) -> Boxes:
        return {image: found for split in table.split_names for image, found in coco_boxes(Path(root), year, split).items()}

    return DataSet(_in_official_splits(read, "train", "val"), boxes)


def _scenes() -> DataSet:
    def read(root: str, part: Part, options: DataOptions) -> LabelTable:
        from taglens.datasets.scenes.dataset import read_scenes  # the drawing code is loaded only where scenes are asked for

        return _part(read_scenes(root), part, options.split, f"scenes:{root}")[0]

    def boxes(root: str, table: LabelTable) -> Boxes:
        from taglens.datasets.scenes.dataset import scene_boxes

        return scene_boxes(table)

    return DataSet(read, boxes)


READERS: dict[str, DataSet] = {
    "voc2007": _voc(2007, "trainval", "test"),
    "voc2012": _voc(2012, "train", "val"),
    "coco2014": _coco(2014),
    "coco2017": _coco(2017),
    "scenes": _scenes(),
}
"""Name of a data set -> the functions that read ``name:root``."""

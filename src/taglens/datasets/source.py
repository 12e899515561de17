"""The one way from what the user names (``DATA``) to a LabelTable: a table of their own or a public data set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from taglens.datasets.chexpert import read_chexpert
from taglens.datasets.class_folders import class_folders_hint, read_class_folders
from taglens.datasets.coco import coco_boxes, is_coco_file, read_coco, read_coco_file
from taglens.datasets.cub import Certainty, read_cub
from taglens.datasets.embedded import examine_embedded
from taglens.datasets.found import find_pictures
from taglens.datasets.image_folder import is_image_folder, read_image_folder
from taglens.datasets.lvis import lvis_boxes, read_lvis
from taglens.datasets.mimic_cxr import Labeller, read_mimic_cxr
from taglens.datasets.nuswide import read_nuswide
from taglens.datasets.official import only_at_hand
from taglens.datasets.openimages import read_openimages
from taglens.datasets.pictures import Box
from taglens.datasets.report_labels import Blank, Projection, ReportPolicy, Uncertain
from taglens.datasets.vg200 import Absent, read_vg200
from taglens.datasets.voc import Difficult, read_voc, voc_boxes, voc_folder
from taglens.errors import TableError, unknown_name
from taglens.labels.files.assemble import Reading
from taglens.labels.files.options import TableOptions
from taglens.labels.files.parquet import holds_pictures
from taglens.labels.files.roles import TEST_WORDS, TRAIN_WORDS, VALID_WORDS
from taglens.labels.files.tables import READERS as TABLE_READERS
from taglens.labels.files.tables import examine_table
from taglens.labels.inspection import raise_first
from taglens.labels.joining import join_tables
from taglens.labels.table import LabelTable
from taglens.plugins import Registry

Part: TypeAlias = Literal["train", "test", "all"]
"""Which pictures of a data set are meant."""
Boxes: TypeAlias = Mapping[str, Sequence[Box]]
"""Picture as the table calls it -> its boxes."""
Reader: TypeAlias = Callable[[str, Part, "DataOptions"], LabelTable]

_TEST_NAMES = (TEST_WORDS, VALID_WORDS)
"""The test part of a user's table: rows called test, or if there are none, val."""


@dataclass(frozen=True, kw_only=True)
class DataOptions(TableOptions):
    """How data are read."""

    split: str | None = None
    """Read this split, by the data set's own name, instead of the usual one for training or testing."""
    difficult: Difficult = "negative"
    """VOC: what a class becomes that a picture shows only as a difficult object; the field uses negative."""
    annotated_only: bool = False
    """COCO, NUS-WIDE: leave out pictures without any annotation, as DualCoOp (COCO), ASL and SCPNet (both) do."""
    at_hand: bool = False
    """Public data sets: leave out pictures that are not in the folder of pictures, and say how many."""
    hierarchy: bool = False
    """Open Images: close the labels under its hierarchy: what is above a present class is present, what is below an absent one absent."""
    uncertain: Uncertain = "unknown"
    """CheXpert, MIMIC-CXR: what a mention as uncertain (-1) becomes; per-class: positive for Edema and Atelectasis, negative for others."""
    blank: Blank = "unknown"
    """CheXpert, MIMIC-CXR: what a class becomes that the report does not mention."""
    no_finding: bool = False
    """CheXpert, MIMIC-CXR: where No Finding is present, classes that are not mentioned are absent, but for Support Devices."""
    projection: Projection = "all"
    """CheXpert, MIMIC-CXR: all pictures, or only those taken from the front or the back."""
    labeller: Labeller = "chexpert"
    """MIMIC-CXR: the program whose labels are read; agreed: where the two differ, the label is unknown."""
    absent: Absent | None = None
    """VG-200, NUS-WIDE, folders: what a class becomes that is not listed; nobody checked it. None: negative, as the field takes it, but for
    folders unknown."""
    certainty: Certainty = "probably"
    """CUB: how certain a worker had to be for a label to be known; any: certainty is ignored, as SPML does."""


class DataSet(NamedTuple):
    """A data set that is named as ``name:root``."""

    read: Reader
    """Return a part of the data set at ``root``."""
    boxes: Callable[[str, LabelTable], Boxes]
    """Return the boxes of a table that was read from ``root``."""


def read_data(data: str | Path, part: Part, options: DataOptions | None = None) -> LabelTable:
    """Read ``part`` of ``data``: a table (CSV, TSV, Excel, Parquet, JSON), an instances JSON of COCO, a folder, or ``name:root``.

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
        if is_image_folder(path):
            table = find_pictures(read_image_folder(path, options), outside=False)
            return Reading(part_of(table, part, options.split, str(path))[0], None, ())
        names = ", ".join(f"{reader}:{path}" for reader in READERS)
        raise TableError(f"{path}: a folder; expected a .csv, .parquet or .json table, or one of: {names}{class_folders_hint(path)}")
    if path.suffix.lower() == ".parquet" and path.is_file() and holds_pictures(path):
        return _examined_part(examine_embedded(path, options), part, options, path)
    if path.suffix.lower() == ".json" and path.is_file() and is_coco_file(path, options.encoding):
        table = read_coco_file(path, options.images or path.parent, options.annotated_only, options.encoding)
        return Reading(find_pictures(table, outside=options.images is None), None, ())
    return _examined_part(examine_table(path, options=options), part, options, path)


def _examined_part(reading: Reading, part: Part, options: DataOptions, path: Path) -> Reading:
    if reading.table is None or reading.rows is None:
        return reading
    table = find_pictures(reading.table, outside=options.images is None)
    table, chosen = part_of(table, part, options.split, str(path))
    return Reading(table, reading.rows[chosen], reading.problems)


def read_boxes(data: str, table: LabelTable) -> Boxes:
    """Return the boxes of the pictures of ``table``, read from ``data`` before; nothing where the data have none.

    Raises:
        TagLensError: annotations are there but cannot be read.
    """
    name, _, root = data.partition(":")
    return READERS[name].boxes(root, table) if name in READERS else {}


def part_of(table: LabelTable, part: Part, split: str | None, where: str) -> tuple[LabelTable, np.ndarray]:
    """Return the rows that ``part`` means, and which of the table's these are; ``where`` names the table in errors.

    Raises:
        TableError: no row is of that part.
    """
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
    wanted = (TRAIN_WORDS,) if part == "train" else _TEST_NAMES
    for names in wanted:
        rows = np.flatnonzero([name.lower() in names for name in table.splits])
        if len(rows):
            chosen = table.rows(rows)
            said = f"{where}: no split is called test, so {', '.join(map(repr, chosen.split_names))} is the test part"
            return (_warn(chosen, said) if names is VALID_WORDS else chosen), rows
    expected = " or ".join(name for names in wanted for name in names)
    found = ", ".join(repr(name) for name in table.split_names)
    raise TableError(f"{where}: no row of the {part} part; expected {expected} in the split column, came {found}; choose one with --split")


def _warn(table: LabelTable, warning: str) -> LabelTable:
    return replace(table, warnings=(*table.warnings, warning))


def _in_official_splits(read: Callable[[str, str, DataOptions], LabelTable], train: str, test: str, *others: str) -> Reader:
    """Return a reader that knows which official split is which part; ``others`` belong to the whole only."""

    def reader(root: str, part: Part, options: DataOptions) -> LabelTable:
        splits = (
            (options.split,) if options.split is not None else {"train": (train,), "test": (test,), "all": (train, *others, test)}[part]
        )
        tables = [read(root, split, options) for split in splits]
        return join_tables([only_at_hand(table) for table in tables] if options.at_hand else tables)

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

        return part_of(read_scenes(root), part, options.split, f"scenes:{root}")[0]

    def boxes(root: str, table: LabelTable) -> Boxes:
        from taglens.datasets.scenes.dataset import scene_boxes

        return scene_boxes(table)

    return DataSet(read, boxes)


def _xmp() -> DataSet:
    def read(root: str, part: Part, options: DataOptions) -> LabelTable:
        from taglens.datasets.keywords import read_keywords  # readers of metadata are loaded only where they are asked for

        return part_of(read_keywords(Path(root)), part, options.split, f"xmp:{root}")[0]

    return DataSet(read, _no_boxes)


def _folders() -> DataSet:
    def read(root: str, part: Part, options: DataOptions) -> LabelTable:
        return part_of(read_class_folders(Path(root), options.absent or "unknown"), part, options.split, f"folders:{root}")[0]

    return DataSet(read, _no_boxes)


def _no_boxes(root: str, table: LabelTable) -> Boxes:
    return {}


def _report_policy(options: DataOptions) -> ReportPolicy:
    return ReportPolicy(options.uncertain, options.blank, options.no_finding)


def _openimages(root: str, split: str, options: DataOptions) -> LabelTable:
    return read_openimages(Path(root), split, options.hierarchy, options.at_hand, options.images)


def _lvis(root: str, split: str, options: DataOptions) -> LabelTable:
    return read_lvis(Path(root), split, options.images)


def _lvis_boxes(root: str, table: LabelTable) -> Boxes:
    return {image: found for split in table.split_names for image, found in lvis_boxes(Path(root), split).items()}


def _chexpert(root: str, split: str, options: DataOptions) -> LabelTable:
    return read_chexpert(Path(root), split, _report_policy(options), options.projection, options.images)


def _mimic_cxr(root: str, split: str, options: DataOptions) -> LabelTable:
    return read_mimic_cxr(Path(root), split, _report_policy(options), options.labeller, options.projection, options.images)


def _vg200(root: str, split: str, options: DataOptions) -> LabelTable:
    return read_vg200(Path(root), split, options.absent or "negative", options.images)


def _nuswide(root: str, split: str, options: DataOptions) -> LabelTable:
    return read_nuswide(Path(root), split, options.absent or "negative", options.annotated_only, options.images)


def _cub(root: str, split: str, options: DataOptions) -> LabelTable:
    return read_cub(Path(root), split, options.certainty, options.images)


READERS: Registry[DataSet] = Registry(
    "taglens.readers",
    {
        "voc2007": _voc(2007, "trainval", "test"),
        "voc2012": _voc(2012, "train", "val"),
        "coco2014": _coco(2014),
        "coco2017": _coco(2017),
        "openimages": DataSet(_in_official_splits(_openimages, "train", "test", "validation"), _no_boxes),
        "lvis": DataSet(_in_official_splits(_lvis, "train", "val"), _lvis_boxes),
        "chexpert": DataSet(_in_official_splits(_chexpert, "train", "valid"), _no_boxes),
        "mimic-cxr": DataSet(_in_official_splits(_mimic_cxr, "train", "test", "validate"), _no_boxes),
        "vg200": DataSet(_in_official_splits(_vg200, "train", "test"), _no_boxes),
        "nuswide": DataSet(_in_official_splits(_nuswide, "train", "test"), _no_boxes),
        "cub": DataSet(_in_official_splits(_cub, "train", "test"), _no_boxes),
        "scenes": _scenes(),
        "xmp": _xmp(),
        "folders": _folders(),
    },
    check=lambda value: isinstance(value, DataSet),
)
"""Name of a data set -> the functions that read ``name:root``."""

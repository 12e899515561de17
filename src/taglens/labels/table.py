"""The label table: pictures, classes, labels of which some are unknown, and where each label came from."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError, unknown_name
from taglens.labels.left_out import LeftOut
from taglens.labels.origins import GIVEN, Origin, compact
from taglens.labels.states import PartialLabels

RESERVED = ("image", "split")
PROBABILITY, SOURCE = ":probability", ":source"
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")

Form = Literal["wide", "tags"]

FILES: dict[str, Callable[..., Any]] = {}
"""``read``, ``write`` and those for frames: ``labels.files`` puts them here, since its formats build tables and this file may not know
them."""


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Pictures by classes, validated and frozen; two tables are equal if their contents are, wherever they were read.

    Raises:
        TableError: lengths that do not fit, a class name twice, blank, reserved or not writable, a probability outside 0..1.
    """

    images: tuple[str, ...]
    """Names of the pictures as written, relative to ``root``."""
    classes: tuple[str, ...]
    """Names of the classes, in the order of the label axis."""
    labels: PartialLabels
    """(image, label): 1 positive, 0 negative, -1 unknown."""
    splits: tuple[str, ...] | None = None
    """The part of the data each picture belongs to, such as train or test."""
    root: Path | None = None
    """Folder that the pictures' names are relative to."""
    origins: tuple[Origin, ...] = (GIVEN,)
    """The different sources of labels; the first is always the plain "given"."""
    origin_index: NDArray[np.int16] | None = None
    """(image, label) positions in ``origins``; None if every label was given."""
    probabilities: NDArray[np.float32] | None = None
    """(image, label) probabilities of predicted labels, NaN where there is none; None if there are none at all."""
    warnings: tuple[str, ...] = ()
    """What the reader noticed and went on with, in words: decisions, and what it left out."""
    left_out: tuple[LeftOut, ...] = ()
    """What the reader saw and did not take, by kind and number."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of a picture as written -> its file relative to ``root``, where the disk calls it otherwise."""

    def __post_init__(self) -> None:
        _set(self, images=tuple(self.images), classes=tuple(self.classes), warnings=tuple(self.warnings))
        _set(self, splits=None if self.splits is None else tuple(self.splits))
        require_class_names(self.classes)
        for what, names in (("image", self.images), ("split", self.splits or ())):
            bad = next((name for name in names if _UNWRITABLE.search(name) or (what == "image" and not name) or _spaced(what, name)), None)
            if bad is not None:
                raise TableError(f"{what} name {bad!r} is blank or has a line break, control sign or outer space; rename it")
        expected = (len(self.images), len(self.classes))
        self._require_shapes(expected)
        self._set_provenance()

    def _require_shapes(self, expected: tuple[int, int]) -> None:
        if self.splits is not None and len(self.splits) != expected[0]:
            raise TableError(f"{expected[0]} images but {len(self.splits)} splits; give one for each image")
        for what, array in (("labels", self.labels.values), ("origin_index", self.origin_index), ("probabilities", self.probabilities)):
            if array is not None and array.shape != expected:
                raise TableError(f"{what} must be (image, label) = {expected}, came {array.shape}")

    def _set_provenance(self) -> None:
        origins, index = compact(self.origins, self.origin_index)
        probabilities = self.probabilities
        if probabilities is not None:
            probabilities = np.array(probabilities, dtype=np.float32)
            if np.any((probabilities < 0) | (probabilities > 1)):
                raise TableError("probabilities must lie between 0 and 1 (NaN where there is none)")
            probabilities.flags.writeable = False
            probabilities = None if np.isnan(probabilities).all() else probabilities
        if index is not None:
            index.flags.writeable = False
        _set(self, origins=origins, origin_index=index, probabilities=probabilities)

    def __len__(self) -> int:
        return len(self.images)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelTable):
            return NotImplemented
        plain = ("images", "classes", "labels", "splits", "origins")
        return all(getattr(self, name) == getattr(other, name) for name in plain) and all(
            _same(getattr(self, name), getattr(other, name)) for name in ("origin_index", "probabilities")
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        splits = f"; splits {', '.join(name or 'blank' for name in self.split_names)}" if self.splits else ""
        return f"LabelTable({len(self):,} images, {len(self.classes):,} classes: {self.labels.summary()}{splits})"

    def path(self, image: int) -> Path:
        """Return where the picture of row ``image`` lies."""
        written = self.images[image]
        name = Path(self.files.get(written, written))
        return name if self.root is None else self.root / name

    @property
    def split_names(self) -> tuple[str, ...]:
        """The different splits in order of appearance; empty without a split column."""
        return tuple(dict.fromkeys(self.splits or ()))

    def rows(self, index: Any) -> "LabelTable":
        """Return the images that ``index`` (whole numbers, true/false or a slice) selects, in that order."""
        chosen = np.arange(len(self))[index]
        return replace(
            self,
            images=tuple(self.images[row] for row in chosen),
            labels=self.labels.rows(chosen),
            splits=None if self.splits is None else tuple(self.splits[row] for row in chosen),
            origin_index=None if self.origin_index is None else self.origin_index[chosen],
            probabilities=None if self.probabilities is None else self.probabilities[chosen],
        )

    def split(self, name: str) -> "LabelTable":
        """Return the images of the split ``name``.

        Raises:
            TableError: the table has no split column, or no such split.
        """
        if self.splits is None:
            raise TableError(f"split {name!r} was asked for, but the table has no 'split' column; add one or use the whole table")
        if name not in self.splits:
            raise TableError(str(unknown_name("split", name, self.split_names)))
        return self.rows(np.array([split == name for split in self.splits]))

    def of_kind(self, *kinds: str) -> NDArray[np.bool_]:
        """Return where the known labels' source is one of ``kinds``: given, predicted, reviewed, implied; (image, label)."""
        if self.origin_index is None:
            return self.labels.known if GIVEN.kind in kinds else np.zeros(self.labels.shape, dtype=bool)
        wanted = np.array([origin.kind in kinds for origin in self.origins])
        found: NDArray[np.bool_] = wanted[self.origin_index] & self.labels.known
        return found

    def with_labels(self, labels: PartialLabels) -> "LabelTable":
        """Return the table with other labels; a label that changes loses its source and probability."""
        same = labels.values == self.labels.values if labels.shape == self.labels.shape else np.zeros(1, dtype=bool)
        return replace(
            self,
            labels=labels,
            origin_index=None if self.origin_index is None else np.where(same, self.origin_index, np.int16(0)),
            probabilities=None if self.probabilities is None else np.where(same, self.probabilities, np.float32(np.nan)),
        )

    @classmethod
    def read(cls, path: Path | str, images: Path | None = None) -> "LabelTable":
        """Read a CSV, Parquet or JSON table; ``images`` is the folder of the pictures (default: the table's own folder).

        Raises:
            TableError: the first thing that is wrong, with file, row, column and value, and how many more there are.
        """
        table: LabelTable = FILES["read"](Path(path), images)
        return table

    @classmethod
    def from_frame(cls, frame: Any, image: str | None = None, *, images: Path | str | None = None, **options: Any) -> "LabelTable":
        """Read a frame of pandas, polars or pyarrow (or of anything with Arrow's PyCapsule interface) as a file would be read.

        Args:
            frame: a column that names the pictures, or an index of that name, and one for each class: 1, 0, or NaN, None, NA where
                nobody checked; true and false, their words and mixed columns mean what they mean in a file. Lists of tags and long
                tables are read too.
            image: the column that names the pictures; default ``image``, or a usual name such as file_name.
            images: folder of the pictures (default: the current one).
            options: ``split_column``, ``tags_column``, ``tag_separator``, ``ignore``, ``class_columns``, ``long``: see
                :class:`taglens.labels.files.options.TableOptions`.

        Raises:
            TableError: no frame, or the first thing that is wrong with it, with row (from 0), column and value.
        """
        table: LabelTable = FILES["from_frame"](frame, image, _options(images, options))
        return table

    @classmethod
    def from_array(
        cls, labels: Any, classes: Iterable[str], images: Iterable[str] | None = None, splits: Iterable[str] | None = None
    ) -> "LabelTable":
        """Read an array, nested lists or a tensor (image, class) with 1, 0, and NaN, None, NA or a mask where nobody checked.

        Args:
            labels: (image, class).
            classes: a name for each column.
            images: names of the pictures; default: their rows, 000000 and so on.
            splits: the part of the data that each picture belongs to, such as train or test.

        Raises:
            TableError: another shape, or a cell that means none of these: -1 too, which projects use for both absent and unknown.
        """
        table: LabelTable = FILES["from_array"](labels, classes, images, splits)
        return table

    @classmethod
    def from_dataset(cls, dataset: Any, image: str | None = None, *, images: Path | str | None = None, **options: Any) -> "LabelTable":
        """Read a ``datasets.Dataset`` of Hugging Face; a ClassLabel, or a list of them, by its names.

        Pictures in the data set are not opened: their rows name them.

        Args:
            dataset: one part of a data set, with its features.
            image: a column with the pictures' names; default: the rows.
            images: folder of the pictures, where the names are files.
            options: as for :meth:`from_frame`.

        Raises:
            TableError: no data set, or something is wrong with its labels.
        """
        table: LabelTable = FILES["from_dataset"](dataset, image, _options(images, options))
        return table

    def to_frame(self, kind: str = "pandas") -> Any:
        """Return the table as a frame of ``pandas``, ``polars`` or ``arrow``: image, split, a column for each class, what is known of it.

        Labels are whole numbers, 1 and 0, and NA (null) where nobody checked; pandas has them as ``Int8``.

        Raises:
            TagLensError: an unknown kind, or its package is not installed.
        """
        return FILES["to_frame"](self, kind)

    def write(self, path: Path | str, force: bool = False, form: Form = "wide", for_spreadsheets: bool = False) -> None:
        """Write a CSV (``form`` wide or tags), Parquet or JSON table by the suffix of ``path``, in one step.

        ``for_spreadsheets`` makes a CSV of which no cell is a formula; reading takes the signs away again.

        Raises:
            OutputError: ``path`` exists and ``force`` is false, or cannot be written.
            TableError: a name that the form cannot hold, an unknown suffix, or another than .csv for spreadsheets.
        """
        FILES["write"](self, Path(path), force=force, form=form, for_spreadsheets=for_spreadsheets)


def _options(images: Path | str | None, options: Mapping[str, Any]) -> Any:
    return FILES["options"](images=None if images is None else Path(images), **options)


def require_class_names(classes: Iterable[str], where: str = "") -> None:
    """Raise TableError for the first class name that a table cannot have."""
    seen: set[str] = set()
    prefix = f"{where}: " if where else ""
    for name in classes:
        if name in seen:
            raise TableError(f"{prefix}class {name!r} comes twice; rename or remove one of them")
        if not name or name != name.strip() or _UNWRITABLE.search(name):
            raise TableError(f"{prefix}class name {name!r} is blank or has a line break, control sign or outer space; rename it")
        if name in RESERVED or name.endswith((PROBABILITY, SOURCE)):
            raise TableError(f"{prefix}class name {name!r} is reserved (image, split, ...:probability, ...:source); rename it")
        seen.add(name)
    if not seen:
        raise TableError(f"{prefix}no class at all; expected at least one class")


def _spaced(what: str, name: str) -> bool:
    return what == "split" and name != name.strip()


def _same(left: NDArray[Any] | None, right: NDArray[Any] | None) -> bool:
    if left is None or right is None:
        return left is right
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def _set(table: LabelTable, **fields: Any) -> None:
    for name, value in fields.items():
        object.__setattr__(table, name, value)

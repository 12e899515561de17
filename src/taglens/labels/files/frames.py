"""Tables in memory: data frames, arrays and data sets of Hugging Face, by the same rules for columns and cells as files.

Everything comes in as Arrow columns, by the Arrow PyCapsule interface (https://arrow.apache.org/docs/format/CDataInterface.html) that
pandas, polars, duckdb and pyarrow itself have; so none of them is imported here unless somebody asks for one of its frames.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from taglens.errors import TableError, TagLensError, unknown_name
from taglens.labels.files.assemble import assemble
from taglens.labels.files.columns import states
from taglens.labels.files.grid import Grid, read_grid
from taglens.labels.files.options import TableOptions
from taglens.labels.files.parquet import OURS, to_arrow
from taglens.labels.states import PartialLabels
from taglens.labels.table import FILES, LabelTable

FrameKind: TypeAlias = Literal["pandas", "polars", "arrow"]
"""Which library's frame is meant."""
FRAME = "frame"
"""What the table is called in messages."""
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*) ?")
_HIDDEN = re.compile(r" \(\d+ more problems?: taglens inspect [^)]*\)")


def from_frame(frame: Any, image: str | None = None, options: TableOptions | None = None) -> LabelTable:
    """Read a data frame; see :meth:`LabelTable.from_frame`."""
    options = replace(options or TableOptions(), image_column=image)
    columns = _columns(_with_index(frame, image))
    own = OURS in ((frame.schema.metadata or {}) if isinstance(frame, pa.Table) else {})
    grid = Grid(list(columns), list(columns.values()), lambda: np.arange(len(next(iter(columns.values()), ()))), FRAME, own)
    try:
        reading = assemble(read_grid(grid, options), Path(FRAME), options.images)
    except TagLensError as error:
        _raise_in_python(str(error), error)
    errors = [problem for problem in reading.problems if problem.level == "error"]
    if errors:
        rest = f" ({len(errors) - 1} more like this)" if len(errors) > 1 else ""
        _raise_in_python(errors[0].at(FRAME) + rest)
    assert reading.table is not None
    return replace(reading.table, warnings=tuple(_python_names(warning) for warning in reading.table.warnings))


def from_array(labels: Any, classes: Iterable[str], images: Iterable[str] | None = None, splits: Iterable[str] | None = None) -> LabelTable:
    """Read an array; see :meth:`LabelTable.from_array`."""
    names = tuple(classes)
    given = _plain_array(labels)
    if given.ndim != 2 or given.shape[1] != len(names):
        raise TableError(f"labels must be (image, class) with {len(names)} classes, came shape {given.shape}; give a name for each column")
    values = np.empty(given.shape, dtype=np.int8)
    for index, name in enumerate(names):
        values[:, index], bad = states(_cells(given[:, index]), name)
        if bad:
            row, _, message = bad[0]
            hint = " (PartialLabels takes -1 for unknown)" if "-1" in message else ""
            raise TableError(f"row {row}, class {name!r}: {message}{hint}")
    found = numbered(len(values)) if images is None else tuple(str(image) for image in images)
    return LabelTable(
        images=found, classes=names, labels=PartialLabels(values), splits=None if splits is None else tuple(str(split) for split in splits)
    )


def from_dataset(dataset: Any, image: str | None = None, options: TableOptions | None = None) -> LabelTable:
    """Read a data set of Hugging Face; see :meth:`LabelTable.from_dataset`."""
    features = getattr(dataset, "features", None)
    if not isinstance(features, dict) or not hasattr(dataset, "with_format"):
        parts = ", ".join(map(str, dataset)) if isinstance(dataset, dict) else ""
        advice = f"choose one of its parts: dataset[...] of {parts}" if parts else "load it with datasets.load_dataset(..., split=...)"
        raise TableError(f"expected a datasets.Dataset with features, came {type(dataset).__name__}; {advice}")
    pictures = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    kept = [name for name in features if name not in pictures]
    if not kept:
        raise TableError("the data set has pictures but no labels; expected a column of tags or one for each class")
    table = dataset.select_columns(kept).with_format("arrow")[:]
    columns = {name: _named(_column(table[name]), features[name]) for name in kept}
    name = image
    if name is None or name in pictures:  # pictures have no names here: the row is one
        name = "image" if image is None else image
        columns = {name: pa.chunked_array([pa.array(numbered(len(table)), pa.string())])} | columns
    return from_frame(pa.table(columns), name, options)


def to_frame(table: LabelTable, kind: FrameKind = "pandas") -> Any:
    """Return a table as a data frame; see :meth:`LabelTable.to_frame`."""
    return as_frame(to_arrow(table), kind)


def as_frame(table: pa.Table, kind: str) -> Any:
    """Return an Arrow table as the frame that ``kind`` names; whole numbers with blanks stay whole numbers in pandas.

    Raises:
        TagLensError: an unknown kind, or one whose package is not installed.
    """
    if kind not in get_args(FrameKind):
        raise unknown_name("kind of frame", kind, get_args(FrameKind))
    try:
        if kind == "pandas":
            import pandas

            return table.to_pandas(types_mapper={pa.int8(): pandas.Int8Dtype()}.get)
        if kind == "polars":
            import polars

            return polars.from_arrow(table)
    except ImportError as error:
        raise TagLensError(f"a frame of {kind} needs the package {kind}: pip install {kind}; or ask for another kind") from error
    return table


def numbered(count: int) -> tuple[str, ...]:
    """Return names for pictures that have none: their rows, from 0, so wide that they sort as they stand."""
    return tuple(f"{row:06}" for row in range(count))


def _with_index(frame: Any, image: str | None) -> Any:
    """Bring the index of a pandas frame in if it names the pictures: people set it when they join."""
    index = getattr(getattr(frame, "index", None), "name", None)
    wanted = "image" if image is None else image
    return frame.reset_index() if index == wanted and wanted not in list(getattr(frame, "columns", ())) else frame


def _columns(frame: Any) -> dict[str, pa.ChunkedArray]:
    names = _names(frame)
    if hasattr(frame, "iloc"):  # pandas: column by column, for a column of mixed cells has no Arrow type
        parts: Iterator[Any] = (_cells(frame.iloc[:, index]) for index in range(len(names)))
    else:
        try:
            table = frame if isinstance(frame, pa.Table) else pa.table(frame)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise TableError(
                f"{type(frame).__name__} gives no Arrow columns ({error}); give a frame of pandas, polars or pyarrow"
            ) from error
        parts = (_column(column) for column in table.columns)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{FRAME}: column {twice!r} comes twice; rename or drop one of them")
    return dict(zip(names, parts, strict=True))


def _names(frame: Any) -> list[str]:
    columns = getattr(frame, "column_names", None) or getattr(frame, "columns", None)
    if columns is None and isinstance(frame, dict):
        columns = list(frame)
    if columns is None:
        raise TableError(
            f"expected a data frame, came {type(frame).__name__}; give a frame of pandas, polars or pyarrow, or use from_array"
        )
    return [str(name) for name in columns]


def _cells(values: Any) -> pa.ChunkedArray:
    """Return cells of any kind as a column; mixed ones by their text, which is what a file would hold."""
    try:
        return _column(pa.array(values, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError):
        texts = [None if value is None else str(value) for value in values]
        return _column(pa.array(texts, pa.string()))


def _column(column: Any) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _named(column: pa.ChunkedArray, feature: Any) -> pa.ChunkedArray:
    """Return the names that a ClassLabel, or a list of them, has for its numbers."""
    listed = getattr(feature, "feature", feature[0] if isinstance(feature, list) and len(feature) == 1 else None)
    names: Sequence[str] | None = getattr(feature if listed is None else listed, "names", None)
    if names is None:
        return column
    if listed is None:
        return _column(pa.array([None if code is None or code < 0 else names[code] for code in column.to_pylist()], pa.string()))
    lists = [None if codes is None else [names[code] for code in codes] for codes in column.to_pylist()]
    return _column(pa.array(lists, pa.list_(pa.string())))


def _plain_array(labels: ArrayLike | Any) -> np.ndarray[Any, Any]:
    """Return numpy's array of an array, nested lists, a masked array (masked: blank) or a tensor."""
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    if isinstance(labels, np.ma.MaskedArray):
        return np.ma.filled(labels.astype(object), None)
    return np.asarray(labels)


def _python_names(message: str) -> str:
    """Write a message of the command line, ``--split-column``, as it is typed in Python, ``split_column=``."""
    return _OPTION.sub(lambda found: f"{found[1].replace('-', '_')}=", message)


def _raise_in_python(message: str, cause: Exception | None = None) -> NoReturn:
    raise TableError(_python_names(_HIDDEN.sub("", message))) from cause


FILES.update(from_frame=from_frame, from_array=from_array, from_dataset=from_dataset, to_frame=to_frame, options=TableOptions)

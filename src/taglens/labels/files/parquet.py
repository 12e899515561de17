"""Parquet tables: the same columns as the wide CSV, with int8 labels (null = not checked), float32 probabilities and coded sources."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.files.columns import RawTable, is_list
from taglens.labels.files.grid import Grid, read_grid
from taglens.labels.files.options import TableOptions
from taglens.labels.origins import format_origin
from taglens.labels.states import UNKNOWN
from taglens.labels.table import PROBABILITY, SOURCE, LabelTable
from taglens.outputs import atomic_path

OURS = b"taglens"
"""Key in the metadata of the tables that TagLens wrote: their names leave no question."""
DAMAGE = (pa.ArrowException, UnicodeDecodeError)
"""What pyarrow raises for a damaged file, names and texts that are no UTF-8 among it."""


def read_parquet(path: Path, options: TableOptions) -> RawTable:
    """Read a Parquet table; labels may be whole numbers, true/false, text or coded text, tags lists.

    Raises:
        TableError: not a Parquet file, or columns that cannot be understood.
    """
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
        names = table.column_names
    except (*DAMAGE, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file ({error}); write it again") from error
    metadata = table.schema.metadata or {}
    try:
        columns = [_image_names(_class_names(column, name, metadata), name) for name, column in zip(names, table.columns, strict=True)]
        return read_grid(Grid(names, columns, lambda: np.arange(1, len(table) + 1), str(path), OURS in metadata), options)
    except (*DAMAGE, TableError) as error:
        message = str(error)
        raise TableError(message if message.startswith(str(path)) else f"{path}: {message}") from error


def holds_pictures(path: Path) -> bool:
    """Tell whether a Parquet file holds pictures themselves, as Hugging Face writes them: a structure with ``bytes``."""
    try:
        schema = pyarrow.parquet.read_schema(path)
        return any(pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0 for field in schema)
    except (*DAMAGE, OSError):
        return False


def _image_names(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return the paths of a column of pictures with bytes and path."""
    if not pa.types.is_struct(column.type) or column.type.get_field_index("path") < 0:
        return column
    paths = [None if entry is None else entry["path"] for entry in column.to_pylist()]
    if not all(isinstance(path, str) and path for path in paths):
        raise TableError(f"column {name!r} holds pictures without names; pass the file as DATA of a command, which names them by row")
    return pa.chunked_array([pa.array(paths, pa.string())])


def _class_names(column: pa.ChunkedArray, name: str, metadata: Mapping[bytes, bytes]) -> pa.ChunkedArray:
    """Return a column of class numbers (Hugging Face's ClassLabel) as the names that the file's own metadata give them."""
    if not is_list(column.type) and not pa.types.is_integer(column.type):
        return column
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][name]
        feature = feature.get("feature", feature) if isinstance(feature, dict) else feature[0]
        names = feature["names"]
        if not is_list(column.type):
            return pa.chunked_array([pa.array([None if code is None else names[code] for code in column.to_pylist()], pa.string())])
        lists = [None if codes is None else [names[code] for code in codes] for codes in column.to_pylist()]
        return pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError, pa.ArrowException):
        return column


def write_parquet(table: LabelTable, path: Path, *, force: bool) -> None:
    """Write ``table`` as :func:`to_arrow` makes it."""
    with atomic_path(path, force=force) as temporary:
        pyarrow.parquet.write_table(to_arrow(table), temporary, compression="zstd")


def to_arrow(table: LabelTable) -> pa.Table:
    """Return ``table`` as Arrow columns; columns of provenance that say nothing are left out."""
    columns: dict[str, pa.Array] = {"image": pa.array(table.images, pa.string())}
    if table.splits is not None:
        columns["split"] = pa.array(table.splits, pa.string()).dictionary_encode()
    for column, name in enumerate(table.classes):
        values = table.labels.values[:, column]
        columns[name] = pa.array(values, mask=values == UNKNOWN)
    names = pa.array([format_origin(origin) for origin in table.origins], pa.string())
    for column, name in enumerate(table.classes):
        columns |= _provenance(table, column, name, names)
    return pa.table(columns).replace_schema_metadata({OURS: b"1"})


def _provenance(table: LabelTable, column: int, name: str, names: pa.Array) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    if table.probabilities is not None:
        values: NDArray[np.float32] = table.probabilities[:, column]
        if not np.isnan(values).all():
            columns[name + PROBABILITY] = pa.array(values, mask=np.isnan(values))
    if table.origin_index is not None and table.origin_index[:, column].any():
        columns[name + SOURCE] = pa.DictionaryArray.from_arrays(pa.array(table.origin_index[:, column]), names)
    return columns

"""Parquet tables: the same columns as the wide CSV, with int8 labels (null = not checked), float32 probabilities and coded sources."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.files.columns import RawTable, find_layout, read_wide, require_owners
from taglens.labels.origins import format_origin
from taglens.labels.states import UNKNOWN
from taglens.labels.table import PROBABILITY, SOURCE, LabelTable
from taglens.outputs import atomic_path

DAMAGE = (pa.ArrowException, UnicodeDecodeError)
"""What pyarrow raises for a damaged file, names and texts that are no UTF-8 among it."""


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet table; labels may be whole numbers, true/false or text.

    Raises:
        TableError: not a Parquet file, or columns that cannot be understood.
    """
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
        names = table.column_names
    except (*DAMAGE, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file ({error}); write it again") from error
    layout = find_layout(names, str(path))
    require_owners(layout, list(layout.classes), str(path))
    try:
        return read_wide(layout, table.column, lambda: np.arange(1, len(table) + 1))
    except (*DAMAGE, TableError) as error:
        raise TableError(f"{path}: {error}") from error


def write_parquet(table: LabelTable, path: Path, *, force: bool) -> None:
    """Write ``table``; columns of provenance that say nothing are left out."""
    columns: dict[str, pa.Array] = {"image": pa.array(table.images, pa.string())}
    if table.splits is not None:
        columns["split"] = pa.array(table.splits, pa.string()).dictionary_encode()
    for column, name in enumerate(table.classes):
        values = table.labels.values[:, column]
        columns[name] = pa.array(values, mask=values == UNKNOWN)
    names = pa.array([format_origin(origin) for origin in table.origins], pa.string())
    for column, name in enumerate(table.classes):
        columns |= _provenance(table, column, name, names)
    with atomic_path(path, force=force) as temporary:
        pyarrow.parquet.write_table(pa.table(columns), temporary, compression="zstd")


def _provenance(table: LabelTable, column: int, name: str, names: pa.Array) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    if table.probabilities is not None:
        values: NDArray[np.float32] = table.probabilities[:, column]
        if not np.isnan(values).all():
            columns[name + PROBABILITY] = pa.array(values, mask=np.isnan(values))
    if table.origin_index is not None and table.origin_index[:, column].any():
        columns[name + SOURCE] = pa.DictionaryArray.from_arrays(pa.array(table.origin_index[:, column]), names)
    return columns

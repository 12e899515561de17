"""Excel workbooks (.xlsx): the first sheet that holds anything, by openpyxl, an extra of the installation."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from taglens.errors import TableError
from taglens.labels.files.columns import RawTable
from taglens.labels.files.grid import Grid, read_grid
from taglens.labels.files.options import TableOptions

LARGEST = 2**30
"""Bytes that the parts of a workbook may have together when unpacked."""


def read_excel(path: Path, options: TableOptions) -> RawTable:
    """Read a workbook; formulas count with the results that were stored, and other sheets are left out and counted.

    Raises:
        TableError: openpyxl is missing, no workbook, or a sheet that cannot be understood.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise TableError(f"{path}: reading Excel needs openpyxl: pip install 'taglens[excel]'; or save the sheet as CSV UTF-8") from error
    try:
        _require_size(path)
        formulas = openpyxl.load_workbook(path, read_only=True, data_only=False)
        results = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheets = {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in results.worksheets}
        filled = [title for title, rows in sheets.items() if any(value is not None for row in rows for value in row)]
        first = filled[0] if filled else None
        written = [] if first is None else [list(row) for row in formulas[first].iter_rows(values_only=True)]
        formulas.close()
        results.close()
    except TableError:
        raise
    except Exception as error:  # openpyxl raises whatever its parts raise: KeyError, zlib.error, ValueError, ParseError, ...
        raise TableError(
            f"{path}: not a readable Excel workbook ({error or type(error).__name__}); save it again as .xlsx or CSV"
        ) from error
    if first is None:
        raise TableError(f"{path}: the table is empty; expected a header such as image,dog,cat")
    raw = _read_rows(sheets[first], written, path, options)
    raw.left_out[f"further sheets ({', '.join(filled[1:4])})"] += len(filled) - 1
    return raw


def _require_size(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        size = sum(part.file_size for part in file.infolist())
    if size > LARGEST:
        raise TableError(f"{path}: {size:,} bytes when unpacked, at most {LARGEST:,} are read; save the sheet as CSV")


def _read_rows(rows: list[list[Any]], written: list[list[Any]], path: Path, options: TableOptions) -> RawTable:
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if any(_text(value).strip() for value in row)]
    (top, header), body = numbered[0], numbered[1:]
    names = [_text(value).strip() for value in header]
    width = max(index + 1 for index in range(max(len(row) for _, row in numbered)) if any(_cell(row, index) for _, row in numbered))
    names += [""] * (width - len(names))
    kept = [index for index in range(width) if names[index] or any(_cell(row, index) for _, row in body)]
    columns = [pa.chunked_array([pa.array([_cell(row, index) for _, row in body], pa.string())]) for index in kept]
    numbers = np.array([number for number, _ in body], dtype=np.int64)
    raw = read_grid(Grid([names[index] for index in kept], columns, lambda: numbers, f"{path}, row {top}"), options)
    for number, row in body:
        for index in kept:
            formula = written[number - 1][index] if number <= len(written) and index < len(written[number - 1]) else None
            if isinstance(formula, str) and formula.startswith("=") and not _cell(row, index):
                message = (
                    f"column {names[index]!r}: a formula ({formula[:40]}) without a stored result; open and save the workbook in Excel"
                )
                raw.bad_rows.append((number, message))
    return raw


def _cell(row: list[Any], index: int) -> str:
    return _text(row[index]) if index < len(row) else ""


def _text(value: Any) -> str:
    """Return a cell as a person sees it: whole numbers without .0."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

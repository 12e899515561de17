"""Which file form is read and written by which suffix; it lends ``LabelTable`` its ``read`` and ``write``."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from taglens.errors import TableError, TagLensError
from taglens.labels.files.assemble import Reading, assemble
from taglens.labels.files.columns import RawTable
from taglens.labels.files.csv import read_csv, write_csv
from taglens.labels.files.excel import read_excel
from taglens.labels.files.json import read_json_lines, read_json_table, write_json_table
from taglens.labels.files.options import TableOptions
from taglens.labels.files.parquet import read_parquet, write_parquet
from taglens.labels.inspection import Problem, raise_first
from taglens.labels.table import FILES, Form, LabelTable

READERS: dict[str, Callable[[Path, TableOptions], RawTable]] = {
    ".csv": read_csv,
    ".json": read_json_table,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".xlsx": read_excel,
}
WRITTEN = (".csv", ".json", ".parquet")
"""Suffixes of the tables that are written."""
EXPECTED = "a .csv, .parquet or .json file"


def examine_table(path: Path, images: Path | None = None, options: TableOptions | None = None) -> Reading:
    """Read the table at ``path`` and say everything that is wrong with it; raises nothing for what it finds.

    Names of pictures are relative to ``images`` (default: that of ``options``, else the folder of the table). If it was given, names that
    lead out of it, absolute or with ``..``, are refused, because then the table claims to lie elsewhere than the user says.
    """
    options = options or TableOptions()
    images = options.images if images is None else images
    try:
        return assemble(_reader(path)(path, options), path, images)
    except TagLensError as error:
        placed = re.match(rf"{re.escape(str(path))}(?:, row (\d+))?: ", str(error))
        if placed is None:
            return Reading(None, None, (Problem(str(error)),))
        row = None if placed[1] is None else int(placed[1])
        return Reading(None, None, (Problem(str(error)[placed.end() :], row),))


def read_table(path: Path, images: Path | None = None, options: TableOptions | None = None) -> LabelTable:
    """Read a table; see :meth:`LabelTable.read`."""
    reading = examine_table(path, images, options)
    raise_first(reading.problems, path)
    assert reading.table is not None
    return reading.table


def write_table(table: LabelTable, path: Path, *, force: bool, form: Form, for_spreadsheets: bool) -> None:
    """Write a table; see :meth:`LabelTable.write`."""
    if for_spreadsheets and path.suffix.lower() != ".csv":
        raise TableError(f"only CSV is guarded for spreadsheets, came {path.name}; write a .csv, or leave out --for-spreadsheets")
    if form == "tags" and path.suffix.lower() != ".csv":
        raise TableError(f"only CSV has the tags form, came {path.name}; write a .csv or leave out the form")
    match path.suffix.lower():
        case ".csv":
            write_csv(table, path, force=force, form=form, for_spreadsheets=for_spreadsheets)
        case ".parquet":
            write_parquet(table, path, force=force)
        case ".json":
            write_json_table(table, path, force=force)
        case _:
            raise _unknown_suffix(path, WRITTEN)


def _reader(path: Path) -> Callable[[Path, TableOptions], RawTable]:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not found"
        raise TableError(f"{path}: table {what}; expected {EXPECTED}")
    if path.suffix.lower() not in READERS:
        raise _unknown_suffix(path, READERS)
    return READERS[path.suffix.lower()]


def _unknown_suffix(path: Path, known: Iterable[str]) -> TableError:
    old = "; save it as .xlsx or CSV" if path.suffix.lower() in (".xls", ".xlsm", ".xlsb", ".ods", ".numbers") else ""
    return TableError(f"{path}: unknown kind of table {path.suffix!r}; expected {', '.join(known)}{old}")


FILES.update(read=read_table, write=write_table)

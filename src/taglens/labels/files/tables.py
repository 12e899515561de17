"""Which file form is read and written by which suffix; it lends ``LabelTable`` its ``read`` and ``write``."""

from collections.abc import Callable
from pathlib import Path

from taglens.errors import TableError, TagLensError
from taglens.labels.files.assemble import Reading, assemble
from taglens.labels.files.columns import RawTable
from taglens.labels.files.csv import read_csv, write_csv
from taglens.labels.files.json import read_json_table, write_json_table
from taglens.labels.files.parquet import read_parquet, write_parquet
from taglens.labels.inspection import Problem, raise_first
from taglens.labels.table import FILES, Form, LabelTable

READERS: dict[str, Callable[[Path], RawTable]] = {".csv": read_csv, ".json": read_json_table, ".parquet": read_parquet}


def examine_table(path: Path, images: Path | None = None) -> Reading:
    """Read the table at ``path`` and say everything that is wrong with it; raises nothing for what it finds.

    Names of pictures are relative to ``images`` (default: the folder of the table). If ``images`` was given, names that lead out of
    it, absolute or with ``..``, are refused, because then the table claims to lie elsewhere than the user says.
    """
    try:
        return assemble(_reader(path)(path), path, images)
    except TagLensError as error:
        message = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, row 1: ")
        return Reading(None, None, (Problem(message, 1 if str(error).startswith(f"{path}, row 1: ") else None),))


def read_table(path: Path, images: Path | None = None) -> LabelTable:
    """Read a table; see :meth:`LabelTable.read`."""
    reading = examine_table(path, images)
    raise_first(reading.problems, path)
    assert reading.table is not None
    return reading.table


def write_table(table: LabelTable, path: Path, *, force: bool, form: Form) -> None:
    """Write a table; see :meth:`LabelTable.write`."""
    if form == "tags" and path.suffix.lower() != ".csv":
        raise TableError(f"only CSV has the tags form, came {path.name}; write a .csv or leave out the form")
    match path.suffix.lower():
        case ".csv":
            write_csv(table, path, force=force, form=form)
        case ".parquet":
            write_parquet(table, path, force=force)
        case ".json":
            write_json_table(table, path, force=force)
        case _:
            raise _unknown_suffix(path)


def _reader(path: Path) -> Callable[[Path], RawTable]:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not found"
        raise TableError(f"{path}: table {what}; expected a .csv, .parquet or .json file")
    if path.suffix.lower() not in READERS:
        raise _unknown_suffix(path)
    return READERS[path.suffix.lower()]


def _unknown_suffix(path: Path) -> TableError:
    return TableError(f"{path}: unknown kind of table {path.suffix!r}; expected {', '.join(READERS)}")


FILES.update(read=read_table, write=write_table)

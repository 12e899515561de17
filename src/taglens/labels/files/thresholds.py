"""thresholds.csv of a run: from which probability on each class is a tag; a person may edit it.

``class,threshold`` and further columns that only inform; commas, semicolons or tabs, as spreadsheets write them.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.encoded import read_text
from taglens.errors import RunError, TableError, unknown_name
from taglens.outputs import csv_text, write_text
from taglens.spreadsheets import MARK, guarded_columns, unguard

THRESHOLDS = "thresholds.csv"
CLASS, THRESHOLD = "class", "threshold"
LARGEST = 16 * 2**20
"""Bytes; more than a hundred thousand classes have."""
_ADVICE = "correct it, or delete the file: then the run's first thresholds count"

Row = tuple[int, list[str]]
"""The line in the file, the first being 1, and its cells."""


def write_thresholds(path: Path, classes: Sequence[str], thresholds: Iterable[float], more: Mapping[str, Sequence[object]]) -> None:
    """Write a row for each class; ``more`` are further columns by name, a value for each class, None for nothing.

    Raises:
        OutputError: the file cannot be written.
    """
    columns = [classes, [float(value) for value in thresholds], *more.values()]
    table = guarded_columns((CLASS, THRESHOLD, *more), zip(*columns, strict=True), (CLASS,))
    write_text(path, csv_text(*table))


def read_thresholds(path: Path, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the threshold of each class, (label,), in the order of ``classes`` whatever that of the rows is.

    Raises:
        RunError: not such a file, a class twice, missing or unknown, or a threshold that is no number in 0..1; with the row.
    """
    (first, header), *rows = _rows(path)
    names = [name.strip().lower() for name in header]
    was_guarded = f"{CLASS}{MARK}" in names
    names = [CLASS if name == f"{CLASS}{MARK}" else name for name in names]
    if CLASS not in names or THRESHOLD not in names:
        raise RunError(f"{path}, row {first}: expected the columns {CLASS} and {THRESHOLD}, came {', '.join(header)[:80]!r}; {_ADVICE}")
    known, found = frozenset(classes), dict[str, float]()
    for row, cells in rows:
        where = f"{path}, row {row}"
        if len(cells) != len(header):
            raise RunError(f"{where}: expected {len(header)} cells as in the header, came {len(cells)}; {_ADVICE}")
        written = cells[names.index(CLASS)].strip()
        name = _class(unguard(written) if was_guarded else written, known, found, where)
        found[name] = _number(cells[names.index(THRESHOLD)].strip(), name, where)
    missing = [name for name in classes if name not in found]
    if missing:
        raise RunError(f"{path}: no row for {len(missing)} of the {len(classes)} classes ({missing[0]!r} the first); {_ADVICE}")
    return np.array([found[name] for name in classes], np.float64)


def _rows(path: Path) -> list[Row]:
    """Return the rows that hold anything, the header first."""
    try:
        if not path.is_file():  # nor a pipe or a device, which would never end
            raise RunError(f"{path}: not a file; {_ADVICE}")
        if path.stat().st_size > LARGEST:
            raise RunError(f"{path}: {path.stat().st_size:,} bytes, at most {LARGEST:,} are read; {_ADVICE}")
        text = read_text(path)
        separator = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows, line = [], 1
        for cells in reader:
            if any(map(str.strip, cells)):
                rows.append((line, cells))
            line = reader.line_num + 1
    except TableError as error:
        raise RunError(str(error)) from error
    except csv.Error as error:
        raise RunError(f"{path}: not a CSV table ({error}); {_ADVICE}") from error
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}; {_ADVICE}") from error
    if not rows:
        raise RunError(f"{path}: the file is empty; expected the header {CLASS},{THRESHOLD} and a row for each class; {_ADVICE}")
    return rows


def _class(name: str, classes: frozenset[str], found: Mapping[str, float], where: str) -> str:
    if name not in classes:
        raise RunError(f"{where}: {unknown_name('class', name, classes)}")
    if name in found:
        raise RunError(f"{where}: class {name!r} comes twice; {_ADVICE}")
    return name


def _number(text: str, name: str, where: str) -> float:
    """Return a threshold; a decimal comma is read too."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise RunError(f"{where}: the threshold of {name!r} must be a number in 0..1, came {text[:40]!r}; {_ADVICE}")
    return value

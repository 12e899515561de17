"""What readers of published data sets share: finding their files, putting rows of one picture together, and saying what was read.

Every reader says which split, which policy, and how many cells of each state, in the warnings of its table.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from csv import DictReader
from csv import Error as CsvError
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.encoded import open_text, read_text
from taglens.errors import TableError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

_UNREADABLE = (OSError, EOFError, zlib.error)
"""What a damaged text file raises, packed or not."""


class Merged(NamedTuple):
    """Rows after those of one picture were put together."""

    images: tuple[str, ...]
    values: NDArray[np.int8]
    """(image, label)."""
    notes: tuple[str, ...]


def find_file(folders: Iterable[Path], patterns: Sequence[str], what: str) -> Path:
    """Return the one file in ``folders`` that fits one of ``patterns`` (globs, the earlier ones first).

    Raises:
        TableError: none fits, or several fit the same pattern.
    """
    places = list(dict.fromkeys(folders))
    for pattern in patterns:
        try:
            found = sorted({path for folder in places for path in folder.glob(pattern) if path.is_file()})
        except (NotImplementedError, OSError, ValueError):  # a split that no file can be called
            found = []
        if len(found) > 1:
            raise TableError(f"{what}: {', '.join(map(str, found))} all fit; keep one of them in the folder")
        if found:
            return found[0]
    here = sorted({path.name for folder in places if folder.is_dir() for path in folder.iterdir()})
    came = ", ".join(here[:12]) + (f" and {len(here) - 12} more" if len(here) > 12 else "")
    raise TableError(
        f"{places[0]}: no {what} there; expected {' or '.join(patterns)}, came: {came or 'nothing'}; another split is named with --split"
    )


def picture_folder(images: Path | None, *usual: Path) -> Path:
    """Return ``images``, if the user named it, else the first of the ``usual`` folders that is there, else the first."""
    return images if images is not None else next((folder for folder in usual if folder.is_dir()), usual[0])


def csv_rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file, packed by gzip or not, with their line, the header being 1.

    Raises:
        TableError: a column is missing, a row is short, or the file cannot be read.
    """
    try:
        with open_text(path, newline="") as file:
            reader = DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                came = ", ".join(map(repr, reader.fieldnames or ())) or "an empty file"
                raise TableError(f"{path}: expected the column {missing[0]!r} in the header, came {came}; restore the official file")
            for row in reader:
                if None in row or None in row.values():
                    raise TableError(
                        f"{path}, row {reader.line_num}: another number of cells than the header has; restore the official file"
                    )
                yield reader.line_num, row
    except (*_UNREADABLE, CsvError) as error:
        raise TableError(f"{path}: cannot be read ({error}); restore the official file") from error


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that are not blank, without outer blanks, each with its number.

    Raises:
        TableError: the file is missing or cannot be read.
    """
    try:
        with open_text(path, newline="") as file:
            yield from ((number, line.strip()) for number, line in enumerate(file, start=1) if line.strip())
    except _UNREADABLE as error:
        raise TableError(f"{path}: cannot be read ({error}); restore the official file") from error


def json_content(path: Path, encoding: str | None = None) -> Any:
    """Return what a JSON file holds.

    Raises:
        TableError: the file is missing, cannot be read, is in another encoding or no JSON.
    """
    try:
        text = read_text(path, encoding)
    except _UNREADABLE as error:
        raise TableError(f"{path}: cannot be read ({error}); restore the official file") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: not readable as JSON ({error}); restore the official file") from error


def merge(images: Sequence[str], values: NDArray[np.int8], where: str) -> Merged:
    """Put the rows of one picture together: what any knows is known, and where two contradict each other nothing is."""
    first: dict[str, int] = {}
    target = np.array([first.setdefault(name, len(first)) for name in images], np.int64)
    if len(first) == len(images):
        return Merged(tuple(images), values, ())
    present, absent = (np.zeros((len(first), values.shape[1]), bool) for _ in range(2))
    np.logical_or.at(present, target, values == POSITIVE)
    np.logical_or.at(absent, target, values == NEGATIVE)
    clash = present & absent
    together = np.where(clash, UNKNOWN, np.where(present, POSITIVE, np.where(absent, NEGATIVE, UNKNOWN))).astype(np.int8)
    twice = f"{where}: {len(images) - len(first):,} rows name a picture again; its rows were put together"
    clashes = f"{where}: {np.count_nonzero(clash):,} labels are present in one row and absent in another; taken as not checked"
    return Merged(tuple(first), together, (twice, *[clashes] * bool(clash.any())))


def said(where: str, policy: str, labels: PartialLabels) -> str:
    """Return the line of every reader: which split, which policy, how many cells of each state."""
    return f"{where}: {len(labels):,} pictures; {policy}; cells: {labels.summary()}"


def only_at_hand(table: LabelTable) -> LabelTable:
    """Return the rows of ``table`` whose pictures are in its folder; the warnings say how many are not.

    Raises:
        TableError: not one picture is there.
    """
    there = files_below(table.root or Path())
    rows = np.array([name in there for name in table.images], bool)
    gone = len(rows) - int(rows.sum())
    if gone == len(rows):
        raise TableError(
            f"{table.root}: none of the {gone:,} pictures, such as {table.images[0]!r}, is there; name their folder by --images"
        )
    kept = f"{len(rows) - gone:,} are kept; numbers compare only with those of who had the same"
    warning = f"{gone:,} pictures that are not in {table.root} are left out, {kept}"
    return replace(table.rows(rows), warnings=(*table.warnings, warning)) if gone else table


def files_below(folder: Path) -> frozenset[str]:
    """Return the names of all files in ``folder`` and below, relative to it, with slashes."""
    found = (os.path.relpath(os.path.join(inner, name), folder) for inner, _, names in os.walk(folder, followlinks=True) for name in names)
    return frozenset(name.replace(os.sep, "/") for name in found)

"""From what a file says to a :class:`LabelTable`: names checked, images that come twice merged, every problem with its row."""

import os
import posixpath
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.encoded import misread
from taglens.errors import TagLensError
from taglens.labels.files.columns import RawTable
from taglens.labels.inspection import MOST_PROBLEMS, Problem
from taglens.labels.left_out import left_out_of, sentence
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable


@dataclass(frozen=True)
class Reading:
    """A table as read, with everything that was noticed; ``table`` is None if an error was."""

    table: LabelTable | None
    rows: NDArray[np.int64] | None
    """The row in the file of every image of the table; None where nothing was read from rows."""
    problems: tuple[Problem, ...]


def assemble(raw: RawTable, path: Path, images: Path | None) -> Reading:
    """Check what ``path`` says; ``images`` is the folder of the pictures if the user named one."""
    problems = [Problem(message, row) for row, message in raw.bad_rows] + raw.notes
    problems += [Problem(message, None, column) for column, message in raw.bad_columns]
    left_out = left_out_of(raw.left_out)
    problems += [Problem(sentence(left_out), level="warning")] * bool(left_out)
    if raw.bad_cells:
        rows = raw.row_numbers()
        problems += [Problem(message, int(rows[record]), column) for record, column, message in raw.bad_cells[:MOST_PROBLEMS]]
        if len(raw.bad_cells) > MOST_PROBLEMS:
            problems.append(Problem(f"{len(raw.bad_cells) - MOST_PROBLEMS:,} more cells cannot be read; is this a table of labels?"))
    problems += _name_problems(raw, images) + _misread(raw.classes)
    if not raw.images and not problems:
        problems.append(Problem("the table has no row; expected one row for each picture"))
    kept, merging = _merge(raw)
    problems += merging
    problems.sort(key=lambda problem: (problem.level != "error", problem.row or 0))
    rows = raw.row_numbers()[kept]
    if any(problem.level == "error" for problem in problems):
        return Reading(None, rows, tuple(problems))
    warnings = tuple(problem.at(path) for problem in problems)
    try:
        table = replace(_table(raw, kept, images if images is not None else path.parent, warnings), left_out=left_out)
    except TagLensError as error:
        return Reading(None, rows, (*problems, Problem(str(error))))
    return Reading(table, rows, tuple(problems))


def _table(raw: RawTable, kept: NDArray[np.int64], root: Path, warnings: tuple[str, ...]) -> LabelTable:
    everything = len(kept) == len(raw.images)
    pick = slice(None) if everything else kept
    return LabelTable(
        images=tuple(raw.images if everything else (raw.images[record] for record in kept)),
        classes=tuple(raw.classes),
        labels=PartialLabels(raw.values[pick]),
        splits=None if raw.splits is None else tuple(raw.splits[record].strip() for record in kept),
        root=root,
        origins=tuple(raw.origins),
        origin_index=None if raw.origin_index is None else raw.origin_index[pick],
        probabilities=None if raw.probabilities is None else raw.probabilities[pick],
        warnings=warnings,
    )


def _misread(classes: list[str]) -> list[Problem]:
    """Say which classes have wrong letters because an earlier program took their encoding for another."""
    found = [(name, before) for name in classes for before in [misread(name)] if before is not None]
    if not found:
        return []
    shown = ", ".join(repr(name) + (f" ({before!r}?)" if before else "") for name, before in found[:4])
    message = f"{len(found):,} classes lost letters before they came here, such as {shown}; write the table again as UTF-8"
    return [Problem(message, level="warning")]


def _name_problems(raw: RawTable, images: Path | None) -> list[Problem]:
    messages = ((record, _name_message(name, images)) for record, name in enumerate(raw.images) if _is_suspect(name))
    found = [(record, message) for record, message in messages if message is not None]
    if not found:
        return []
    rows = raw.row_numbers()
    return [Problem(message, int(rows[record]), "image") for record, message in found[:MOST_PROBLEMS]]


def _is_suspect(name: str) -> bool:
    """Cheap test that every name goes through: most are plain."""
    return not name.strip() or ".." in name or name[0] in "/\\" or name[1:2] == ":"


def _name_message(name: str, images: Path | None) -> str | None:
    if not name.strip():
        return "no picture is named; fill the cell or delete the row"
    if images is None:
        return None
    if ".." in name.replace("\\", "/").split("/"):
        return f"expected a picture inside the images folder {images}, came {name!r}; leave out one of the two"
    if _leads_out(name):  # a path of another machine leads nowhere: its picture is looked for in the folder
        return f"expected a picture relative to the images folder {images}, came the absolute path {name!r}; leave out one of the two"
    return None


def _leads_out(name: str) -> bool:
    try:
        return os.path.isabs(name) and os.path.exists(name)
    except ValueError:  # a zero byte
        return True


def _merge(raw: RawTable) -> tuple[NDArray[np.int64], list[Problem]]:
    """Merge records of one image in place; return the records to keep and what was noticed."""
    first: dict[str, int] = {}
    twice: list[tuple[int, int]] = []
    for record, name in enumerate(raw.images):
        key = posixpath.normpath(name)
        earlier = first.setdefault(key, record)
        if earlier != record and name.strip():
            twice.append((earlier, record))
    if not twice:
        return np.arange(len(raw.images)), []
    rows = raw.row_numbers()
    problems = [_merge_two(raw, earlier, later, rows) for earlier, later in twice]
    kept = np.ones(len(raw.images), dtype=bool)
    kept[[later for _, later in twice]] = False
    return np.flatnonzero(kept), problems


def _merge_two(raw: RawTable, earlier: int, later: int, rows: NDArray[np.int64]) -> Problem:
    one, two = raw.values[earlier], raw.values[later]
    name, row = raw.images[later], int(rows[later])
    clash = np.flatnonzero((one != two) & (one != UNKNOWN) & (two != UNKNOWN))
    if len(clash):
        column = int(clash[0])
        message = (
            f"image {name!r} is {one[column]} in row {rows[earlier]} but {two[column]} in row {row}; "
            f"keep one of the rows{f' ({len(clash)} classes differ)' if len(clash) > 1 else ''}"
        )
        return Problem(message, row, raw.classes[column])
    if raw.splits is not None and raw.splits[earlier].strip() != raw.splits[later].strip():
        message = (
            f"image {name!r} is in split {raw.splits[earlier]!r} in row {rows[earlier]} but in {raw.splits[later]!r} in row {row}; keep one"
        )
        return Problem(message, row, "split")
    fresh = (one == UNKNOWN) & (two != UNKNOWN)
    for array in (raw.values, raw.probabilities, raw.origin_index):
        if array is not None:
            array[earlier, fresh] = array[later, fresh]
    return Problem(f"image {name!r} comes again (first in row {rows[earlier]}) and agrees; the rows were merged", row, level="warning")

"""The CSV form ``image[,split],tags`` with cells such as ``dog|beach|!cat``: ``!`` = checked and absent, not named = not checked.

``?cat`` names a class without saying anything of the picture. TagLens writes it only where it must: in the first row, so that
the order of the classes and classes that nobody checked survive.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.columns import Layout, RawTable, read_provenance
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.labels.table import LabelTable

TAGS = "tags"
_SIGNS = {"!": NEGATIVE, "?": UNKNOWN}
_MARKS = {POSITIVE: "", NEGATIVE: "!", UNKNOWN: "?"}


def is_tags(layout: Layout) -> bool:
    """Tell whether a header means this form: its only column besides image, split and provenance is ``tags``."""
    return tuple(layout.classes) == (TAGS,)


def read_tags(layout: Layout, column: Callable[[int], pa.ChunkedArray], row_numbers: Callable[[], NDArray[np.int64]]) -> RawTable:
    """Read a tags table; classes stand in the order in which they appear."""
    images = column(layout.image).to_pylist()
    splits = None if layout.split is None else column(layout.split).to_pylist()
    parsed = [_parse(cell) for cell in column(layout.classes[TAGS]).to_pylist()]
    classes = list(dict.fromkeys(name for tags in parsed for name, _ in tags))
    place = {name: number for number, name in enumerate(classes)}
    raw = RawTable(images, splits, classes, np.full((len(images), len(classes)), UNKNOWN, dtype=np.int8), row_numbers)
    for record, tags in enumerate(parsed):
        cells = raw.values[record]
        for name, state in tags:
            if state != UNKNOWN and cells[place[name]] not in (UNKNOWN, state):
                raw.bad_cells.append((record, TAGS, f"{name!r} is both present and absent (!{name}); keep one of the two"))
            cells[place[name]] = max(state, cells[place[name]]) if state == UNKNOWN else state
        if any(not name for name, _ in tags):
            raw.bad_cells.append((record, TAGS, "a sign ! or ? without a name; write the class behind it"))
    read_provenance(raw, layout, column)
    return raw


def _parse(cell: str) -> list[tuple[str, int]]:
    """Read ``dog|!cat`` as [("dog", 1), ("cat", 0)]."""
    tags = [tag for tag in map(str.strip, cell.split("|")) if tag]
    return [(tag[1:].strip(), _SIGNS[tag[0]]) if tag[0] in _SIGNS else (tag, POSITIVE) for tag in tags]


def written_tags(table: LabelTable) -> Callable[[LabelTable, slice], Iterable[list[str]]]:
    """Return the function that gives the tags cells of some rows of ``table``.

    Raises:
        TableError: a class name that this form cannot hold, or no picture to write the classes beside.
    """
    for name in table.classes:
        if "|" in name or name[0] in _SIGNS:
            raise TableError(f"the tags form cannot hold the class {name!r}: '|' inside or '!', '?' in front; write the wide form")
    if not len(table):
        raise TableError("the tags form needs at least one picture; write the wide form")
    complete = not _order_survives(table)

    def cells(table: LabelTable, part: slice) -> Iterator[list[str]]:
        for row, values in enumerate(table.labels.values[part], start=part.start):
            everything = complete and row == 0
            named = range(len(values)) if everything else np.flatnonzero(values != UNKNOWN)
            yield ["|".join(_MARKS[int(values[place])] + table.classes[place] for place in named)]

    return cells


def _order_survives(table: LabelTable) -> bool:
    """Tell whether reading finds all classes in their order although unknown ones are not written."""
    appearing = dict.fromkeys(chain.from_iterable(map(np.ndarray.tolist, map(np.flatnonzero, table.labels.known))))
    return list(appearing) == list(range(len(table.classes)))

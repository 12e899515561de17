"""Long tables: a row for each picture and class, ``image,class,value``, as Open Images, databases and survey tools write them.

Rows of one picture are put together: what any row knows is known; a class that is present in one row and absent in another
becomes not checked, and is listed.
"""

import numpy as np
import pyarrow as pa

from taglens.errors import TableError
from taglens.labels.codes import cell_state
from taglens.labels.files.columns import Layout, RawTable, plain, read_states, texts
from taglens.labels.files.options import TableOptions
from taglens.labels.files.roles import Roles, normal
from taglens.labels.files.tags import BLANKS, separator_of, tags_of, without_blanks
from taglens.labels.inspection import Problem
from taglens.labels.states import POSITIVE, UNKNOWN

CLASS_NAMES = (
    "class", "class_name", "classname", "label", "label_name", "labelname", "category", "category_name", "tag", "tag_name", "attribute",
    "concept", "class_id", "classid", "category_id", "label_id",
)  # fmt: skip
"""Usual names of the column of the class, the likeliest first."""
TAG_NAMES = (
    "tags",
    "labels",
    "keywords",
    "classes",
    "categories",
    "objects",
    "finding_labels",
    "attributes",
    "target",
    "targets",
    "choice",
    "choices",
)
"""Names of a column that lists tags, where no column of values stands beside it."""
VALUE_NAMES = ("value", "state", "present", "presence", "is_present", "answer", "confidence", "conf", "score", "probability", "prob")
_CONTEXT = frozenset(("source", "annotator", "worker", "user", "synset", "supercategory"))
MOST_LISTED = 1_000


def long_columns(roles: Roles, columns: list[pa.ChunkedArray], options: TableOptions, where: str) -> tuple[str, str | None] | None:
    """Return the columns of the class and of its value (None: every row says present); None if the table does not look long.

    Raises:
        TableError: ``--long`` was asked for and the columns cannot be found, or a column of 0 and 1 may be either.
    """
    names = list(roles.layout.classes)
    by_name = {normal(name): name for name in reversed(names) if name not in options.class_columns}
    label = next((by_name[name] for name in (*CLASS_NAMES, *TAG_NAMES) if name in by_name), None)
    value = next((by_name[name] for name in VALUE_NAMES if name in by_name and by_name[name] != label), None)
    rest = [name for name in names if name not in (label, value)]
    if options.long:
        if label is None and 1 <= len(names) <= 2:
            label, value = names[0], names[1] if len(names) == 2 else None
        if label is None:
            shown = ", ".join(map(repr, names[:8]))
            raise TableError(f"{where}: --long expects the columns image, class and value (or class alone), came {shown}; rename them")
        return label, value
    if label is None or (value is None and normal(label) in TAG_NAMES):
        return None
    if not all(name in roles.others or normal(name) in (*_CONTEXT, *CLASS_NAMES, *VALUE_NAMES) for name in rest):
        return None
    if value is None and _readable(columns[roles.layout.classes[label]]):
        raise TableError(
            f"{where}: column {label!r} holds 0 and 1: is it one class (--class-columns {label}), or a number that names a class in each "
            "row (--long)?"
        )
    return label, value


def _readable(column: pa.ChunkedArray) -> bool:
    try:
        return bool((read_states(column, "") >= UNKNOWN).all())
    except TableError:
        return False


def read_long(
    raw: RawTable, layout: Layout, columns: list[pa.ChunkedArray], found: tuple[str, str | None], options: TableOptions
) -> RawTable:
    """Put the rows of ``raw``, whose images and splits are read, together to a row for each picture.

    Raises:
        TableError: what stands between the names of several classes in a cell is not clear.
    """
    label, value = found
    names = _names(raw, columns[layout.classes[label]], label, options, whole=value is not None)
    states, probabilities = _values(raw, None if value is None else columns[layout.classes[value]], value or "", names)
    first: dict[str, int] = {}
    for record, image in enumerate(raw.images):
        first.setdefault(image, record)
    row = {image: number for number, image in enumerate(first)}
    classes = list(dict.fromkeys(name for tags in names for name, _ in tags))
    column = {name: number for number, name in enumerate(classes)}
    kept = np.array(list(first.values()), dtype=np.int64)
    all_rows = raw.row_numbers
    merged = RawTable(list(first), None, classes, np.full((len(first), len(classes)), UNKNOWN, np.int8), lambda: all_rows()[kept])
    merged.notes, merged.left_out, merged.bad_rows, merged.bad_columns = raw.notes, raw.left_out, raw.bad_rows, raw.bad_columns
    _require_one_split(raw, first, merged)
    clashes: dict[tuple[int, int], int] = {}
    for record, tags in enumerate(names):
        for name, mark in tags:
            cell = row[raw.images[record]], column[name]
            state = mark if mark != POSITIVE else int(states[record])
            clash = UNKNOWN not in (state, merged.values[cell]) and state != merged.values[cell]
            if clash or cell in clashes:
                clashes.setdefault(cell, record)
            elif state != UNKNOWN:
                merged.values[cell] = state
            if probabilities is not None and not np.isnan(probabilities[record]):
                merged.probabilities = (
                    np.full(merged.values.shape, np.nan, np.float32) if merged.probabilities is None else merged.probabilities
                )
                merged.probabilities[cell] = probabilities[record]
    _list_clashes(raw, merged, clashes)
    if len(raw.images) > len(first):
        merged.notes.append(Problem(f"{len(raw.images):,} rows of {len(first):,} pictures were put together", level="warning"))
    if raw.bad_cells:
        rows = all_rows()
        merged.bad_rows += [(int(rows[record]), f"column {name!r}: {message}") for record, name, message in raw.bad_cells]
    return merged


def _names(raw: RawTable, column: pa.ChunkedArray, name: str, options: TableOptions, *, whole: bool) -> list[list[tuple[str, int]]]:
    """Return the classes of each row; ``whole``: a value stands beside it, so that a cell names one class whatever signs it has."""
    cells, blank = without_blanks(plain(column).to_pylist() if pa.types.is_nested(column.type) else texts(column))
    raw.left_out[BLANKS] += blank
    if whole and options.tag_separator is None and all(isinstance(cell, str) for cell in cells):
        return [[(cell.strip(), POSITIVE)] if isinstance(cell, str) and cell.strip() else [] for cell in cells]
    separator = separator_of([cell for cell in cells if isinstance(cell, str)], options.tag_separator, name)
    found: list[list[tuple[str, int]]] = []
    for record, cell in enumerate(cells):
        try:
            found.append(tags_of(cell, separator))
        except TableError as error:
            raw.bad_cells.append((record, name, str(error)))
            found.append([])
    return found


def _values(
    raw: RawTable, column: pa.ChunkedArray | None, name: str, names: list[list[tuple[str, int]]]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return states and probabilities (row,): a value between 0 and 1 is a probability, and its label not checked."""
    states = np.full(len(names), POSITIVE, np.int8)
    if column is None:
        return states, None
    probabilities = np.full(len(names), np.nan, np.float32)
    for record, text in enumerate(texts(column)):
        state = cell_state(text)
        number = np.nan if state is not None else _number(text)
        if state is None and np.isnan(number):
            raw.bad_cells.append((record, name, f"expected 1 (present), 0 (absent), blank or a probability between them, came {text!r}"))
        states[record] = UNKNOWN if state is None else state
        probabilities[record] = number
    between = int(np.count_nonzero(~np.isnan(probabilities)))
    raw.left_out[f"values between 0 and 1 in column {name!r} (kept as probabilities, their labels not checked)"] += between
    return states, probabilities if between else None


def _number(text: str) -> float:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return float("nan")
    return number if 0 <= number <= 1 else float("nan")


def _require_one_split(raw: RawTable, first: dict[str, int], merged: RawTable) -> None:
    if raw.splits is None:
        return
    merged.splits = [raw.splits[record] for record in first.values()]
    for record, image in enumerate(raw.images):
        one, two = raw.splits[first[image]].strip(), raw.splits[record].strip()
        if one != two:
            rows = raw.row_numbers()
            message = f"image {image!r} is in split {one!r} in row {rows[first[image]]} but in {two!r} in row {rows[record]}; keep one"
            merged.bad_rows.append((int(rows[record]), message))


def _list_clashes(raw: RawTable, merged: RawTable, clashes: dict[tuple[int, int], int]) -> None:
    if not clashes:
        return
    rows = raw.row_numbers()
    for (image, label), record in list(clashes.items())[:MOST_LISTED]:
        message = f"{merged.classes[label]!r} of {merged.images[image]!r} is present in one row and absent in another; taken as not checked"
        merged.notes.append(Problem(message, int(rows[record]), level="warning"))
    for cell in clashes:
        merged.values[cell] = UNKNOWN
    merged.left_out["labels that rows contradict (not checked now)"] += len(clashes)

"""From columns, whatever file they come from, to a RawTable: wide, lists of tags, or long; one set of rules for every format."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.codes import cell_state
from taglens.labels.files.columns import (
    Layout,
    RawTable,
    column_message,
    is_list,
    is_text,
    plain,
    quoted,
    read_probabilities,
    read_sources,
    states,
    texts,
)
from taglens.labels.files.long import TAG_NAMES, VALUE_NAMES, long_columns, read_long
from taglens.labels.files.options import TableOptions
from taglens.labels.files.roles import Roles, find_roles, normal, question, require_owners, split_cells
from taglens.labels.files.tags import BAR, BLANKS, separator_of, tags_of, without_blanks
from taglens.labels.inspection import Problem
from taglens.labels.origins import Origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.labels.table import PROBABILITY, SOURCE, require_class_names

TAGS = "tags"
PRESENT, ABSENT, FILLED = "present", "absent", "filled"
_TOTALS = frozenset(
    ("total", "totals", "grand total", "sum", "sums", "summe", "gesamt", "insgesamt", "totaal", "totale", "σ", "all", "alle", "count")
)


@dataclass(frozen=True)
class Grid:
    """Columns with names, as a file holds them."""

    names: list[str]
    columns: list[pa.ChunkedArray]
    row_numbers: Callable[[], NDArray[np.int64]]
    """Gives the row in the file of every record; called only if there is something to report."""
    where: str
    """Where the header stands, for messages."""
    own: bool = False
    """Whether TagLens wrote the file, so that names leave no question."""


def read_grid(grid: Grid, options: TableOptions) -> RawTable:
    """Read a table by its header and the options.

    Raises:
        TableError: a header that cannot be understood or leaves a question.
    """
    roles = find_roles(grid.names, grid.columns, grid.where, options, grid.own)
    layout, notes = roles.layout, list(roles.notes)
    raw = _images(grid, roles)
    _find_totals(raw, grid)
    tags = _tags_column(grid, roles, options)
    if tags is not None:
        raw = _tags_form(grid, raw, roles, tags, options)
        notes += [f"tags are read from column {tags!r}; --class-columns {tags} if it is one class"] * (normal(tags) != TAGS)
    elif _is_lists(grid, layout):
        raw = _lists_form(grid, raw, layout)
    else:
        found = None if grid.own else long_columns(roles, grid.columns, options, grid.where)
        if found is not None:
            raw = read_long(raw, layout, grid.columns, found, options)
            words = f"class from {found[0]!r}, " + (f"value from {found[1]!r}" if found[1] is not None else "every row says present")
            notes += [f"read as a long table: {words}"] * (not options.long)
            roles.left_out += [repr(name) for name in layout.classes if name not in found]
        elif roles.others:
            raise question(roles.others, grid.where)
        else:
            require_class_names(layout.classes, grid.where)
            raw = _wide_form(grid, raw, layout)
    if raw.classes and all(name.isdecimal() for name in raw.classes) and set(raw.classes) != set(layout.classes):
        notes.append(f"classes are numbers ({', '.join(raw.classes[:4])}...): the file does not say their names")
    require_owners(layout, raw.classes, grid.where)
    said = [f"left out: column{'s' * (len(roles.left_out) > 1)} {', '.join(roles.left_out)}"] * bool(roles.left_out)
    raw.notes = [*(Problem(note, level="warning") for note in (*notes, *said)), *raw.notes]
    return raw


def _images(grid: Grid, roles: Roles) -> RawTable:
    """Return the pictures and splits, without labels yet."""
    layout = roles.layout
    try:
        images = texts(grid.columns[layout.image])
        splits = None if layout.split is None else split_cells(grid.names[layout.split], grid.columns[layout.split])
    except TableError as error:
        raise TableError(f"{grid.where}: the names of pictures and splits must be text ({error})") from error
    return RawTable(images, splits, [], np.zeros((len(images), 0), np.int8), grid.row_numbers)


def _wide_form(grid: Grid, raw: RawTable, layout: Layout) -> RawTable:
    """Fill in the labels of a table with one column for each class."""
    values = np.empty((len(raw.images), len(layout.classes)), dtype=np.int8, order="F")
    for index, (name, where) in enumerate(layout.classes.items()):
        column = grid.columns[where]
        values[:, index], bad = states(column, name)
        message = column_message(column, name, bad, int(np.count_nonzero(values[:, index] != UNKNOWN))) if bad else None
        if message is None:
            raw.bad_cells += bad
        else:
            raw.bad_columns.append((name, message))
    raw.classes, raw.values = list(layout.classes), np.ascontiguousarray(values)
    _read_provenance(raw, layout, grid)
    return raw


def _tags_column(grid: Grid, roles: Roles, options: TableOptions) -> str | None:
    """Return the column that lists tags: the one asked for, else the only one where its name or its lists say so."""
    if options.tags_column is not None:
        asked = options.tags_column.strip()
        if asked not in roles.layout.classes:
            raise TableError(f"{grid.where}: --tags-column {quoted(asked)}: that column names the pictures or the split, or is left out")
        return asked
    names = [name for name in roles.layout.classes if name not in roles.others]
    if grid.own or options.long or len(names) != 1 or names[0] in options.class_columns:
        return None
    if any(normal(name) in VALUE_NAMES for name in roles.layout.classes):
        return None  # a value for each row: a long table
    column = plain(grid.columns[roles.layout.classes[names[0]]])
    if names[0] == TAGS and (len(roles.layout.classes) == 1 or not roles.others):
        return TAGS
    if is_list(column.type):
        return names[0] if normal(names[0]) in TAG_NAMES or is_text(column.type.value_type) else None
    listed = is_text(column.type) and any(cell_state(text) is None for text in texts(column))
    return names[0] if normal(names[0]) in TAG_NAMES and listed else None


def _tags_form(grid: Grid, raw: RawTable, roles: Roles, name: str, options: TableOptions) -> RawTable:
    """Fill in the labels of a table with a column of lists; classes stand in the order in which they appear."""
    layout = roles.layout
    column = plain(grid.columns[layout.classes[name]])
    roles.left_out += [repr(other) for other in layout.classes if other != name]
    cells, blank = without_blanks(column.to_pylist() if is_list(column.type) else texts(column))
    raw.left_out[BLANKS] += blank
    separator = separator_of([cell for cell in cells if isinstance(cell, str)], options.tag_separator, name)
    if separator != BAR and options.tag_separator is None:
        message = f"tags are parted at {separator!r}; --tag-separator names another sign"
        raw.notes.append(Problem(message, column=name, level="warning"))
    parsed = []
    for record, cell in enumerate(cells):
        try:
            parsed.append(tags_of(cell, separator))
        except TableError as error:
            raw.bad_cells.append((record, name, str(error)))
            parsed.append([])
    raw.classes = list(dict.fromkeys(tag for tags in parsed for tag, _ in tags))
    index = {tag: number for number, tag in enumerate(raw.classes)}
    raw.values = np.full((len(parsed), len(raw.classes)), UNKNOWN, dtype=np.int8)
    for record, tags in enumerate(parsed):
        known = raw.values[record]
        for tag, state in tags:
            if state != UNKNOWN and known[index[tag]] not in (UNKNOWN, state):
                raw.bad_cells.append((record, name, f"{tag!r} is both present and absent (!{tag}); keep one of the two"))
            known[index[tag]] = max(state, known[index[tag]]) if state == UNKNOWN else state
    _read_provenance(raw, layout, grid)
    return raw


def _is_lists(grid: Grid, layout: Layout) -> bool:
    return {PRESENT, ABSENT} <= set(layout.classes) and all(is_list(grid.columns[layout.classes[name]].type) for name in (PRESENT, ABSENT))


def _lists_form(grid: Grid, raw: RawTable, layout: Layout) -> RawTable:
    """Fill in the labels of a table with the lists ``present`` and ``absent``, and ``filled`` for those that a model filled."""
    lists = {name: grid.columns[layout.classes[name]].to_pylist() for name in (PRESENT, ABSENT, FILLED) if name in layout.classes}
    raw.classes = list(dict.fromkeys(str(tag) for name in (PRESENT, ABSENT) for tags in lists[name] for tag in tags or ()))
    index = {tag: number for number, tag in enumerate(raw.classes)}
    raw.values = np.full((len(raw.images), len(raw.classes)), UNKNOWN, dtype=np.int8)
    for name, state in ((PRESENT, POSITIVE), (ABSENT, NEGATIVE)):
        for record, tags in enumerate(lists[name]):
            for tag in map(str, tags or ()):
                if raw.values[record, index[tag]] not in (UNKNOWN, state):
                    raw.bad_cells.append((record, name, f"{tag!r} is both present and absent; keep one of the two"))
                raw.values[record, index[tag]] = state
    filled = [(record, index[str(tag)]) for record, tags in enumerate(lists.get(FILLED, ())) for tag in tags or () if str(tag) in index]
    if filled:
        raw.origins.append(Origin("predicted"))
        raw.origin_index = np.zeros(raw.values.shape, np.int16)
        raw.origin_index[tuple(np.array(filled).T)] = 1
    for name in layout.classes:
        raw.left_out[f"column {name!r}"] += name not in lists
    return raw


def _read_provenance(raw: RawTable, layout: Layout, grid: Grid) -> None:
    """Fill in the probabilities and sources that ``layout`` finds."""
    if layout.probabilities:
        raw.probabilities = np.full(raw.values.shape, np.nan, dtype=np.float32)
    if layout.sources:
        raw.origin_index = np.zeros(raw.values.shape, dtype=np.int16)
    for index, name in enumerate(raw.classes):
        if raw.probabilities is not None and name in layout.probabilities:
            raw.probabilities[:, index], bad = read_probabilities(grid.columns[layout.probabilities[name]], name + PROBABILITY)
            raw.bad_cells += bad
        if raw.origin_index is not None and name in layout.sources:
            raw.origin_index[:, index], bad = read_sources(grid.columns[layout.sources[name]], name + SOURCE, raw.origins)
            raw.bad_cells += bad


def _find_totals(raw: RawTable, grid: Grid) -> None:
    """Refuse a last row that holds the totals of the others: no picture is called so."""
    last = raw.images[-1] if raw.images else ""
    if last.strip().lower().rstrip(":. ") in _TOTALS and any("." in name for name in raw.images[:-1]):
        raw.bad_rows.append((int(grid.row_numbers()[-1]), f"{last!r} looks like a row of totals, not a picture; delete the row"))

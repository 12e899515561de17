"""CSV tables for people.

Wide: ``image[,split],dog,cat,beach`` with 1 = present, 0 = absent, blank = not checked.
Tags: ``image[,split],tags`` with ``dog|!beach|?cat``: dog present, beach absent, cat and all that is not named not checked. TagLens names
every class in the first row where their order would be lost else.
Both may have the columns ``dog:probability`` and ``dog:source`` that say where a label came from. Columns are separated by commas;
semicolons and tabs, which spreadsheets write in some countries, are read too.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.files.columns import Layout, RawTable, find_layout, read_provenance, read_wide, require_owners
from taglens.labels.origins import format_origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.labels.table import PROBABILITY, SOURCE, Form, LabelTable
from taglens.outputs import atomic_path

TAGS = "tags"
_SIGNS = {"!": NEGATIVE, "?": UNKNOWN}
_MARKS = {POSITIVE: "", NEGATIVE: "!", UNKNOWN: "?"}
_BLOCK = 1 << 22  # a row must fit into a block: thousands of classes do
_CELLS = np.array(["0", "1", ""])
_ROWS_AT_ONCE = 4096
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_csv(path: Path) -> RawTable:
    """Read a wide or a tags table.

    Raises:
        TableError: not UTF-8, empty, or a header that cannot be understood.
    """
    where = f"{path}, row 1"
    try:
        header, separator = _header(path)
        columns, ragged = _columns(path, len(header), separator)
        names, columns = _without_blank(header, columns)
        layout = find_layout(names, where)
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not UTF-8 text (byte {error.start}); save the table as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise TableError(f"{path}: not a CSV table ({error}); save it again as 'CSV UTF-8'") from error

    def column(index: int) -> pa.ChunkedArray:
        return columns[index].slice(1)

    def row_numbers() -> NDArray[np.int64]:
        records = _numbered(path, separator)
        return np.array([row for row, record in records if len(record) == len(header) and any(map(str.strip, record))][1:], dtype=np.int64)

    raw = _read_tags(layout, column, row_numbers) if _is_tags(layout) else read_wide(layout, column, row_numbers)
    require_owners(layout, raw.classes, where)
    raw.bad_rows += ragged
    return raw


def _header(path: Path) -> tuple[list[str], str]:
    """Return the first row and the separator of the columns: the first with which one is the pictures', else that of the most columns."""
    found = [(next(filter(None, _records(path, separator)), []), separator) for separator in _SEPARATORS]
    if not found[0][0]:
        raise TableError(f"{path}: the table is empty; expected a header such as image,dog,cat")
    fitting = [one for one in found if "image" in (name.strip().lower() for name in one[0])]
    return fitting[0] if fitting else max(found, key=lambda one: len(one[0]))


def _columns(path: Path, width: int, separator: str) -> tuple[list[pa.ChunkedArray], list[tuple[int, str]]]:
    """Read all cells as text, the header included, and list the rows that are too short or too long."""
    ragged: list[object] = []

    def skip(row: object) -> str:
        ragged.append(row)
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(autogenerate_column_names=True, block_size=_BLOCK),
            parse_options=pyarrow.csv.ParseOptions(delimiter=separator, invalid_row_handler=skip, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={f"f{index}": pa.string() for index in range(width)}, strings_can_be_null=False, null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        list(_records(path, separator))  # says where the text is not UTF-8
        raise TableError(f"{path}: not a CSV table ({error}); save it again as 'CSV UTF-8'") from error
    wrong = [(row, len(record)) for row, record in _numbered(path, separator) if len(record) != width] if ragged else []
    message = f"expected {width} cells as in the header, came {{}}; add or remove {_SEPARATORS[separator]}"
    return table.columns, [(row, message.format(came)) for row, came in wrong]


def _without_blank(header: list[str], columns: list[pa.ChunkedArray]) -> tuple[list[str], list[pa.ChunkedArray]]:
    """Leave out the rows and the unnamed columns that hold nothing, as spreadsheets leave them at the end."""
    filled = [index for index, name in enumerate(header) if name.strip() or not _blank(columns[index]).all()]
    columns = [columns[index] for index in filled]
    rows = np.arange(len(columns[0]))
    for column in columns:
        rows = rows[_blank(column.take(pa.array(rows)))]
    if len(rows):
        left = pa.array(np.delete(np.arange(len(columns[0])), rows))
        columns = [column.take(left) for column in columns]
    return [header[index] for index in filled], columns


def _blank(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return for each cell whether it holds spaces at most."""
    return np.asarray(pc.equal(pc.utf8_trim_whitespace(column), ""))


def _records(path: Path, separator: str) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.reader(file, delimiter=separator)


def _numbered(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every record that is not blank with the line it starts on, the first line being 1."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        line = 1
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1


def _is_tags(layout: Layout) -> bool:
    """Tell whether a header means the tags form: its only column besides image, split and provenance is ``tags``."""
    return tuple(layout.classes) == (TAGS,)


def _read_tags(layout: Layout, column: Callable[[int], pa.ChunkedArray], row_numbers: Callable[[], NDArray[np.int64]]) -> RawTable:
    """Read a tags table; classes stand in the order in which they appear."""
    images = column(layout.image).to_pylist()
    splits = None if layout.split is None else column(layout.split).to_pylist()
    parsed = [_parse(cell) for cell in column(layout.classes[TAGS]).to_pylist()]
    classes = list(dict.fromkeys(name for tags in parsed for name, _ in tags))
    index = {name: number for number, name in enumerate(classes)}
    raw = RawTable(images, splits, classes, np.full((len(images), len(classes)), UNKNOWN, dtype=np.int8), row_numbers)
    for record, tags in enumerate(parsed):
        cells = raw.values[record]
        for name, state in tags:
            if state != UNKNOWN and cells[index[name]] not in (UNKNOWN, state):
                raw.bad_cells.append((record, TAGS, f"{name!r} is both present and absent (!{name}); keep one of the two"))
            cells[index[name]] = max(state, cells[index[name]]) if state == UNKNOWN else state
        if any(not name for name, _ in tags):
            raw.bad_cells.append((record, TAGS, "a sign ! or ? without a name; write the class behind it"))
    read_provenance(raw, layout, column)
    return raw


def _parse(cell: str) -> list[tuple[str, int]]:
    """Read ``dog|!cat`` as [("dog", 1), ("cat", 0)]."""
    tags = [tag for tag in map(str.strip, cell.split("|")) if tag]
    return [(tag[1:].strip(), _SIGNS[tag[0]]) if tag[0] in _SIGNS else (tag, POSITIVE) for tag in tags]


def write_csv(table: LabelTable, path: Path, *, force: bool, form: Form) -> None:
    """Write ``table`` in the wide or the tags form.

    Raises:
        OutputError: ``path`` exists and ``force`` is false, or cannot be written.
        TableError: the form cannot hold a class name.
    """
    if form == "wide" and table.classes == (TAGS,):
        raise TableError("a wide CSV whose only class is 'tags' reads as the tags form; rename the class or write Parquet")
    header = ["image", *([] if table.splits is None else ["split"]), *(table.classes if form == "wide" else [TAGS])]
    extra = _provenance(table)
    body = _wide_cells if form == "wide" else _written_tags(table)
    with atomic_path(path, force=force) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, *(name for name, _ in extra)])
        for start in range(0, len(table), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            writer.writerows(_rows(table, part, body, extra))


def _rows(
    table: LabelTable,
    part: slice,
    body: Callable[[LabelTable, slice], Iterable[list[str]]],
    extra: list[tuple[str, Callable[[slice], list[str]]]],
) -> Iterator[list[str]]:
    more = list(zip(*(cells(part) for _, cells in extra), strict=True)) or [()] * len(table.images[part])
    splits = [[]] * len(more) if table.splits is None else [[split] for split in table.splits[part]]
    for image, split, cells, others in zip(table.images[part], splits, body(table, part), more, strict=True):
        yield [image, *split, *cells, *others]


def _wide_cells(table: LabelTable, part: slice) -> list[list[str]]:
    cells: list[list[str]] = _CELLS[table.labels.values[part]].tolist()  # -1, unknown, takes the last one
    return cells


def _provenance(table: LabelTable) -> list[tuple[str, Callable[[slice], list[str]]]]:
    """Return the provenance columns that are not blank, each with the function that gives the cells of some rows."""
    columns: list[tuple[str, Callable[[slice], list[str]]]] = []
    names = [format_origin(origin) for origin in table.origins]
    for column, name in enumerate(table.classes):
        if table.probabilities is not None and not np.isnan(table.probabilities[:, column]).all():
            columns.append((name + PROBABILITY, partial(_probability_cells, table.probabilities[:, column])))
        if table.origin_index is not None and table.origin_index[:, column].any():
            columns.append((name + SOURCE, partial(_source_cells, table.origin_index[:, column], names)))
    return columns


def _probability_cells(values: NDArray[np.float32], part: slice) -> list[str]:
    return ["" if np.isnan(value) else str(value) for value in values[part]]  # str: the shortest text that reads back the same


def _source_cells(codes: NDArray[np.int16], names: list[str], part: slice) -> list[str]:
    return [names[code] for code in codes[part]]


def _written_tags(table: LabelTable) -> Callable[[LabelTable, slice], Iterable[list[str]]]:
    """Return the function that gives the tags cells of some rows of ``table``.

    Raises:
        TableError: a class name that the tags form cannot hold, or no picture to write the classes beside.
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
            yield ["|".join(_MARKS[int(values[column])] + table.classes[column] for column in named)]

    return cells


def _order_survives(table: LabelTable) -> bool:
    """Tell whether reading finds all classes in their order although unknown ones are not written."""
    appearing = dict.fromkeys(chain.from_iterable(map(np.ndarray.tolist, map(np.flatnonzero, table.labels.known))))
    return list(appearing) == list(range(len(table.classes)))

"""Tables as text, for people: CSV, and what else parts columns by commas, semicolons or tabs.

Wide: ``image[,split],dog,cat,beach`` with 1 = present, 0 = absent, blank = not checked.
Tags: ``image[,split],tags`` with ``dog|!beach|?cat``: dog present, beach absent, cat and all that is not named not checked. TagLens names
every class in the first row where their order would be lost else.
Both may have the columns ``dog:probability`` and ``dog:source`` that say where a label came from. Other forms are ``grid``'s. Where the
first column is called ``image:guarded`` no cell is a formula to a spreadsheet; see :mod:`taglens.spreadsheets`.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from taglens.encoded import file_encoding, undecodable
from taglens.errors import TableError
from taglens.labels.files.columns import RawTable
from taglens.labels.files.grid import TAGS, Grid, read_grid
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tags import written_tag, written_tags
from taglens.labels.origins import format_origin
from taglens.labels.states import UNKNOWN
from taglens.labels.table import PROBABILITY, RESERVED, SOURCE, Form, LabelTable
from taglens.outputs import atomic_path
from taglens.spreadsheets import MARK, UNGUARD, guarded, marked, unguard

_BLOCK = 1 << 22  # a row must fit into a block: thousands of classes do
_CELLS = np.array(["0", "1", ""])
_ROWS_AT_ONCE = 4096
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class Text(NamedTuple):
    """A file and the encoding it is in."""

    path: Path
    encoding: str


def read_csv(path: Path, options: TableOptions) -> RawTable:
    """Read a table as text: wide, tags or long.

    Raises:
        TableError: in an encoding that is not certain, empty, or a header that cannot be understood.
    """
    where = f"{path}, row 1"
    try:
        text = Text(path, file_encoding(path, options.encoding))
        declared = _declared(text)
        header, separator = _header(text, declared, options)
        columns, ragged = _columns(text, len(header), separator, skipped=declared is not None)
        plain, is_guarded = _unmarked(header)
        columns = [_unguarded(column) for column in columns] if is_guarded else columns
        names, columns = _without_blank(plain, columns)
        if not names:
            raise TableError(f"{path}: the table is empty; expected a header such as image,dog,cat")
    except UnicodeError as error:
        raise undecodable(*text) from error
    except csv.Error as error:
        raise TableError(f"{path}: not a CSV table ({error}); save it again as 'CSV UTF-8'") from error

    def row_numbers() -> NDArray[np.int64]:
        records = _numbered(text, separator, skipped=declared is not None)
        return np.array([row for row, record in records if len(record) == len(header) and any(map(str.strip, record))][1:], dtype=np.int64)

    raw = read_grid(Grid(names, [column.slice(1) for column in columns], row_numbers, where), options)
    raw.bad_rows += ragged
    return raw


def _declared(text: Text) -> str | None:
    """Return the separator that a first line such as ``sep=;`` declares, as Excel reads and writes it; None without one."""
    with text.path.open(encoding=text.encoding, newline="") as file:
        found = re.fullmatch(r'"?sep=(.)"?[,;\t]*', file.readline(20).strip("\r\n"), re.IGNORECASE)
    if found is not None and found[1] not in _SEPARATORS:
        raise TableError(f"{text.path}, row 1: the line sep={found[1]} declares a separator that is not read; save it with , or ; or tabs")
    return None if found is None else found[1]


def form_of(path: Path) -> Form:
    """Return the form of a CSV table of TagLens that was read before."""
    text = Text(path, file_encoding(path))
    header, _ = _unmarked(_header(text, _declared(text), TableOptions())[0])
    names = {name.strip() for name in header} - {"", *RESERVED}
    return "tags" if {name for name in names if not name.endswith((PROBABILITY, SOURCE))} == {TAGS} else "wide"


def _header(text: Text, declared: str | None, options: TableOptions) -> tuple[list[str], str]:
    """Return the first row and the separator of the columns: the first with which one is the pictures', else that of the most columns."""
    skipped = declared is not None
    separators = _SEPARATORS if declared is None else (declared,)
    found = [(next((record for _, record in _numbered(text, separator, skipped)), []), separator) for separator in separators]
    if not found[0][0]:
        raise TableError(f"{text.path}: the table is empty; expected a header such as image,dog,cat")
    wanted = {"image"} if options.image_column is None else {options.image_column.strip().lower()}
    fitting = [one for one in found if wanted & {name.strip().lower().removesuffix(MARK) for name in one[0]}]
    return fitting[0] if fitting else max(found, key=lambda one: len(one[0]))


def _unmarked(header: list[str]) -> tuple[list[str], bool]:
    """Return the names of the columns as they were before a guarded table was written, and whether it is one."""
    is_guarded = f"image{MARK}" in (name.strip().lower() for name in header)
    return ([unguard(name.strip().removesuffix(MARK)) for name in header] if is_guarded else header), is_guarded


def _unguarded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(column, UNGUARD, r"\1\2")


def _columns(text: Text, width: int, separator: str, skipped: bool) -> tuple[list[pa.ChunkedArray], list[tuple[int, str]]]:
    """Read all cells as text, the header included, and list the rows that are too short or too long."""
    ragged: list[object] = []

    def skip(row: object) -> str:
        ragged.append(row)
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            text.path,
            read_options=pyarrow.csv.ReadOptions(
                autogenerate_column_names=True,
                block_size=_BLOCK,
                skip_rows=int(skipped),
                encoding="utf8" if text.encoding == "utf-8-sig" else text.encoding,
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=separator, invalid_row_handler=skip, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={f"f{index}": pa.string() for index in range(width)}, strings_can_be_null=False, null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        list(_numbered(text, separator, skipped))  # says where the text is not UTF-8
        raise TableError(f"{text.path}: not a CSV table ({error}); save it again as 'CSV UTF-8'") from error
    wrong = [(row, len(record)) for row, record in _numbered(text, separator, skipped) if len(record) != width] if ragged else []
    message = f"expected {width} cells as in the header, came {{}}; add or remove {_SEPARATORS[separator]}"
    return table.columns, [(row, message.format(came)) for row, came in wrong]


def _without_blank(header: list[str], columns: list[pa.ChunkedArray]) -> tuple[list[str], list[pa.ChunkedArray]]:
    """Leave out the rows and the unnamed columns that hold nothing, as spreadsheets leave them at the end."""
    filled = [index for index, name in enumerate(header) if name.strip() or not _blank(columns[index]).all()]
    columns = [columns[index] for index in filled]
    rows = np.arange(len(columns[0]) if columns else 0)
    for column in columns:
        rows = rows[_blank(column.take(pa.array(rows)))]
    if len(rows):
        left = pa.array(np.delete(np.arange(len(columns[0])), rows))
        columns = [column.take(left) for column in columns]
    return [header[index] for index in filled], columns


def _blank(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return for each cell whether it holds spaces at most."""
    return np.asarray(pc.equal(pc.utf8_trim_whitespace(column), ""))


def _numbered(text: Text, separator: str, skipped: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield every record that is not blank with the line it starts on, the first line being 1; ``skipped``: it declares the separator."""
    with text.path.open(encoding=text.encoding, newline="") as file:
        before = int(skipped)
        if skipped:
            file.readline()
        reader = csv.reader(file, delimiter=separator)
        line = 1 + before
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1 + before


def write_csv(table: LabelTable, path: Path, *, force: bool, form: Form, for_spreadsheets: bool = False) -> None:
    """Write ``table`` in the wide or the tags form, guarded if it is meant for spreadsheets.

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
        names = [*header, *(name for name, _ in extra)]
        writer.writerow(marked(names) if for_spreadsheets else names)
        for start in range(0, len(table), _ROWS_AT_ONCE):
            rows = _rows(table, slice(start, start + _ROWS_AT_ONCE), body, extra)
            writer.writerows(map(guarded, rows) if for_spreadsheets else rows)


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
        TableError: no picture to write the classes beside.
    """
    if not len(table):
        raise TableError("the tags form needs at least one picture; write the wide form")
    complete = not _order_survives(table)

    def cells(table: LabelTable, part: slice) -> Iterator[list[str]]:
        for row, values in enumerate(table.labels.values[part], start=part.start):
            everything = complete and row == 0
            named = range(len(values)) if everything else np.flatnonzero(values != UNKNOWN)
            tags = [written_tag(table.classes[column], int(values[column])) for column in named]
            yield [written_tags(tags)]

    return cells


def _order_survives(table: LabelTable) -> bool:
    """Tell whether reading finds all classes in their order although unknown ones are not written."""
    appearing = dict.fromkeys(chain.from_iterable(map(np.ndarray.tolist, map(np.flatnonzero, table.labels.known))))
    return list(appearing) == list(range(len(table.classes)))

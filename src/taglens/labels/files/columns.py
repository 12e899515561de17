"""From the columns of a file (CSV or Parquet) to states, probabilities and sources; every wrong cell is found at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from taglens.errors import TableError, TagLensError
from taglens.labels.origins import GIVEN, Origin, parse_origin
from taglens.labels.states import UNKNOWN
from taglens.labels.table import PROBABILITY, SOURCE, require_class_names

_WORDS = {"0": 0, "1": 1, "": UNKNOWN, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
"""What a cell may say, in small letters; the first three also stand for numbers. pandas writes 1.0 where a column has blanks."""
_STATES = np.array([*_WORDS.values(), UNKNOWN], dtype=np.int8)

BadCell = tuple[int, str, str]
"""(record, column, message): a cell that cannot be used, before its row in the file is known."""


@dataclass
class RawTable:
    """What a file says, before images that come twice are merged and names are checked."""

    images: list[str]
    splits: list[str] | None
    classes: list[str]
    values: NDArray[np.int8]
    row_numbers: Callable[[], NDArray[np.int64]]
    """Gives the row in the file of every record; called only if there is something to report."""
    probabilities: NDArray[np.float32] | None = None
    origins: list[Origin] = field(default_factory=lambda: [GIVEN])
    origin_index: NDArray[np.int16] | None = None
    bad_cells: list[BadCell] = field(default_factory=list)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)
    """(row in the file, message): rows that could not be read at all."""


@dataclass(frozen=True)
class Layout:
    """Where each kind of column stands in a file."""

    image: int
    split: int | None
    classes: dict[str, int]
    probabilities: dict[str, int]
    sources: dict[str, int]


def find_layout(header: Sequence[str], where: str) -> Layout:
    """Sort the columns of ``header`` into image, split, classes and provenance.

    Raises:
        TableError: no image column, a name twice or blank, or provenance of a class that is not there.
    """
    names = [name.strip() for name in header]
    if "image" not in names:
        names = ["image" if name.lower() == "image" else name for name in names]
    if "image" not in names:
        raise TableError(f"{where}: no column 'image', came {', '.join(map(repr, names[:8]))}; name the column of the pictures 'image'")
    for name in ("image", "split"):
        if names.count(name) > 1:
            raise TableError(f"{where}: column {name!r} comes twice; remove one of them")
    classes: dict[str, int] = {}
    probabilities: dict[str, int] = {}
    sources: dict[str, int] = {}
    class_names = [name for name in names if name not in ("image", "split") and not name.endswith((PROBABILITY, SOURCE))]
    if "" in class_names:
        raise TableError(f"{where}: column {names.index('') + 1} has no name; name or remove it")
    require_class_names(class_names, where)
    for index, name in enumerate(names):
        for suffix, kind in ((PROBABILITY, probabilities), (SOURCE, sources)):
            if name.endswith(suffix):
                _add_provenance(kind, name, suffix, index, where)
        if name in class_names:
            classes[name] = index
    return Layout(names.index("image"), names.index("split") if "split" in names else None, classes, probabilities, sources)


def _add_provenance(kind: dict[str, int], name: str, suffix: str, index: int, where: str) -> None:
    owner = name.removesuffix(suffix)
    if owner in kind:
        raise TableError(f"{where}: column {name!r} comes twice; remove one of them")
    kind[owner] = index


def require_owners(layout: Layout, classes: Sequence[str], where: str) -> None:
    """Raise TableError for a provenance column whose class the table does not have."""
    for suffix, kind in ((PROBABILITY, layout.probabilities), (SOURCE, layout.sources)):
        for owner in kind:
            if owner not in classes:
                raise TableError(f"{where}: column {owner + suffix!r} belongs to no class of the table; add the class or remove the column")


def states(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int8], list[BadCell]]:
    """Read a column of 1, 0 and blank as int8 (record,), with the cells that are anything else."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(column.fill_null("")))
        found = pc.index_in(plain, value_set=pa.array(list(_WORDS), type=kind))
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        numbers = column.cast(pa.float64())
        found = pc.index_in(numbers, value_set=pa.array([0.0, 1.0]))
        blank = pc.or_kleene(pc.is_null(numbers, nan_is_null=True), pa.scalar(False))
        found = pc.if_else(blank, pa.scalar(2, pa.int32()), found)
    else:
        raise TableError(f"column {name!r} holds {kind}; expected 1 (present), 0 (absent) or blank (not checked)")
    codes = found.fill_null(len(_WORDS)).to_numpy()
    bad = np.flatnonzero(codes == len(_WORDS))
    return _STATES[codes], [(int(row), name, _cell_message(str(column[int(row)].as_py()))) for row in bad]


def _cell_message(value: str) -> str:
    message = f"expected 1 (present), 0 (absent) or blank (not checked), came {value!r}; "
    if value.strip() == "-1":
        return message + "projects mean different things by -1: write 0 or leave the cell blank"
    return message + "correct the cell"


def read_probabilities(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float32], list[BadCell]]:
    """Read a column of probabilities as float32 (record,), NaN where blank, with the cells that are no probability."""
    if pa.types.is_floating(column.type):
        values = column.cast(pa.float64()).to_numpy().astype(np.float32)
    else:
        values = np.array([_number("" if value is None else str(value)) for value in column.to_pylist()], dtype=np.float32)
    bad = np.flatnonzero((values < 0) | (values > 1))
    cells = [(int(row), name, f"expected a probability between 0 and 1 or blank, came {str(column[int(row)].as_py())!r}") for row in bad]
    values[bad] = np.nan
    return values, cells


def _number(text: str) -> float:
    if not text.strip():
        return float("nan")
    try:
        number = float(text)
    except ValueError:
        return -1.0  # reported with the other values out of range
    return number if number == number else -1.0


def read_sources(column: pa.ChunkedArray, name: str, origins: list[Origin]) -> tuple[NDArray[np.int16], list[BadCell]]:
    """Read a column of sources as positions (record,) in ``origins``, which grows, with the cells that are no source."""
    coded = column.cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
    table, wrong = [], {}
    for code, text in enumerate(coded.dictionary.to_pylist()):
        try:
            origin = parse_origin(text)
        except TagLensError as error:
            wrong[code] = f"{error}; expected kind|by|time such as predicted|runs/first|2026-11-21T11:00:00Z, or blank"
            origin = GIVEN
        if origin not in origins:
            origins.append(origin)
        table.append(origins.index(origin))
    codes = coded.indices.to_numpy()
    bad = [(int(row), name, wrong[int(codes[row])]) for row in np.flatnonzero(np.isin(codes, list(wrong)))]
    return np.array(table, dtype=np.int16)[codes], bad


def read_provenance(raw: RawTable, layout: Layout, column: Callable[[int], pa.ChunkedArray]) -> None:
    """Fill in the probabilities and sources that ``layout`` finds, in index."""
    if layout.probabilities:
        raw.probabilities = np.full(raw.values.shape, np.nan, dtype=np.float32)
    if layout.sources:
        raw.origin_index = np.zeros(raw.values.shape, dtype=np.int16)
    for index, name in enumerate(raw.classes):
        if raw.probabilities is not None and name in layout.probabilities:
            raw.probabilities[:, index], bad = read_probabilities(column(layout.probabilities[name]), name + PROBABILITY)
            raw.bad_cells += bad
        if raw.origin_index is not None and name in layout.sources:
            raw.origin_index[:, index], bad = read_sources(column(layout.sources[name]), name + SOURCE, raw.origins)
            raw.bad_cells += bad


def read_wide(layout: Layout, column: Callable[[int], pa.ChunkedArray], row_numbers: Callable[[], NDArray[np.int64]]) -> RawTable:
    """Read a table with one column for each class."""
    images = column(layout.image).cast(pa.string()).fill_null("").to_pylist()
    splits = None if layout.split is None else column(layout.split).cast(pa.string()).fill_null("").to_pylist()
    values = np.empty((len(images), len(layout.classes)), dtype=np.int8, order="F")
    raw = RawTable(images, splits, list(layout.classes), values, row_numbers)
    for index, (name, where) in enumerate(layout.classes.items()):
        values[:, index], bad = states(column(where), name)
        raw.bad_cells += bad
    raw.values = np.ascontiguousarray(values)
    read_provenance(raw, layout, column)
    return raw

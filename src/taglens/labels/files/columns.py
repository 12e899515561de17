"""From the columns of a file, whatever its format, to states, probabilities and sources; every wrong cell is found at once."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from taglens.errors import TableError, TagLensError
from taglens.labels.codes import cell_state
from taglens.labels.inspection import Problem
from taglens.labels.origins import GIVEN, Origin, parse_origin
from taglens.labels.states import UNKNOWN

_BAD = np.int8(-2)
"""Of a cell that means no state."""
_SPLIT_WORDS = frozenset(("train", "training", "trainval", "val", "valid", "validation", "dev", "eval", "test", "testing"))
_PICTURE = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|avif|jp2|heic)$", re.IGNORECASE)

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
    bad_columns: list[tuple[str, str]] = field(default_factory=list)
    """(column, message): columns of which most cells are wrong, said once."""
    notes: list[Problem] = field(default_factory=list)
    """What was decided and is said."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Kind -> number of what was seen and not taken."""


@dataclass(frozen=True)
class Layout:
    """Where each kind of column stands in a file."""

    image: int
    split: int | None
    classes: dict[str, int]
    probabilities: dict[str, int]
    sources: dict[str, int]


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its coded values (pandas categories) written out."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column's type is text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Tell whether a column's type is lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def texts(column: pa.ChunkedArray) -> list[str]:
    """Return the cells as text, "" where there is nothing; whole floats without the .0 that pandas adds to columns with blanks.

    Raises:
        TableError: lists, structures or bytes.
    """
    column = plain(column)
    kind = column.type
    if pa.types.is_floating(kind):
        return ["" if value is None or value != value else f"{value:.17g}" for value in column.to_pylist()]
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise TableError(f"expected text, came {kind}")
    return ["" if value is None else str(value) for value in column.to_pylist()]


def read_states(column: pa.ChunkedArray, name: str) -> NDArray[np.int8]:
    """Return the state (record,) that each cell means, -2 where it means none.

    Raises:
        TableError: a type that no label has.
    """
    column = plain(column)
    kind = column.type
    if is_text(kind):
        coded = column.cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        meant = [cell_state(text) for text in coded.dictionary.to_pylist()]
        table = np.array([_BAD if state is None else state for state in meant] or [UNKNOWN], dtype=np.int8)
        found: NDArray[np.int8] = table[coded.indices.to_numpy(zero_copy_only=False)]
        return found
    numeric = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_null, pa.types.is_decimal)
    if not any(test(kind) for test in numeric):
        raise TableError(f"column {name!r} holds {kind}; expected 1 (present), 0 (absent) or blank (not checked)")
    numbers = column.cast(pa.float64(), safe=False)
    codes = pc.fill_null(pc.index_in(numbers, value_set=pa.array([0.0, 1.0])), -2).to_numpy().astype(np.int8)
    blank = pc.is_null(numbers, nan_is_null=True).to_numpy()
    return np.where(blank, np.int8(UNKNOWN), codes)


def states(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int8], list[BadCell]]:
    """Read a column of labels as int8 (record,), with the cells that are no label."""
    found = read_states(column, name)
    bad = np.flatnonzero(found == _BAD)
    found[bad] = UNKNOWN
    values = plain(column)
    return found, [(int(row), name, _cell_message(str(values[int(row)].as_py()))) for row in bad]


def _cell_message(value: str) -> str:
    message = f"expected 1 (present), 0 (absent) or blank (not checked), came {value!r}; "
    if _is_minus_one(value):
        return message + "projects mean different things by -1: write 0 or leave the cell blank"
    return message + "correct the cell"


def _is_minus_one(value: str) -> bool:
    return re.fullmatch(r"-1(?:[.,]0*)?", value.strip()) is not None


def column_message(column: pa.ChunkedArray, name: str, bad: list[BadCell], known: int) -> str | None:
    """Return what is said once of a column of which most cells are wrong; None where single cells are."""
    if len(bad) < 2 or len(bad) < known:
        return None
    values = plain(column)
    came = list(dict.fromkeys(str(values[row].as_py()) for row, _, _ in bad[:1000]))
    shown = ", ".join(repr(text[:40]) for text in came[:4])
    message = (
        f"{len(bad):,} of the column's {len(bad) + known:,} cells are neither 1 (present), 0 (absent) nor blank (not checked), "
        f"such as {shown}; "
    )
    if any(map(_is_minus_one, came)):
        return message + "projects mean different things by -1: write 0 or leave the cell blank"
    if all(text.strip().lower() in _SPLIT_WORDS for text in came):
        return message + f"if it says the split: --split-column {quoted(name)}"
    if all(_PICTURE.search(text.strip()) for text in came):
        return message + f"if it names the pictures: --image-column {quoted(name)}; else --ignore {quoted(name)}"
    if is_text(values.type) and not any(_number(text) >= 0 for text in came):
        return message + f"if it lists tags: --tags-column {quoted(name)}; if it is no class: --ignore {quoted(name)}"
    return message + f"if it is no class: --ignore {quoted(name)}"


def quoted(name: str) -> str:
    """Return a column's name as it is typed behind an option."""
    return f"'{name}'" if re.search(r"[^\w.:-]", name) or not name else name


def read_probabilities(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float32], list[BadCell]]:
    """Read a column of probabilities as float32 (record,), NaN where blank, with the cells that are no probability."""
    column = plain(column)
    if pa.types.is_floating(column.type):
        values = column.cast(pa.float64()).to_numpy().astype(np.float32)
    else:
        values = np.array([_number("" if value is None else str(value)) for value in column.to_pylist()], dtype=np.float32)
    bad = np.flatnonzero((values < 0) | (values > 1))
    cells = [(int(row), name, f"expected a probability between 0 and 1 or blank, came {str(column[int(row)].as_py())!r}") for row in bad]
    values[bad] = np.nan
    return values, cells


def _number(text: str) -> float:
    if cell_state(text) == UNKNOWN:
        return float("nan")
    try:
        number = float(text.replace(",", "."))
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

"""Predictions written as they come: CSV, tags, JSON lines or Parquet."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taglens.errors import OutputError, TagLensError, unknown_name
from taglens.labels.files.tags import written_tag
from taglens.labels.states import POSITIVE
from taglens.metrics.threshold import reached
from taglens.outputs import atomic_path
from taglens.predictions import DEVIATION
from taglens.spreadsheets import guarded, marked

# One row group of a Parquet file: large enough to compress, small enough for memory with thousands of classes.
ROW_GROUP_ENTRIES = 1 << 20


class PredictedRow(Protocol):
    """What a writer reads of a prediction."""

    @property
    def path(self) -> Path:
        """The picture."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """One for each class, (label,)."""

    @property
    def deviations(self) -> NDArray[np.float32] | None:
        """Of each class's logit, (label,), where they are to be written."""


Rows: TypeAlias = Iterable[PredictedRow]
Writer: TypeAlias = Callable[[Rows, Sequence[str], NDArray[np.float64], bool, IO[bytes]], None]


def write_predictions(
    rows: Rows,
    classes: Sequence[str],
    thresholds: NDArray[np.float64],
    target: Path | IO[bytes],
    form: str = "csv",
    *,
    uncertainty: bool = False,
    force: bool = False,
    for_spreadsheets: bool = False,
) -> None:
    """Write each prediction as soon as it comes.

    A file appears under its name only when it is complete; a stream (standard output) is flushed after each row.

    Args:
        rows: predictions; only ``path`` and ``probabilities`` (label,) are read, and ``deviations`` if wanted.
        classes: names of the probabilities.
        thresholds: a class is a tag of the picture where probability >= threshold, (label,).
        target: a file name, or an open binary stream.
        form: csv (one probability column for each class), tags (``image,tags``), jsonl or parquet.
        uncertainty: write the deviations, too: a column ``cat (deviation)`` for the class cat, behind those of the probabilities.
        force: replace an existing file.
        for_spreadsheets: guard csv and tags, so that no name is a formula to a spreadsheet.

    Raises:
        OutputError: the file exists or cannot be written, or the form cannot hold what is to be written.
        TagLensError: there is no such form.
    """
    if form not in WRITERS:
        raise unknown_name("format", form, WRITERS)
    if for_spreadsheets and form not in GUARDED:
        raise OutputError(f"only CSV is guarded for spreadsheets, came the format {form}; choose csv or tags")
    writers = GUARDED if for_spreadsheets else WRITERS
    with ExitStack() as stack:
        if isinstance(target, Path):
            target = stack.enter_context(stack.enter_context(atomic_path(target, force=force)).open("wb"))
        writers[form](rows, classes, thresholds, uncertainty, target)


def form_of(path: Path) -> str:
    """Return the form that a file's suffix means; csv if it means none."""
    return {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}.get(path.suffix.lower(), "csv")


def _write_csv(
    rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], uncertainty: bool, target: IO[bytes], guard: bool = False
) -> None:
    header = ["image", *_columns(classes, uncertainty)]
    _write_lines(rows, header, lambda row: [row.path, *map(_number, _numbers(row, uncertainty))], target, guard)


def _columns(classes: Sequence[str], uncertainty: bool) -> list[str]:
    """Return the names of the columns with numbers."""
    if not uncertainty:
        return list(classes)
    names = [name + DEVIATION for name in classes]
    twice = next((name for name in names if name in classes), None)
    if twice is not None:
        raise OutputError(f"the class {twice!r} has the name of another one's column of deviations; choose --format jsonl")
    return [*classes, *names]


def _numbers(row: PredictedRow, uncertainty: bool) -> NDArray[np.float32]:
    """Return the numbers of these columns."""
    return np.concatenate([row.probabilities, _deviations(row)]) if uncertainty else row.probabilities


def _deviations(row: PredictedRow) -> NDArray[np.float32]:
    if row.deviations is None:
        raise TagLensError(f"expected deviations of {row.path} to write, came none; ask for them when predicting")
    return row.deviations


def _write_tags(
    rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], uncertainty: bool, target: IO[bytes], guard: bool = False
) -> None:
    if uncertainty:
        raise OutputError("the tags form has no place for deviations; choose --format csv, jsonl or parquet")

    def cells(row: PredictedRow) -> list[object]:
        return [row.path, "|".join(written_tag(name, POSITIVE) for name in _tags(row, classes, thresholds))]

    _write_lines(rows, ["image", "tags"], cells, target, guard)


def _write_lines(rows: Rows, header: list[str], cells: Callable[[PredictedRow], list[object]], target: IO[bytes], guard: bool) -> None:
    writer = csv.writer(_Encoded(target), lineterminator="\n")
    writer.writerow(marked(header) if guard else header)
    for row in rows:
        writer.writerow(guarded(cells(row)) if guard else cells(row))
        target.flush()


def _write_jsonl(rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], uncertainty: bool, target: IO[bytes]) -> None:
    def named(values: NDArray[np.float32]) -> dict[str, float]:
        return {name: float(_number(value)) for name, value in zip(classes, values, strict=True)}

    for row in rows:
        found = {"image": str(row.path), "tags": _tags(row, classes, thresholds), "probabilities": named(row.probabilities)}
        if uncertainty:
            found["deviations"] = named(_deviations(row))
        target.write(json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n")
        target.flush()


def _write_parquet(rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], uncertainty: bool, target: IO[bytes]) -> None:
    names = _columns(classes, uncertainty)
    schema = pa.schema([("image", pa.string()), *((name, pa.float32()) for name in names)])
    group = max(1, ROW_GROUP_ENTRIES // max(1, len(names)))
    waiting: list[PredictedRow] = []
    with pq.ParquetWriter(target, schema) as writer:
        for row in rows:
            waiting.append(row)
            if len(waiting) == group:
                writer.write_table(_arrow(waiting, schema, uncertainty))
                waiting.clear()
        if waiting:
            writer.write_table(_arrow(waiting, schema, uncertainty))


def _arrow(rows: list[PredictedRow], schema: pa.Schema, uncertainty: bool) -> pa.Table:
    columns = np.stack([_numbers(row, uncertainty) for row in rows]).astype(np.float32).T
    return pa.table([pa.array([str(row.path) for row in rows]), *map(pa.array, columns)], schema=schema)


def _tags(row: PredictedRow, classes: Sequence[str], thresholds: NDArray[np.float64]) -> list[str]:
    """The tags in the order of the classes, as tables have them."""
    return [name for name, is_tag in zip(classes, reached(row.probabilities, thresholds), strict=True) if is_tag]


def _number(value: np.float32) -> str:
    """Seven significant digits: what a float32 holds, so that rankings survive the file."""
    return f"{value:.7g}"


class _Encoded:
    """The text side of a binary stream, without a buffer of its own that could outlive it."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target

    def write(self, text: str) -> int:
        return self._target.write(text.encode("utf-8", "surrogateescape"))


WRITERS: dict[str, Writer] = {"csv": _write_csv, "tags": _write_tags, "jsonl": _write_jsonl, "parquet": _write_parquet}
GUARDED: dict[str, Writer] = {"csv": partial(_write_csv, guard=True), "tags": partial(_write_tags, guard=True)}
"""Of which no cell is a formula."""

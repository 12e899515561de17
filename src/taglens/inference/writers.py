"""Predictions written as they come: CSV, tags, JSON lines or Parquet."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taglens.errors import OutputError, unknown_name
from taglens.metrics.threshold import reached
from taglens.outputs import atomic_path

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


Rows: TypeAlias = Iterable[PredictedRow]
Writer: TypeAlias = Callable[[Rows, Sequence[str], NDArray[np.float64], IO[bytes]], None]


def write_predictions(
    rows: Rows,
    classes: Sequence[str],
    thresholds: NDArray[np.float64],
    target: Path | IO[bytes],
    form: str = "csv",
    *,
    force: bool = False,
) -> None:
    """Write each prediction as soon as it comes.

    A file appears under its name only when it is complete; a stream (standard output) is flushed after each row.

    Args:
        rows: predictions; only ``path`` and ``probabilities`` (label,) are read.
        classes: names of the probabilities.
        thresholds: a class is a tag of the picture where probability >= threshold, (label,).
        target: a file name, or an open binary stream.
        form: csv (one probability column for each class), tags (``image,tags``), jsonl or parquet.
        force: replace an existing file.

    Raises:
        OutputError: the file exists or cannot be written.
        TagLensError: there is no such form.
    """
    if form not in WRITERS:
        raise unknown_name("format", form, WRITERS)
    with ExitStack() as stack:
        if isinstance(target, Path):
            target = stack.enter_context(stack.enter_context(atomic_path(target, force=force)).open("wb"))
        WRITERS[form](rows, classes, thresholds, target)


def form_of(path: Path) -> str:
    """Return the form that a file's suffix means; csv if it means none."""
    return {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}.get(path.suffix.lower(), "csv")


def _write_csv(rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], target: IO[bytes]) -> None:
    _write_lines(rows, ["image", *classes], lambda row: [row.path, *map(_number, row.probabilities)], target)


def _write_tags(rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], target: IO[bytes]) -> None:
    bad = next((name for name in classes if "|" in name or name[0] in "!?"), None)
    if bad is not None:
        raise OutputError(f"the tags form cannot hold the class {bad!r}: '|' inside or '!', '?' in front; choose --format csv")
    _write_lines(rows, ["image", "tags"], lambda row: [row.path, "|".join(_tags(row, classes, thresholds))], target)


def _write_lines(rows: Rows, header: list[str], cells: Callable[[PredictedRow], list[object]], target: IO[bytes]) -> None:
    writer = csv.writer(_Encoded(target), lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(cells(row))
        target.flush()


def _write_jsonl(rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], target: IO[bytes]) -> None:
    for row in rows:
        numbers = {name: float(_number(value)) for name, value in zip(classes, row.probabilities, strict=True)}
        found = {"image": str(row.path), "tags": _tags(row, classes, thresholds), "probabilities": numbers}
        target.write(json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n")
        target.flush()


def _write_parquet(rows: Rows, classes: Sequence[str], thresholds: NDArray[np.float64], target: IO[bytes]) -> None:
    schema = pa.schema([("image", pa.string()), *((name, pa.float32()) for name in classes)])
    group = max(1, ROW_GROUP_ENTRIES // max(1, len(classes)))
    waiting: list[PredictedRow] = []
    with pq.ParquetWriter(target, schema) as writer:
        for row in rows:
            waiting.append(row)
            if len(waiting) == group:
                writer.write_table(_arrow(waiting, schema))
                waiting.clear()
        if waiting:
            writer.write_table(_arrow(waiting, schema))


def _arrow(rows: list[PredictedRow], schema: pa.Schema) -> pa.Table:
    columns = np.stack([row.probabilities for row in rows]).astype(np.float32).T
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

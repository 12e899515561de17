"""The completions that a table holds: which runs filled cells of it, when, and which cells these are."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError
from taglens.labels.origins import Origin
from taglens.labels.table import LabelTable
from taglens.outputs import read_object
from taglens.schema import integer, items, record, require, text

STATEMENT = "completion.json"
"""Name of the file beside a completed table that says what was filled."""
_ADVICE = "restore it from a copy, or move it away"
_CELLS = record(dict.fromkeys(("filled_present", "filled_absent"), integer(0, 10**12)), others=True)
_AUDITS = items(record({"sample": text()}, others=True))
_STATEMENT = record({"asked": record({}, others=True), "cells": _CELLS, "audits": _AUDITS}, others=True)
"""Of completion.json, what is read back."""


class Earlier(NamedTuple):
    """One completion, as far as its cells still carry its source."""

    origin: Origin
    """``predicted``, the run as it was named then, and the time."""
    present: int
    """Cells filled as present."""
    absent: int
    """Cells filled as absent."""

    def __str__(self) -> str:
        return f"{self.origin.by} at {self.origin.time}: {self.present:,} cells filled as present, {self.absent:,} as absent"


def completions_of(table: LabelTable) -> tuple[Earlier, ...]:
    """Return the completions of which the table has cells, the oldest first."""
    found = []
    for origin in sorted((one for one in table.origins if one.kind == "predicted"), key=lambda one: one.time):
        cells = cells_of(table, [origin])
        present, absent = (int((cells & state).sum()) for state in (table.labels.positive, table.labels.negative))
        if present or absent:
            found.append(Earlier(origin, present, absent))
    return tuple(found)


def cells_of(table: LabelTable, origins: list[Origin]) -> NDArray[np.bool_]:
    """Return where the known labels come from one of ``origins``, (image, label)."""
    if table.origin_index is None:
        return np.zeros(table.labels.shape, dtype=bool)
    wanted = np.array([origin in origins for origin in table.origins])
    found: NDArray[np.bool_] = wanted[table.origin_index] & table.labels.known
    return found


def require_completions(table: LabelTable, run: str, time: str | None, where: Path) -> tuple[Earlier, ...]:
    """Return the completions of a table by one run, the oldest first.

    Args:
        table: the completed table.
        run: the run as the table names it, or a path to the same folder.
        time: one of its times only; None: all.
        where: the table's file, for the error.

    Raises:
        TableError: there is none; names those that there are.
    """
    found = completions_of(table)
    chosen = tuple(one for one in found if _same(one.origin.by, run) and time in (None, one.origin.time))
    if chosen:
        return chosen
    wanted = run if time is None else f"{run} at {time}"
    if not found:
        raise TableError(f"{where}: no cell was filled by a completion; expected a table that `taglens complete {run}` wrote")
    raise TableError(f"{where}: no cell was filled by {wanted}; the table's completions are:\n" + "\n".join(f"  {one}" for one in found))


def statement_of(table: Path, completion: Earlier) -> dict[str, Any]:
    """Return the content of the completion.json beside a table; empty where there is none, or it is about another completion.

    Raises:
        TableError: it is no such file.
    """
    path = table.parent / STATEMENT
    if not path.is_file():
        return {}
    found = read_object(path, kind=TableError, damaged=_ADVICE)
    require(found, _STATEMENT, kind=TableError, name=path, advice=_ADVICE)
    return found if (found.get("run"), found.get("time")) == (completion.origin.by, completion.origin.time) else {}


def _same(one: str, other: str) -> bool:
    return one == other or Path(one).resolve() == Path(other).resolve()

"""What other tools have no place for, kept in their files as ``taglens_labels``: sources, probabilities, and what a model filled.

``{"dog": {"state": 1, "source": "predicted|runs/first|2026-11-21T11:00:00Z", "probability": 0.93}}``; only labels of which there is more to
say than that they were given. State null: not checked, but with a probability.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from taglens.errors import TableError
from taglens.labels.origins import Origin, format_origin, parse_origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.labels.table import LabelTable

ENTRY, SPLIT = "taglens_labels", "taglens_split"


class Mark(NamedTuple):
    """What is known of one label."""

    state: int
    origin: Origin
    probability: float
    """NaN where there is none."""


def marks_of(table: LabelTable, row: int) -> dict[str, dict[str, Any]]:
    """Return the entry for a picture's task; empty if all its labels were given and nothing has a probability."""
    count = len(table.classes)
    index = np.zeros(count, np.int16) if table.origin_index is None else table.origin_index[row]
    probabilities = np.full(count, np.nan, np.float32) if table.probabilities is None else table.probabilities[row]
    found: dict[str, dict[str, Any]] = {}
    for column in np.flatnonzero((index > 0) | ~np.isnan(probabilities)):
        state = int(table.labels.values[row, column])
        mark: dict[str, Any] = {"state": None if state == UNKNOWN else state}
        if index[column]:
            mark["source"] = format_origin(table.origins[index[column]])
        if not np.isnan(probabilities[column]):
            mark["probability"] = float(str(probabilities[column]))  # the shortest number that is this one again in 32 bit
        found[table.classes[column]] = mark
    return found


def read_marks(data: Mapping[str, Any], where: str) -> dict[str, Mark]:
    """Return what a task's data say of its labels.

    Raises:
        TableError: entries that TagLens does not write.
    """
    entry = data.get(ENTRY, {})
    if not isinstance(entry, dict) or not all(isinstance(mark, dict) for mark in entry.values()):
        raise TableError(
            f"{where}: {ENTRY!r} must be an object of classes, came {str(entry)[:80]}; restore what TagLens wrote, or remove it"
        )
    return {name: _mark(mark, f"{where}, column {name!r}") for name, mark in entry.items()}


def _mark(mark: Mapping[str, Any], where: str) -> Mark:
    state, source, probability = mark.get("state"), mark.get("source", ""), mark.get("probability")
    if isinstance(state, bool) or state not in (None, NEGATIVE, POSITIVE) or not isinstance(source, str):
        raise TableError(f"{where}: expected the state 1, 0 or null and a source as text in {ENTRY!r}, came {str(mark)[:80]}")
    if probability is not None and (isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1):
        raise TableError(f"{where}: expected a probability between 0 and 1 in {ENTRY!r}, came {str(probability)[:40]}")
    try:
        origin = parse_origin(source)
    except ValueError as error:
        raise TableError(f"{where}: {error}") from error
    return Mark(UNKNOWN if state is None else int(state), origin, np.nan if probability is None else float(probability))

"""Closure of a table: implied labels carry their source, what a model filled implies nothing, and contradictions are told."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taglens.labels.inspection import MOST_PROBLEMS, Problem
from taglens.labels.origins import Origin, compact
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.relations.closure import Closure, close, contradiction
from taglens.relations.relation import Relations


def close_table(table: LabelTable, relations: Relations) -> tuple[LabelTable, Closure]:
    """Return ``table`` with what its labels imply, of the source ``implied|CLASS``, and the closure of its labels without predicted ones.

    A cell that a model filled implies nothing, since it may be wrong, and stays as it is. Hidden labels are hidden before: what is
    implied by a label says what that label was.

    Raises:
        TableError: other classes than those of the relations, or more sources than a table holds.
    """
    closure = close(_sure(table), relations)
    new = closure.implied & table.labels.unknown
    if not new.any():
        return table, closure
    labels = PartialLabels(np.where(new, closure.labels.values, table.labels.values))
    causes = np.unique(closure.causes[new])
    # the written form parts a source at |
    implied = (Origin("implied", table.classes[cause].replace("|", "/")) for cause in causes)
    index = np.zeros(table.labels.shape, dtype=np.int32) if table.origin_index is None else table.origin_index.astype(np.int32)
    index[new] = len(table.origins) + np.searchsorted(causes, closure.causes[new])
    origins, places = compact((*table.origins, *implied), index)
    return replace(table.with_labels(labels), origins=origins, origin_index=places), closure


def implied_words(table: LabelTable, closed: LabelTable) -> str:
    """Return what relations added to ``table`` so that it became ``closed``, in words."""
    new = table.labels.unknown & closed.labels.known
    present, known = int((new & closed.labels.positive).sum()), int(table.labels.known.sum())
    return f"{known:,} known labels settle {int(new.sum()):,} unknown ones, {present:,} of them present"


def contradictions(table: LabelTable, relations: Relations, closure: Closure, rows: Sequence[int] | None = None) -> list[Problem]:
    """Return a warning for each picture whose labels contradict each other, with the chain; ``rows`` are the file's."""
    values = _sure(table).values
    return [
        Problem(
            f"{table.images[image]}: {contradiction(values[image], relations)}; nothing is settled there until one of them is changed",
            None if rows is None else rows[image],
            level="warning",
        )
        for image in closure.contradictory[:MOST_PROBLEMS].tolist()
    ]


def _sure(table: LabelTable) -> PartialLabels:
    return PartialLabels(np.where(table.of_kind("predicted"), np.int8(UNKNOWN), table.labels.values))

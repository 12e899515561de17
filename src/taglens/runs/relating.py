"""Relations in a run: its training labels are closed after some of them were hidden, and what that did is said."""

from pathlib import Path

from taglens.labels.hiding import hide
from taglens.labels.table import LabelTable
from taglens.relations.file import beside, read_relations
from taglens.relations.provenance import close_table, contradictions, implied_words
from taglens.relations.relation import Relations
from taglens.runs.config import RunConfig


def relations_file(config: RunConfig) -> Path | None:
    """Return the file of relations that the run uses: the named one, else the one beside its table, else None."""
    return config.relations or beside(config.data.data)


def run_relations(config: RunConfig, classes: tuple[str, ...]) -> Relations | None:
    """Return the relations of the run between ``classes``; None if it has none.

    Raises:
        TableError: the file of relations cannot be read.
    """
    path = relations_file(config)
    return None if path is None else read_relations(path, classes)


def masked_table(table: LabelTable, config: RunConfig) -> LabelTable:
    """Return the training table with labels hidden as configured, then what the others imply.

    Raises:
        TableError: the file of relations cannot be read.
    """
    return _masked(table, config)[0]


def relation_notes(table: LabelTable, config: RunConfig) -> tuple[str, ...]:
    """Return what relations did to the training ``table``: how much they settle, and how many pictures contradict them."""
    return _masked(table, config)[1]


def _masked(table: LabelTable, config: RunConfig) -> tuple[LabelTable, tuple[str, ...]]:
    hidden = table if config.known is None else table.with_labels(hide(table.labels, config.setting, config.known, config.seed))
    relations = run_relations(config, table.classes)
    if relations is None:
        return hidden, ()
    closed, closure = close_table(hidden, relations)
    notes: tuple[str, ...] = (f"relations of {relations_file(config)}: {implied_words(hidden, closed)}",)
    if (count := len(closure.contradictory)) > 0:
        first = contradictions(hidden, relations, closure)[0].message
        notes += (f"{count:,} picture{'s' * (count != 1)} contradict the relations, such as {first}",)
    return closed, notes

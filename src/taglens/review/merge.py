"""Bringing a review journal into its table, which somebody may have edited meanwhile: a three-way merge, cell by cell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from taglens.errors import JournalError
from taglens.labels.origins import Origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.review.journal import STATE_OF, Answer, Cell

Prefer: TypeAlias = Literal["stop", "table", "answers"]
WORDS: Mapping[int, str] = {POSITIVE: "present", NEGATIVE: "absent", UNKNOWN: "not checked"}


@dataclass(frozen=True)
class Conflict:
    """A cell that both the reviewer and somebody who edited the table changed, differently."""

    image: str
    label: str
    was: int
    answer: int
    now: int

    def __str__(self) -> str:
        return f"{self.image}, {self.label}: was {WORDS[self.was]}, reviewed as {WORDS[self.answer]}, the table now says {WORDS[self.now]}"


@dataclass(frozen=True, eq=False)
class Merge:
    """A table with answers in it, and what stood in the way."""

    table: LabelTable
    applied: int
    """Cells that have the reviewer's answer."""
    conflicts: tuple[Conflict, ...]
    """Cells that both sides changed."""
    missing: tuple[Cell, ...]
    """Answered cells whose picture or class the table has no longer; they stay in the journal."""

    def notes(self, prefer: Prefer, most: int = 10) -> tuple[str, ...]:
        """Return what the user must know, a line each."""
        kept = {"stop": "the table's label stays", "table": "the table's label stays", "answers": "the answer goes in"}[prefer]
        found = [f"{len(self.conflicts):,} answered and edited differently meanwhile, {kept}:"] if self.conflicts else []
        found += _some([f"  {conflict}" for conflict in self.conflicts], most)
        if self.missing:
            found.append(
                f"{len(self.missing):,} answers are about pictures or classes that the table has no longer; the journal keeps them:"
            )
            found += _some([f"  {image}, {label}" for image, label in self.missing], most)
        return tuple(found)


def merge(table: LabelTable, answers: Mapping[Cell, Answer], prefer: Prefer = "stop") -> Merge:
    """Return ``table`` with the answers as reviewed labels, each with its reviewer and minute.

    With W what the table said when the question was asked, A the answer and T what the table says now: T = W or T = A takes A;
    else both sides changed the cell, and ``prefer`` decides: the table's label, the answer, or neither (an error).

    Raises:
        JournalError: both sides changed a cell and ``prefer`` is "stop".
    """
    rows, columns = ({name: index for index, name in enumerate(names)} for names in (table.images, table.classes))
    values = np.array(table.labels.values)
    conflicts: list[Conflict] = []
    missing: list[Cell] = []
    taken: dict[tuple[int, int], Origin] = {}
    for (image, label), answer in answers.items():
        if answer.reply == "skip":
            continue
        if image not in rows or label not in columns:
            missing.append((image, label))
            continue
        position, ours = (rows[image], columns[label]), STATE_OF[answer.reply]
        was, now = answer.was[answer.images.index(image)], int(values[position])
        if now not in (was, ours):
            conflicts.append(Conflict(image, label, was, ours, now))
            if prefer != "answers":
                continue
        values[position] = ours
        taken[position] = Origin("reviewed", answer.by, to_minute(answer.time))
    merged = Merge(_with_reviewed(table, values, taken), len(taken), tuple(conflicts), tuple(missing))
    if conflicts and prefer == "stop":
        advice = "nothing was written; pass --conflicts table to keep the table's labels, or --conflicts answers to take the answers"
        raise JournalError("\n".join([*merged.notes(prefer), advice]))
    return merged


SHARED = 0.5
"""Share of its pictures that an edited table still has; with less it is another one."""


def require_related(table: LabelTable, reviewed: LabelTable, where: str) -> None:
    """Refuse a table that took the reviewed one's place; one that was edited passes.

    Raises:
        JournalError: it has less than half of the reviewed one's pictures.
    """
    shared = len(set(reviewed.images).intersection(table.images))
    if shared < SHARED * len(reviewed):
        raise JournalError(
            f"{where} is another table now: it has {shared:,} of the {len(reviewed):,} pictures under review. Nothing was written, every "
            "answer is in the journal; put the reviewed table back and export again"
        )


def require_answered(merged: Merge, answers: Mapping[Cell, Answer], where: str) -> None:
    """Refuse to export a table that has none of the pictures and classes that were answered.

    Raises:
        JournalError: there are answers, and the table has a cell for none of them.
    """
    asked = sum(answer.reply != "skip" for answer in answers.values())
    if asked and asked == len(merged.missing):
        raise JournalError(
            f"{where} has none of the {asked:,} cells that were answered, so it is not the table that was reviewed. Nothing was written, "
            "every answer is in the journal; name the reviewed table"
        )


def to_minute(time: str) -> str:
    """Cut ``2026-11-21T11:02:33Z`` to the minute: a table holds at most 32,767 different sources, the journal keeps the seconds."""
    return f"{time[:16]}Z" if len(time) >= 16 else time


def _with_reviewed(table: LabelTable, values: np.ndarray, taken: Mapping[tuple[int, int], Origin]) -> LabelTable:
    if not taken:
        return table
    changed = table.with_labels(PartialLabels(values))
    origins = [*table.origins, *sorted(set(taken.values()))]
    index_of = {origin: number for number, origin in reversed(list(enumerate(origins)))}
    index = np.zeros(values.shape, np.int64) if changed.origin_index is None else changed.origin_index.astype(np.int64)
    for position, origin in taken.items():
        index[position] = index_of[origin]
    return replace(changed, origins=tuple(origins), origin_index=index.astype(np.int32))


def _some(lines: Sequence[str], most: int) -> Iterable[str]:
    return lines if len(lines) <= most else [*lines[:most], f"  and {len(lines) - most:,} more"]

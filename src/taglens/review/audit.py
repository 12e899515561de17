"""An audit as a session: the cells of a random sample, asked one after the other without a word of what model or table say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taglens.datasets.source import DataOptions
from taglens.errors import JournalError
from taglens.labels.joining import seen_from
from taglens.labels.table import LabelTable
from taglens.review.journal import Answer, Cell, Header, Reply, read_journal
from taglens.review.journal_file import open_journal
from taglens.review.merge import merge
from taglens.review.session import ReviewFiles, ReviewSession, now
from taglens.review.start import names_hash
from taglens.review.state import OPEN, SKIPPED, Position, ReviewState
from taglens.review.views import ReviewViews


@dataclass(frozen=True, kw_only=True)
class AuditQuestions:
    """What is asked, and where the answers go."""

    table: LabelTable
    """The filled table; only the pictures of the sample are kept."""
    cells: tuple[Cell, ...]
    """In the order in which to ask."""
    sample: str
    """Hash of the sample; a journal belongs to one."""
    run: str
    """The run that filled them, for messages."""
    data: Path
    """File of the table."""
    journal: Path
    by: str
    """Who answers."""


@dataclass(eq=False, kw_only=True)
class AuditSession(ReviewSession):
    """A review session that takes answers about the sampled cells only, and knows no probability."""

    order: tuple[Position, ...]
    sample: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self._drawn = frozenset(self.order)

    def answer(self, action: str, label: int, images: Sequence[int], reply: Reply, tab: str, by: str | None = None) -> bool:
        """Record a reply about one cell of the sample.

        Raises:
            JournalError: the cell was not drawn, or the answer could not be written; it does not count.
        """
        if len(images) != 1 or (images[0], label) not in self._drawn:
            raise JournalError("an audit takes an answer about one cell of its sample at a time; reload the page")
        return super().answer(action, label, images, reply, tab, by)


def open_audit(questions: AuditQuestions) -> AuditSession:
    """Return the session, with what the journal holds already.

    The state holds the sampled pictures only and no probability, so that nothing can be shown of them by mistake.

    Raises:
        JournalError: the journal is damaged, or belongs to another sample.
    """
    table = questions.table
    row_of = {name: row for row, name in enumerate(table.images)}
    names = tuple(dict.fromkeys(image for image, _ in questions.cells))
    sampled = table.rows(np.array([row_of[name] for name in names], dtype=np.int64))
    rows, columns = ({name: index for index, name in enumerate(found)} for found in (names, table.classes))
    if questions.journal.is_file() and questions.journal.stat().st_size:
        _require_sample(questions.journal, questions.sample)
    header = Header(questions.sample, questions.run, questions.data.name, names_hash(sampled), now())
    journal = open_journal(questions.journal, header)
    state = ReviewState(sampled, np.full(sampled.labels.shape, np.nan, np.float32), np.full(len(table.classes), 0.5), journal.entries)
    files = ReviewFiles(
        run=Path(questions.run),
        data=str(questions.data),
        options=DataOptions(),
        journal=questions.journal,
        out=questions.data,
        by=questions.by,
        retrain="",
    )
    order = tuple((rows[image], columns[label]) for image, label in questions.cells)
    return AuditSession(files=files, state=state, order=order, sample=questions.sample)


def read_answers(journal: Path, sample: str) -> dict[Cell, Answer]:
    """Return the answer that counts for each cell, from the journal alone; none where there is no journal yet.

    Raises:
        JournalError: the journal is damaged, or belongs to another sample.
    """
    if not journal.is_file():
        return {}
    _require_sample(journal, sample)
    return read_journal(journal).settled()


def apply_answers(table: LabelTable, answers: Mapping[Cell, Answer], out: Path, *, force: bool) -> int:
    """Write the table with the answers in it as reviewed labels, and return how many there are; "can't tell" leaves a cell as it is.

    Raises:
        OutputError: ``out`` exists and ``force`` is false, or cannot be written.
    """
    merged = merge(table, answers, "answers")
    seen_from(merged.table, out.parent).write(out, force=force)
    return merged.applied


def _require_sample(journal: Path, sample: str) -> None:
    found = read_journal(journal).header.run
    if found != sample:
        raise JournalError(
            f"{journal}: its answers are about another sample ({found[:8]}, not {sample[:8]}); move it away, or restore the .audit.json "
            "that it was written for"
        )


class AuditViews:
    """What the page gets: names, numbers, and this audit's own answers; never a probability, a table's value or where it came from."""

    def __init__(self, session: AuditSession) -> None:
        self._session, self._state = session, session.state
        self.images, self.labels = session.state.table.labels.shape

    def overview(self) -> dict[str, Any]:
        """Return what does not change, and where the audit stands."""
        files = self._session.files
        fixed = {"mode": "audit", "sample": self._session.sample, "data": files.data, "journal": str(files.journal), "by": files.by}
        return fixed | {"images": self.images, "classes": list(self._state.table.classes)} | self.standing()

    def standing(self) -> dict[str, Any]:
        """Return the progress."""
        with self._session.lock:
            status = [int(self._state.status[position]) for position in self._session.order]
            left = status.count(OPEN)
            progress = {"answered": len(status) - left, "skipped": status.count(SKIPPED), "left": left}
            return {"progress": progress, "revision": self._state.revision}

    def queue(self, count: int) -> dict[str, Any]:
        """Return the next cells to ask about, in the order of the sample."""
        with self._session.lock:
            still = self._open()
        return {"cells": [self._cell(position) for position in still[:count]]} | self.standing()

    def take(self, count: int, tab: str) -> dict[str, Any]:
        """Return the next cells to ask about, in the order of the sample, and let no other tab have them for a while."""
        leases = self._session.leases
        with self._session.lock:
            elsewhere = leases.elsewhere(tab)
            still = self._open()
            mine = [position for position in still if position not in elsewhere][:count]
            leases.take(tab, mine)
        told = {"cells": [self._cell(position) for position in mine], "elsewhere": len(elsewhere.intersection(still))}
        return told | self.standing()

    def answers(self, count: int) -> list[dict[str, Any]]:
        """Return the last answers that stand, newest first."""
        return ReviewViews(self._session).answers(count)

    def _open(self) -> list[Position]:
        return [position for position in self._session.order if self._state.status[position] == OPEN]

    def _cell(self, position: Position) -> dict[str, Any]:
        row, column = position
        return {"image": row, "label": column, "name": self._state.table.images[row], "class": self._state.table.classes[column]}

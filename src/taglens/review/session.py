"""One review: answers go to the journal first and count when they are on the disk, whatever happens next."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from taglens.datasets.source import DataOptions, read_data
from taglens.errors import JournalError
from taglens.labels.joining import seen_from
from taglens.review.journal import Answer, Reply, Undo
from taglens.review.journal_file import JournalFile
from taglens.review.leases import Leases
from taglens.review.merge import Merge, Prefer, merge, require_answered, require_related
from taglens.review.people import write_answers
from taglens.review.state import ANSWERED, OPEN, Kind, Position, ReviewState


@dataclass(frozen=True, kw_only=True)
class ReviewFiles:
    """What a review reads and writes."""

    run: Path
    data: str
    options: DataOptions
    journal: Path
    out: Path
    """Where the export goes."""
    by: str
    """Name of the reviewer, for pages that state none."""
    retrain: str
    """The command that trains on the exported table."""

    @property
    def answers(self) -> Path:
        """Where the export says who answered what."""
        return self.out.with_name(f"{self.out.stem}.answers.csv")


@dataclass(eq=False)
class ReviewSession:
    """The state and the journal behind one lock, so that any number of tabs can answer."""

    files: ReviewFiles
    state: ReviewState
    lock: threading.RLock = field(default_factory=threading.RLock)
    heard: list[Callable[[int], None]] = field(default_factory=list)
    """Called with the number of cells after every answer and undo that counts."""

    def __post_init__(self) -> None:
        self.leases = Leases()
        self._journal = JournalFile(self.files.journal)

    def answer(self, action: str, label: int, images: Sequence[int], reply: Reply, tab: str, by: str | None = None) -> bool:
        """Record a reply for a class on some pictures; return False if this action was recorded before.

        ``by`` is who answers; None: the reviewer that the server was started for.

        Raises:
            JournalError: it could not be written, and does not count.
        """
        table = self.state.table
        with self.lock:
            if self.state.knows(action):
                return False
            entry = Answer(
                action=action,
                label=table.classes[label],
                reply=reply,
                images=tuple(table.images[image] for image in images),
                was=tuple(int(value) for value in table.labels.values[list(images), label]),
                by=by or self.files.by,
                time=now(),
                tab=tab,
            )
            self._journal.append([entry])
            self.state.apply(entry)
        self._tell(len(images))
        return True

    def _tell(self, cells: int) -> None:
        for listener in self.heard:
            listener(cells)

    def undo(self, action: str, tab: str, by: str | None = None) -> Answer | None:
        """Take back an action and return it; None if it is unknown or was taken back before.

        Raises:
            JournalError: it could not be written, and does not count.
        """
        with self.lock:
            answer = self.state.live(action)
            if answer is not None:
                entry = Undo(action, by or self.files.by, now(), tab)
                self._journal.append([entry])
                self.state.apply(entry)
        if answer is not None:
            self._tell(len(answer.images))
        return answer

    def take(self, kind: Kind, label: int | None, count: int, tab: str, shown: Position | None = None) -> list[Position]:
        """Return the next cells to ask about, best first, and let no other tab have them for a while.

        ``shown`` is the question that the tab shows now: while it is open it comes first, however the order changed.
        """
        with self.lock:
            held = self.leases.elsewhere(tab)
            found = self.state.queue(kind, label, count, without=held)
            if shown is not None and self.state.status[shown] == OPEN and shown not in held:
                found = [shown, *(cell for cell in found if cell != shown)][:count]
            self.leases.take(tab, found)
            return found

    def above(self, label: int, at_least: float) -> list[int]:
        """Return the pictures of open questions about a class with at least this probability, the least probable first."""
        return self._between(label, at_least, 1.0, rising=True)

    def below(self, label: int, at_most: float) -> list[int]:
        """Return the pictures of open questions about a class with at most this probability, the most probable first."""
        return self._between(label, 0.0, at_most, rising=False)

    def _between(self, label: int, low: float, high: float, *, rising: bool) -> list[int]:
        with self.lock:
            column = self.state.probabilities[:, label]
            open_ = ~self.state.given[:, label] & (self.state.status[:, label] == OPEN)
            rows = np.flatnonzero(open_ & (column >= low) & (column <= high))
        ordered = rows[np.argsort(column[rows] if rising else -column[rows], kind="stable")]
        return [int(row) for row in ordered]

    def earlier(self, position: Position) -> str | None:
        """Return the reply that the cell has from before, for example from another tab."""
        with self.lock:
            answer = self.state.previous(position)
            return answer.reply if answer is not None and self.state.status[position] == ANSWERED else None

    def export(self, prefer: Prefer = "stop", stage: Callable[[str], None] = lambda stage: None) -> Merge:
        """Merge the journal into the table as it is on disk now, and write the result, and beside it who answered what.

        ``stage`` is told what is being done.

        Raises:
            JournalError: the table was edited meanwhile and ``prefer`` is "stop", or is another one now; nothing is written.
            TagLensError: the table cannot be read or the result not written.
        """
        with self.lock:
            settled, histories = self.state.settled(), self.state.histories()
        stage(f"reading {self.files.data}")
        table = read_data(self.files.data, "all", self.files.options)
        require_related(table, self.state.table, self.files.data)
        stage(f"merging {len(settled):,} answers")
        merged = merge(table, settled, prefer)
        require_answered(merged, settled, self.files.data)
        stage(f"writing {self.files.out}")
        write_merged(merged, self.files)
        write_answers(self.files.answers, histories)
        return merged


def write_merged(merged: Merge, files: ReviewFiles) -> None:
    """Write a merged table in one step, replacing an earlier export.

    Raises:
        JournalError: the name is the journal's.
        OutputError: it cannot be written.
    """
    if files.out.resolve() == files.journal.resolve():
        raise JournalError(f"{files.out} is the journal; choose another --out")
    seen_from(merged.table, files.out.parent).write(files.out, force=True)


def now() -> str:
    """Return the time as it is written into journals."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""The labels under review: what the table said, what was answered since, and what is most worth asking next."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.review.journal import STATE_OF, Answer, Cell, Entry, winner
from taglens.review.ranking import Queue, disagreement, rank, uncertainty

Kind: TypeAlias = Literal["all", "uncertain", "suspected", "skipped"]
WORTH = 0.5
"""Cells at least this uncertain, or contradicted this strongly, count as left to review."""
AHEAD = 2000
"""Cells ordered at a time."""
STALE = 50
"""Answers after which the order is computed anew, since they change how rare the classes are."""
OPEN, ANSWERED, SKIPPED = 0, 1, 2

Position: TypeAlias = tuple[int, int]
"""Row and column of a cell."""


class Progress(NamedTuple):
    """How far the review is, in cells."""

    answered: int
    skipped: int
    uncertain: int
    """Left: unknown and uncertain."""
    suspected: int
    """Left: known, and the model says otherwise."""


class ReviewState:
    """Labels, probabilities and answers as arrays (image, label); not safe for several threads by itself.

    Args:
        table: the labels when the review began.
        probabilities: (image, label), NaN where there is none.
        thresholds: (label,), where each class turns from absent to present.
        entries: what the journal says already.
        deviations: standard deviations of the logits, (image, label), NaN where there is none; None: nobody knows any.
    """

    def __init__(
        self,
        table: LabelTable,
        probabilities: NDArray[np.float32],
        thresholds: NDArray[np.float64],
        entries: Iterable[Entry] = (),
        deviations: NDArray[np.float32] | None = None,
    ) -> None:
        self.table, self.probabilities, self.thresholds, self.deviations = table, probabilities, thresholds, deviations
        self.values = np.array(table.labels.values)
        self.status = np.zeros(table.labels.shape, np.uint8)
        self.given = _given(table)
        self._rows = {name: row for row, name in enumerate(table.images)}
        self._columns = {name: column for column, name in enumerate(table.classes)}
        self._judge()
        self._history: dict[Cell, list[Answer]] = defaultdict(list)
        self._live: dict[str, Answer] = {}
        self._seen: set[str] = set()
        self.revision = 0
        self._queues: dict[tuple[Kind, int | None], tuple[int, Queue]] = {}
        for entry in entries:
            self.apply(entry)

    def renew(self, probabilities: NDArray[np.float32], thresholds: NDArray[np.float64], deviations: NDArray[np.float32] | None) -> None:
        """Take over what another fit says, and order all questions anew; arguments as for the state itself."""
        self.probabilities, self.thresholds, self.deviations = probabilities, thresholds, deviations
        self._judge()
        self._queues.clear()
        self.revision += 1

    def _judge(self) -> None:
        self._worth = self._suspicion()
        self._uncertain, self._suspected = (self._worth >= WORTH) & ~self.given, (self._worth >= WORTH) & self.given

    def _suspicion(self) -> NDArray[np.float32]:
        """Uncertainty of cells that nobody checked, disagreement with those somebody did, nothing for reviewed ones."""
        labels = PartialLabels(np.where(self.given, self.table.labels.values, np.int8(UNKNOWN)))
        worth = np.where(
            self.given, disagreement(self.probabilities, labels, self.thresholds), uncertainty(self.probabilities, self.thresholds)
        )
        worth[_reviewed(self.table)] = 0
        return worth

    def knows(self, action: str) -> bool:
        """Tell whether this action came before, undone or not."""
        return action in self._seen

    def apply(self, entry: Entry) -> None:
        """Take in an answer or an undo that the journal holds already."""
        self.revision += 1
        if isinstance(entry, Answer):
            if entry.action in self._seen:
                return
            self._seen.add(entry.action)
            self._live[entry.action] = answer = entry
        elif (found := self._live.pop(entry.undo, None)) is not None:
            answer = found
        else:
            return
        for image in answer.images:
            history = self._history[image, answer.label]
            if isinstance(entry, Answer):
                history.append(answer)
            else:
                history.remove(answer)
            self._settle((image, answer.label), winner(history))

    def live(self, action: str) -> Answer | None:
        """Return the answer of this action unless it was undone."""
        return self._live.get(action)

    def latest(self, count: int) -> list[Answer]:
        """Return the last answers that were not undone, newest first."""
        return list(self._live.values())[: -count - 1 : -1]

    def settled(self) -> dict[Cell, Answer]:
        """Return the answer that counts for each cell."""
        return {cell: answer for cell, history in self._history.items() if (answer := winner(history)) is not None}

    def previous(self, position: Position) -> Answer | None:
        """Return the answer that counts for one cell, if any."""
        return winner(self._history.get((self.table.images[position[0]], self.table.classes[position[1]]), ()))

    def histories(self) -> list[tuple[Cell, list[Answer]]]:
        """Return of each answered cell the answers that stand, oldest first."""
        return [(cell, list(history)) for cell, history in self._history.items() if history]

    def position(self, cell: Cell) -> Position | None:
        """Return the row and column of a cell, if the table has it."""
        row, column = self._rows.get(cell[0]), self._columns.get(cell[1])
        return None if row is None or column is None else (row, column)

    def queue(self, kind: Kind, label: int | None, count: int, without: Collection[Position] = frozenset()) -> list[Position]:
        """Return the next cells to ask about, best first, of one class or of all; not those in ``without``."""
        if kind == "skipped":
            skipped = [(int(row), int(column)) for row, column in np.argwhere(self.status == SKIPPED)]
            return [cell for cell in skipped if label in (None, cell[1]) and cell not in without][:count]
        found = self._next(self._ordered(kind, label), count, without)
        if len(found) < count and self._queues[kind, label][0] != self.revision:
            del self._queues[kind, label]
            found = self._next(self._ordered(kind, label), count, without)
        return found

    def _next(self, queue: Queue, count: int, without: Collection[Position]) -> list[Position]:
        still = np.flatnonzero(self.status[queue.image, queue.label] == OPEN)[: count + len(without)]
        cells = ((int(queue.image[rank]), int(queue.label[rank])) for rank in still)
        return [cell for cell in cells if cell not in without][:count]

    def _ordered(self, kind: Kind, label: int | None) -> Queue:
        made, queue = self._queues.get((kind, label), (-STALE, None))
        if queue is None or self.revision - made >= STALE:
            made, queue = self.revision, self._order(kind, label)
            self._queues[kind, label] = made, queue
        return queue

    def _order(self, kind: Kind, label: int | None) -> Queue:
        columns = slice(None) if label is None else slice(label, label + 1)
        asked = {"uncertain": ~self.given, "suspected": self.given}.get(kind, np.True_)
        worth = np.where((self.status == OPEN) & asked, self._worth, np.float32(0))[:, columns]
        positives = np.count_nonzero(self.values[:, columns] == 1, axis=0)
        queue = rank(worth, self.probabilities[:, columns], positives, AHEAD)
        return queue if label is None else queue._replace(label=queue.label + label)

    def progress(self, label: int | None = None) -> Progress:
        """Count answered, skipped and left cells, of one class or of all."""
        columns = slice(None) if label is None else slice(label, label + 1)
        status = self.status[:, columns]
        left = status == OPEN
        counts = (status == ANSWERED, status == SKIPPED, left & self._uncertain[:, columns], left & self._suspected[:, columns])
        return Progress(*(int(np.count_nonzero(count)) for count in counts))

    def kind(self, position: Position) -> Literal["unknown", "filled", "known"]:
        """Tell whether the table's label was never checked, filled by a model, or known."""
        if self.given[position]:
            return "known"
        return "unknown" if self.table.labels.values[position] == UNKNOWN else "filled"

    def _settle(self, cell: Cell, answer: Answer | None) -> None:
        """Put what counts now into the arrays; pictures or classes that left the table have no cell there."""
        if (position := self.position(cell)) is None:
            return
        replied = answer is not None and answer.reply != "skip"
        self.status[position] = ANSWERED if replied else OPEN if answer is None else SKIPPED
        self.values[position] = STATE_OF[answer.reply] if answer and replied else self.table.labels.values[position]


def _given(table: LabelTable) -> NDArray[np.bool_]:
    """Where the label is known and was not filled by a model."""
    return table.labels.known & ~table.of_kind("predicted")


def _reviewed(table: LabelTable) -> NDArray[np.bool_]:
    return table.labels.known & table.of_kind("reviewed")

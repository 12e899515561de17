"""What the page shows, as JSON: the queue, classes, pictures, answers, and the preview of a bulk answer."""

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.review.learning import LiveLearning
from taglens.review.merge import WORDS
from taglens.review.people import agreement, in_conflict, people
from taglens.review.session import ReviewSession
from taglens.review.state import ANSWERED, OPEN, Kind, Position

Show = Literal["open", "present", "absent", "answered"]


class ReviewViews:
    """Reads the session under its lock; pictures and classes are numbers here, names only for people."""

    def __init__(self, session: ReviewSession, learning: LiveLearning | None = None) -> None:
        self._session, self._state, self._learning = session, session.state, learning
        self.images, self.labels = session.state.table.labels.shape

    def overview(self) -> dict[str, Any]:
        """Return what does not change, and where the review stands."""
        files, table = self._session.files, self._state.table
        return {
            "run": str(files.run),
            "data": files.data,
            "journal": str(files.journal),
            "out": str(files.out),
            "by": files.by,
            "retrain": files.retrain,
            "images": self.images,
            "classes": list(table.classes),
        } | self.standing()

    def standing(self) -> dict[str, Any]:
        """Return the progress."""
        with self._session.lock:
            found = {"progress": self._state.progress()._asdict(), "revision": self._state.revision}
        return found | {"learning": None if self._learning is None else self._learning.standing()}

    def queue(self, kind: Kind, label: int | None, count: int) -> dict[str, Any]:
        """Return the next cells to ask about."""
        with self._session.lock:
            cells = [self._cell(position) for position in self._state.queue(kind, label, count)]
            return {"cells": cells, "progress": self._state.progress(label)._asdict()}

    def take(self, kind: Kind, label: int | None, count: int, tab: str, shown: Position | None = None) -> dict[str, Any]:
        """Return the next cells to ask about, which are this tab's for a while, and how many such cells other tabs hold.

        ``shown`` is the one that the tab shows, which stays while it is open.

        ``elsewhere`` is counted only where this tab gets none: "nothing left" is true only if it is 0.
        """
        session, state = self._session, self._state
        with session.lock:
            cells = [self._cell(position) for position in session.take(kind, label, count, tab, shown)]
            elsewhere = 0
            if not cells:
                held = session.leases.elsewhere(tab)
                elsewhere = len(held.intersection(state.queue(kind, label, len(held)))) if held else 0
            return {"cells": cells, "elsewhere": elsewhere, "pages": session.leases.tabs()} | self.standing()

    def people(self) -> dict[str, Any]:
        """Return what each person answered, how often two agree, and the cells that wait to be settled."""
        with self._session.lock:
            histories = self._state.histories()
            waiting = [
                self._cell(position) | {"said": [{"by": one.by, "reply": one.reply, "time": one.time} for one in history]}
                for cell, history in histories
                if in_conflict(history) and (position := self._state.position(cell)) is not None
            ]
        answers = [history for _, history in histories]
        return {
            "people": [person._asdict() for person in people(answers)],
            "agreement": agreement(answers)._asdict(),
            "conflicts": len(waiting),
            "cells": waiting[:200],
        }

    def label_counts(self) -> list[dict[str, Any]]:
        """Return how much of every class is known and left."""
        with self._session.lock:
            values = self._state.values
            counts = [
                np.count_nonzero(mask, axis=0)
                for mask in (values == POSITIVE, values == NEGATIVE, values == UNKNOWN, self._state.status == ANSWERED)
            ]
            left = [self._state.progress(label) for label in range(self.labels)]
        names = ("present", "absent", "unknown", "answered")
        return [
            {"label": label, "name": name, "uncertain": left[label].uncertain, "suspected": left[label].suspected}
            | {key: int(count[label]) for key, count in zip(names, counts, strict=True)}
            for label, name in enumerate(self._state.table.classes)
        ]

    def label_cells(self, label: int, show: Show, offset: int, count: int) -> dict[str, Any]:
        """Return pictures of one class, the most probable first."""
        with self._session.lock:
            rows = np.flatnonzero(self._shown(label, show))
            ordered = rows[np.argsort(-np.nan_to_num(self._state.probabilities[rows, label], nan=-1.0), kind="stable")]
            cells = [self._cell((int(row), label)) for row in ordered[offset : offset + count]]
        return {"cells": cells, "total": len(rows)}

    def picture_cells(self, image: int) -> dict[str, Any]:
        """Return all classes of one picture, the most probable first."""
        with self._session.lock:
            order = np.argsort(-np.nan_to_num(self._state.probabilities[image], nan=-1.0), kind="stable")
            return {"name": self._state.table.images[image], "cells": [self._cell((image, int(label))) for label in order]}

    def bulk(self, label: int, reply: Literal["yes", "no"], bound: float) -> dict[str, Any]:
        """Return the pictures a bulk answer would be about, those nearest to the bound first, since they are wrong most often."""
        images = self._session.above(label, bound) if reply == "yes" else self._session.below(label, bound)
        chances = self._state.probabilities[images, label]
        wrong = 1 - chances if reply == "yes" else chances
        shown = [self._cell((image, label)) for image in images[:120]]
        return {"cells": shown, "images": images, "expected_wrong": float(wrong.sum())}

    def answers(self, count: int) -> list[dict[str, Any]]:
        """Return the last answers that stand, newest first."""
        with self._session.lock:
            names = self._state.table.images
            rows = {name: row for row, name in enumerate(names)}
            return [
                {
                    "action": answer.action,
                    "label": answer.label,
                    "reply": answer.reply,
                    "images": len(answer.images),
                    "image": rows.get(answer.images[0]) if answer.images else None,
                    "name": answer.images[0] if answer.images else "",
                    "by": answer.by,
                    "time": answer.time,
                }
                for answer in self._state.latest(count)
            ]

    def _shown(self, label: int, show: Show) -> NDArray[np.bool_]:
        state = self._state
        masks: dict[Show, NDArray[np.bool_]] = {
            "open": ~state.given[:, label] & (state.status[:, label] == OPEN),
            "answered": np.equal(state.status[:, label], ANSWERED),
            "present": np.equal(state.values[:, label], POSITIVE),
            "absent": np.equal(state.values[:, label], NEGATIVE),
        }
        return masks[show]

    def _cell(self, position: Position) -> dict[str, Any]:
        state, (row, column) = self._state, position
        probability = float(state.probabilities[position])
        previous = state.previous(position)
        return {
            "image": row,
            "label": column,
            "name": state.table.images[row],
            "class": state.table.classes[column],
            "probability": None if math.isnan(probability) else round(probability, 4),
            "between": None if state.deviations is None else _between(probability, float(state.deviations[position])),
            "kind": state.kind(position),
            "table": WORDS[int(state.table.labels.values[position])],
            "reply": None if previous is None else previous.reply,
            "action": None if previous is None else previous.action,
        }


def _between(probability: float, deviation: float) -> list[float] | None:
    """Return the probabilities one standard deviation of the logit below and above; None where there is none."""
    if math.isnan(probability) or math.isnan(deviation):
        return None
    logit = math.log(max(probability, 1e-30) / max(1 - probability, 1e-30))
    return [round(1 / (1 + math.exp(-(logit + side * deviation))), 4) for side in (-1, 1)]

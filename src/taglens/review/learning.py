"""Learning while people answer: a fit in the background after every few answers, which orders the queue anew and says what was gained."""

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.review.session import ReviewSession
from taglens.review.state import ANSWERED

EVERY = 10
"""Answers, at least, between two fits."""
LEVEL, FITS = 0.002, 5
"""Where the expected F1 moved by less than the first over the last so many fits, more answers hardly help."""


class Learned(NamedTuple):
    """What a fit says of all cells, (image, label); NaN for unusable pictures."""

    probabilities: NDArray[np.float32]
    """Known cells without their own state."""
    deviations: NDArray[np.float32]
    """Of the logits."""
    thresholds: NDArray[np.float64]
    """(label,)."""
    numbers: dict[str, Any]
    """What the page shows: ``f1``, ``mAP`` and ``fillable``."""


Learn = Callable[[PartialLabels, NDArray[np.bool_]], Learned]
"""From the labels that people gave, (image, label), and which of them were answered in the review."""


class LiveLearning:
    """Fits of a review's labels, one at a time, in a thread that nobody waits for.

    Args:
        session: the review; its state takes over what every fit says.
        learn: fits.
        every: answers between two fits, at least; and never more often than a fit takes.
    """

    def __init__(self, session: ReviewSession, learn: Learn, every: int = EVERY) -> None:
        self._session, self._learn, self._every = session, learn, every
        self._lock = threading.Lock()
        self._running, self._failed = False, ""
        self._waiting, self._ended, self._seconds = every, 0.0, 0.0
        self._fits: list[tuple[int, dict[str, Any]]] = []

    def answered(self, cells: int = 1) -> None:
        """Hear of answers; begin a fit if there are enough, which rests first where the last one ended a moment ago."""
        with self._lock:
            self._waiting += cells
            if self._running or self._failed or self._waiting < self._every:
                return
            self._running, self._waiting = True, 0
        threading.Thread(target=self._run, name="learning", daemon=True).start()

    def standing(self) -> dict[str, Any]:
        """Return what was gained since the first fit: answers, the numbers then and now, and whether more answers hardly help."""
        with self._lock:
            first, last = (self._fits[0], self._fits[-1]) if self._fits else ((0, {}), (0, {}))
            return {
                "fits": len(self._fits),
                "running": self._running,
                "failed": self._failed,
                "seconds": round(self._seconds, 1),
                "answers": last[0] - first[0],
                "before": first[1],
                "now": last[1],
                "level": self._level(),
            }

    def _level(self) -> bool:
        scores = [numbers["f1"] for _, numbers in self._fits[-FITS:] if numbers["f1"] is not None]
        return len(scores) == FITS and max(scores) - min(scores) < LEVEL

    def _run(self) -> None:
        """Fit until fewer answers wait than a fit is worth."""
        while True:
            time.sleep(max(0.0, self._ended + self._seconds - time.monotonic()) if self._fits else 0.0)
            self._fit()
            with self._lock:
                if self._failed or self._waiting < self._every:
                    self._running = False
                    return
                self._waiting = 0

    def _fit(self) -> None:
        start = time.monotonic()
        state = self._session.state
        with self._session.lock:
            answered = np.equal(state.status, ANSWERED)
            labels = PartialLabels(np.where(state.given | answered, state.values, np.int8(UNKNOWN)))
        failed, learned = "", None
        try:
            learned = self._learn(labels, answered)
            with self._session.lock:
                state.renew(learned.probabilities, learned.thresholds, learned.deviations)
        except Exception as error:  # the review goes on as without learning, and says so
            failed = f"{type(error).__name__}: {error}"
        with self._lock:
            self._failed, self._ended, self._seconds = failed, time.monotonic(), time.monotonic() - start
            if learned is not None and not failed:
                self._fits.append((int(answered.sum()), learned.numbers))

"""Writing the table behind the page's back, and training on it: one at a time, which the page can ask about."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from taglens.errors import JournalError, TagLensError
from taglens.review.merge import Prefer
from taglens.review.session import ReviewSession


@dataclass(frozen=True)
class ExportState:
    """How an export stands."""

    state: Literal["none", "running", "done", "refused", "failed"] = "none"
    """refused: both sides changed a cell, or the table is another one; failed: it could not be read, written or trained on."""
    stage: str = ""
    """What is being done, in words."""
    detail: str = ""
    """Why nothing was written."""
    applied: int = 0
    notes: tuple[str, ...] = ()
    run: str = ""
    """The new run, where one was trained."""


class Exporter:
    """Runs an export in a thread of its own.

    Args:
        session: what is exported.
        train: trains on the exported table and returns the new run's folder; None: nothing can here.
    """

    def __init__(self, session: ReviewSession, train: Callable[[Path], Path] | None = None) -> None:
        self._session, self._train = session, train
        self._lock = threading.Lock()
        self._now, self._since = ExportState(), 0.0

    def start(self, prefer: Prefer, train: bool = False) -> None:
        """Begin, unless an export runs already; with ``train`` train a new run on what was written.

        Raises:
            TagLensError: it is to train, and nothing can.
        """
        if train and self._train is None:
            raise TagLensError("this run cannot be trained again from the page; run the command in a terminal")
        with self._lock:
            if self._now.state == "running":
                return
            self._now, self._since = ExportState("running", "starting"), time.monotonic()
        # no daemon: a server that ends lets it finish
        threading.Thread(target=self._run, args=(prefer, train), name="export").start()

    def standing(self) -> dict[str, Any]:
        """Return how the last export stands, with the files it writes and the seconds it has taken."""
        with self._lock:
            now, since = self._now, self._since
        files = {"file": str(self._session.files.out), "answers": str(self._session.files.answers)}
        seconds = round(time.monotonic() - since, 1) if now.state == "running" else None
        told = {"state": now.state, "stage": now.stage, "detail": now.detail, "applied": now.applied, "notes": list(now.notes)}
        told |= {"run": now.run, "trains": self._train is not None}
        return files | told | {"seconds": seconds}

    def _run(self, prefer: Prefer, train: bool) -> None:
        try:
            merged = self._session.export(prefer, stage=self._say)
            run = ""
            if train and self._train is not None:
                self._say("training a new run")
                run = str(self._train(self._session.files.out))
            ended = ExportState("done", applied=merged.applied, notes=merged.notes(prefer), run=run)
        except JournalError as error:
            ended = ExportState("refused", detail=str(error))
        except (TagLensError, OSError) as error:
            ended = ExportState("failed", detail=str(error))
        except BaseException as error:  # the page must not wait for ever
            ended = ExportState("failed", detail=f"{type(error).__name__}: {error}")
            raise
        finally:
            with self._lock:
                self._now = ended

    def _say(self, stage: str) -> None:
        with self._lock:
            self._now = replace(self._now, stage=stage)

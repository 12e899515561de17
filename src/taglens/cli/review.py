"""``taglens review RUN DATA``: answer what is worth asking, in the browser."""

import getpass
import sys
import webbrowser
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from taglens.cli.console import output, say, say_next, warn
from taglens.cli.options import Data, Device, ReadOptions, Run, device_name, require_run
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions, Part
from taglens.errors import TagLensError

if TYPE_CHECKING:
    from taglens.recognizer import Recognizer
    from taglens.review.learning import LiveLearning
    from taglens.review.session import ReviewSession
    from taglens.review.start import ReviewConfig


@dataclass(frozen=True, kw_only=True)
class Review:
    """Settle uncertain labels and suspected errors on a local web page, with the keyboard.

    Every answer is written at once to a journal beside the table; --export merges it into a copy of the table.

        $ taglens review runs/mine labels.csv
        $ taglens review runs/mine labels.csv --export
    """

    run: Run
    """Folder that `taglens train` made."""
    data: Data
    """A CSV, Parquet or JSON table (also one that `taglens complete` made), or name:root."""
    export: bool = False
    """Serve nothing: merge the journal into the table, write it and end."""
    conflicts: Literal["stop", "table", "answers"] = "stop"
    """Cells answered here and edited differently in the table meanwhile: write nothing, keep the table's, or take the answers."""
    journal: Path | None = None
    """File of the answers; none: TABLE.review.jsonl beside the table."""
    out: Path | None = None
    """File of the export; none: TABLE.reviewed.csv beside the table."""
    by: str | None = None
    """Your name in the table's sources; none: the name you are logged in by."""
    host: str = "127.0.0.1"
    """Address to listen at; another than this machine's own lets others answer too."""
    port: int = 8014
    """Port to listen at; 0: any free one."""
    browser: bool = True
    """Open the page in the browser."""
    part: Part = "all"
    """Part of the data to review."""
    options: ReadOptions = field(default_factory=DataOptions)
    on_bad_image: OnBadImage = "error"
    """Stop at an unreadable picture, or leave it out of the queue."""
    cache: Path | None = None
    """Folder of the feature store; none: TAGLENS_CACHE or the user's cache folder."""
    device: Device = "auto"
    """Where to compute."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise TagLensError(f"--port must lie between 0 and 65535, came {self.port}")
        if self.by is not None and (not self.by.strip() or "|" in self.by or self.by != self.by.strip()):
            raise TagLensError(f"--by must be a name without '|' and outer space, came {self.by!r}")


def run(config: Review) -> int:
    """Serve the page, or export."""
    require_run(config.run)
    from taglens.review.start import ReviewConfig

    review = ReviewConfig(
        run=config.run,
        data=config.data,
        by=config.by or user_name(),
        part=config.part,
        options=config.options,
        journal=config.journal,
        out=config.out,
        on_bad=config.on_bad_image,
        cache=config.cache,
    )
    return _export(review, config) if config.export else _serve(review, config)


def user_name() -> str:
    """Return the name somebody is logged in by, without what a table's source cannot hold."""
    try:
        return getpass.getuser().replace("|", "").strip() or "reviewer"
    except (OSError, KeyError):
        return "reviewer"


def _export(review: "ReviewConfig", config: Review) -> int:
    from taglens.review.start import export_review

    merged, files = export_review(review, config.conflicts, say=warn)
    for note in merged.notes(config.conflicts):
        warn(note)
    say(f"wrote {files.out}: {merged.applied:,} reviewed labels")
    output().print(files.retrain, soft_wrap=True, markup=False)
    return 0


def _serve(review: "ReviewConfig", config: Review) -> int:
    from taglens.recognizer import Recognizer
    from taglens.review.app import serve_review
    from taglens.review.pictures import ReviewPictures
    from taglens.review.start import one_at_a_time, open_review, train_again
    from taglens.web.hosts import is_loopback
    from taglens.web.server import listen

    listening = listen(config.host, config.port)
    with listening, one_at_a_time(review.files().journal):
        recognizer = Recognizer.load(config.run, device=device_name(config.device))
        session = open_review(review, recognizer, say=say, progress=sys.stderr.isatty())
        if not is_loopback(config.host):
            warn(f"everybody who can reach {config.host} can see the pictures and answer")
        pictures = ReviewPictures(session.state.table, recognizer)
        learning = _learning(review, recognizer, session)
        # a method trained by gradient listens for Ctrl-C, which only the main thread can
        train = partial(train_again, config.run) if learning is not None else None
        serve_review(session, pictures, listening, config.host, lambda url: _ready(url, config.browser), learning, train)
        _farewell(session, config)
    return 0


def _learning(review: "ReviewConfig", recognizer: "Recognizer", session: "ReviewSession") -> "LiveLearning | None":
    """Return what learns from the answers, its first fit begun; None, and said why, where nothing can."""
    from taglens.review.learner import find_learner
    from taglens.review.learning import LiveLearning
    from taglens.review.start import stored_features

    table = session.state.table
    try:
        from taglens.completion.fillable import count_fillable

        fillable = partial(count_fillable, table.classes)
    except ImportError:  # an extra
        fillable = None
    learn, why = find_learner(review.run, recognizer, table, lambda: stored_features(review, recognizer, table), fillable)
    if learn is None:
        say(why)
        return None
    learning = LiveLearning(session, learn)
    session.heard.append(learning.answered)
    learning.answered(0)
    return learning


def _ready(url: str, browser: bool) -> None:
    say(f"review at {url}   (Ctrl-C ends it; every answer is on disk)")
    if browser:
        webbrowser.open(url)


def _farewell(session: "ReviewSession", config: Review) -> None:
    progress, files = session.state.progress(), session.files
    say(f"{progress.answered:,} answers in {files.journal}; {progress.uncertain:,} uncertain and {progress.suspected:,} suspected left")
    images = () if files.options.images is None else ("--images", str(files.options.images))
    say_next("review", str(config.run), config.data, *images, "--export")

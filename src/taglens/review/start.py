"""From a run and some data to a review that can be served or exported, with the command that trains on what was answered."""

import dataclasses
import hashlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions, Part, read_data
from taglens.errors import JournalError, PictureError
from taglens.holding import hold
from taglens.labels.files.tables import READERS
from taglens.labels.names import align_classes
from taglens.labels.table import LabelTable
from taglens.outputs import LOCK
from taglens.review.journal import Header, Journal, read_journal, require_same
from taglens.review.journal_file import open_journal
from taglens.review.merge import Merge, Prefer, merge, require_answered
from taglens.review.session import ReviewFiles, ReviewSession, now, write_merged
from taglens.review.state import ReviewState
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.folder import find_config, read_config
from taglens.runs.tag_guarantees import weights_hash
from taglens.training.config import TrainConfig

if TYPE_CHECKING:
    from torch import Tensor

    from taglens.features.extract import StoredFeatures
    from taglens.recognizer import Recognizer
    from taglens.shapes import Features


@dataclass(frozen=True, kw_only=True)
class ReviewConfig:
    """What is reviewed, with which run."""

    run: Path
    data: str
    by: str
    """Name of the reviewer."""
    part: Part = "all"
    options: DataOptions = field(default_factory=DataOptions)
    journal: Path | None = None
    """None: beside the table."""
    out: Path | None = None
    """None: beside the table."""
    on_bad: OnBadImage = "error"
    cache: Path | None = None
    """Folder of the feature store; None: the user's."""

    def files(self) -> ReviewFiles:
        """Return the files of this review."""
        home, stem, suffix = _home(self.data)
        out = self.out or home / f"{stem}.reviewed{suffix}"
        return ReviewFiles(
            run=self.run,
            data=self.data,
            options=self.options,
            journal=self.journal or home / f"{stem}.review.jsonl",
            out=out,
            by=self.by,
            retrain=retrain_command(self.run, out),
        )


def names_hash(table: LabelTable) -> str:
    """Return the hash of a table's pictures and classes."""
    names = "\n".join([*table.images, "", *table.classes])
    return hashlib.blake2b(names.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@contextmanager
def one_at_a_time(journal: Path) -> Iterator[None]:
    """Hold the journal, so that no other review writes into it.

    Raises:
        JournalError: another review holds it.
    """
    busy = f"{journal} is in use by another taglens review; use its page, or choose another --journal"
    with hold(journal.with_name(f".{journal.name}{LOCK}"), JournalError(busy)):
        yield


def open_review(
    config: ReviewConfig,
    recognizer: "Recognizer",
    *,
    say: Callable[[str], None],
    progress: bool = True,
    probabilities: NDArray[np.float32] | None = None,
) -> ReviewSession:
    """Read table and journal, get the probabilities, and return the review.

    ``probabilities`` (image, label) are used where the caller has them already.

    Raises:
        TagLensError: table, pictures or journal cannot be used, or do not belong together.
    """
    table = align_classes(read_data(config.data, config.part, config.options), recognizer.classes)
    for warning in table.warnings:
        say(f"warning: {warning}")
    require_pictures(table)
    files = config.files()
    journal = open_journal(files.journal, _header(config, table))
    if journal.torn:
        say(f"{files.journal}: the last line was cut off by a kill before it was confirmed, and is left out")
    say_left_out(journal, files, say)
    for note in merge(table, journal.settled(), "table").notes("table"):
        say(note)
    scores = _scores(table, recognizer, config, progress) if probabilities is None else _Scores(probabilities, None)
    state = ReviewState(table, scores.probabilities, recognizer.thresholds, journal.entries, scores.deviations)
    return ReviewSession(files, state)


def export_review(config: ReviewConfig, prefer: Prefer, say: Callable[[str], None] = print) -> tuple[Merge, ReviewFiles]:
    """Merge the journal into the table and write it, without a model: the table's own classes are enough.

    Raises:
        TagLensError: table or journal cannot be used, do not belong together, or both changed a cell and ``prefer`` is "stop".
    """
    files = config.files()
    journal = read_journal(files.journal)
    table = read_data(config.data, "all", config.options)
    require_same(journal, _header(config, table), files.journal)
    say_left_out(journal, files, say)
    merged = merge(table, journal.settled(), prefer)
    require_answered(merged, journal.settled(), config.data)
    write_merged(merged, files)
    return merged, files


def say_left_out(journal: Journal, files: ReviewFiles, say: Callable[[str], None]) -> None:
    """Say which lines something else wrote into the journal while a review ran, if any."""
    if journal.left_out:
        lines = ", ".join(map(str, journal.left_out[:10])) + (" ..." if len(journal.left_out) > 10 else "")
        say(f"{files.journal}: {len(journal.left_out):,} lines that something else wrote there are no answers and left out: {lines}")


def require_pictures(table: LabelTable) -> None:
    """Raise PictureError if none of the pictures is where the table says: they were moved."""
    first = next((row for row in range(len(table)) if table.path(row).is_file()), None)
    if first is None and len(table):
        raise PictureError(
            f"none of the {len(table):,} pictures is where the table says, such as {table.path(0)}; name their folder with --images"
        )


class _Scores(NamedTuple):
    """What a model says of the cells, (image, label); NaN for unusable pictures."""

    probabilities: NDArray[np.float32]
    deviations: NDArray[np.float32] | None
    """Of the logits; None where nothing says them."""


def _scores(table: LabelTable, recognizer: "Recognizer", config: ReviewConfig, progress: bool) -> _Scores:
    """Return the probabilities that the table has for all unknown labels, else what the recogniser says."""
    known = table.probabilities
    if known is not None and not np.isnan(known[table.labels.unknown]).any():
        return _Scores(known, None)
    from taglens.runs.prepare import PreparedPart
    from taglens.runs.train import score_rows

    features = stored_features(config, recognizer, table, progress)
    part = PreparedPart.of(table, features)

    def everywhere(score: "Callable[[Features], Tensor] | None") -> NDArray[np.float32]:
        found = np.full(table.labels.shape, np.nan, np.float32)
        found[features.kept] = score_rows(recognizer, part, np.arange(len(features)), score=score)
        return found

    return _Scores(everywhere(None), everywhere(recognizer.deviations) if recognizer.method.has_deviations else None)


def stored_features(config: ReviewConfig, recognizer: "Recognizer", table: LabelTable, progress: bool = False) -> "StoredFeatures":
    """Return the features of the table's pictures, computing only what the store lacks.

    Raises:
        PictureError: a picture cannot be read, and the review does not leave such pictures out.
    """
    from taglens.features.extract import extract_features

    return extract_features(table, recognizer.backbone, store=config.cache, progress=progress, on_bad=config.on_bad)


def retrain_command(run: Path, table: Path) -> str:
    """Return a ``taglens train`` command with the run's own settings, or the defaults where the run does not say.

    Labels are not hidden again: the table says what is known.

    Args:
        run: folder of the run.
        table: the reviewed table.
    """
    config = find_config(run)
    words = ["taglens", "train", str(table), "--out", str(_next_name(run))]
    return shlex.join([*words, *(() if config is None else _options(config))])


def train_again(run: Path, table: Path) -> Path:
    """Train a new run on the exported table with the settings of ``run``, as :func:`retrain_command` would, and return its folder.

    Raises:
        TagLensError: the table, its pictures or the settings cannot be used.
    """
    from taglens.runs.train import train_run

    config = read_config(run)
    data = dataclasses.replace(config.data, data=str(table), options=DataOptions())
    out = _next_name(run)
    train_run(dataclasses.replace(config, data=data, known=None), out, progress=False, say=lambda line: None)
    return out


def _home(data: str) -> tuple[Path, str, str]:
    """Return folder, stem and suffix for files that belong to ``data``: beside a table, else in the working folder."""
    path = Path(data)
    if path.suffix.lower() in READERS:
        return path.parent, path.stem, path.suffix
    return Path(), data.partition(":")[0], ".csv"


def _header(config: ReviewConfig, table: LabelTable) -> Header:
    return Header(weights_hash(config.run), str(config.run), _table_name(config.data), names_hash(table), now())


def _table_name(data: str) -> str:
    return Path(data).name if Path(data).suffix.lower() in READERS else data


def _next_name(run: Path) -> Path:
    """Return the first of ``run-2``, ``run-3`` ... that is free."""
    stem, _, number = run.name.rpartition("-")
    base, first = (stem, int(number) + 1) if stem and number.isdigit() else (run.name, 2)
    return next(found for last in range(first, first + 10_000) if not (found := run.parent / f"{base}-{last}").exists())


def _options(config: RunConfig) -> Iterator[str]:
    """Yield the options of ``taglens train`` that stay the same for another table."""
    yield from ("--backbone", config.data.backbone)
    yield from _changed(config.data, DataConfig(data=""), ("image_size", "backbone_precision", "map", "views"))
    yield from ("--method", config.method)
    if config.method_options:
        yield "--method-options"
        for name, value in config.method_options.items():
            yield from (name, str(value).lower() if isinstance(value, bool | None) else str(value))
    training = [entry.name for entry in dataclasses.fields(TrainConfig)]
    yield from _changed(config.training, TrainConfig(), training, "training.")


def _changed(config: object, default: object, names: Sequence[str], prefix: str = "") -> Iterator[str]:
    for name in names:
        value = getattr(config, name)
        if isinstance(value, int | float | str) and value != getattr(default, name):
            yield from (f"--{prefix}{name.replace('_', '-')}", str(value))

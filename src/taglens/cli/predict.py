"""``taglens predict RUN IMAGES...``: probabilities, tags and heatmaps of any pictures."""

import os.path
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import tyro

from taglens.cli.console import progress, results_stream, say, warn
from taglens.cli.guaranteed import guaranteed_threshold, guarantees_of_run, require_share
from taglens.cli.options import Device, Run, device_name, require_free, require_run
from taglens.datasets.files import list_pictures, passed_over_words
from taglens.datasets.pictures import OnBadImage
from taglens.errors import OutputError, PictureError, RunError, TagLensError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from taglens.inference.predictor import PicturePrediction
    from taglens.recognizer import Recognizer


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Write each picture's probability of every class, and heatmaps of where it was seen.

    Prints CSV unless --out names a file; pictures are read as they come, so a folder of any size will do. For millions of pictures,
    archives, remote addresses and .onnx files there is `taglens bulk`.

        $ taglens predict runs/mine new-photos --out tags.csv --heatmaps heat
    """

    run: Run
    """Folder that `taglens train` made."""
    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES...")]
    """Pictures, folders (searched to the bottom) and globs in quotes."""
    out: Path | None = None
    """File to write; its suffix (.csv, .jsonl, .parquet) chooses the format."""
    format: Literal["csv", "tags", "jsonl", "parquet"] | None = None
    """csv: a probability column for each class; tags: image and tags such as dog|beach, readable as DATA again."""
    for_spreadsheets: bool = False
    """csv, tags: put an apostrophe before what a spreadsheet would compute, such as =cmd in a name; TagLens reads tags back without."""
    force: bool = False
    """Replace the file if it is there."""
    heatmaps: Path | None = None
    """Folder for pictures of where each tag was seen: the tags of a picture, or its most probable class if it has none."""
    classes: tuple[str, ...] = ()
    """Only these classes; their heatmaps are written whatever their probability."""
    threshold: float | None = None
    """A class is a tag where its probability is at least this; none: the run's own thresholds."""
    precision: float | None = None
    """Give tags of which at least this share is right, guaranteed at 90 % confidence for pictures like the training ones, all classes
    together; found once from the run's own labels, and an error where it cannot be."""
    uncertainty: bool = False
    """Also write how unsure the model is: the posterior standard deviation of each class's logit, in columns such as `cat (deviation)`."""
    on_bad_image: OnBadImage = "error"
    """Stop at an unreadable picture, or leave it out and say so."""
    batch: int = 32
    """Pictures encoded together."""
    device: Device = "auto"
    """Where to compute."""

    def __post_init__(self) -> None:
        if not self.images:
            raise TagLensError("no picture given; name pictures, folders or globs behind the run")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise TagLensError(f"--threshold must lie between 0 and 1, came {self.threshold}")
        require_share(self.precision)
        if self.precision is not None and self.threshold is not None:
            raise TagLensError("--precision finds its own threshold; leave out --threshold")
        if self.format == "parquet" and self.out is None:
            raise OutputError("parquet cannot be printed; pass --out FILE")
        if self.format == "tags" and self.uncertainty:
            raise OutputError("the tags form has no place for --uncertainty; choose --format csv, jsonl or parquet")


def run(config: Predict) -> int:
    """Predict and write."""
    if config.uncertainty and config.run.suffix == ".onnx":
        raise RunError(f"{config.run}: an exported file says no deviations; name the folder of the run that it was exported from")
    require_run(config.run)
    if config.out is not None:
        require_free(config.out, force=config.force)
    passed_over: Counter[str] = Counter()
    pictures = list_pictures(config.images, passed_over)
    pictures = chain([next(pictures)], pictures)  # the first one now: a wrong name is to be said at once, before anything is printed
    from taglens.holding import hold_folder
    from taglens.inference.writers import form_of, write_predictions
    from taglens.recognizer import Recognizer

    recognizer = Recognizer.load(config.run, device=device_name(config.device))
    if config.uncertainty:
        recognizer.require_deviations()
    columns = _columns(config.classes, recognizer.classes)
    thresholds = _thresholds(recognizer, config)
    names = [recognizer.classes[column] for column in columns]
    form = config.format or (form_of(config.out) if config.out else "csv")
    stream = _stream(recognizer, config, pictures, thresholds, columns)
    rows = (_of_columns(row, columns) for row in stream)
    if form == "tags" and config.out is not None:  # a table, so its names are relative to where it lies
        home = config.out.parent.resolve()
        rows = (replace(row, path=Path(os.path.relpath(row.path, home))) for row in rows)
    target: Path | IO[bytes] = config.out or results_stream()
    try:
        with nullcontext() if config.heatmaps is None else hold_folder(config.heatmaps):
            write_predictions(
                rows,
                names,
                thresholds[columns],
                target,
                form,
                uncertainty=config.uncertainty,
                force=config.force,
                for_spreadsheets=config.for_spreadsheets,
            )
    except KeyboardInterrupt as interruption:
        interruption.add_note(f"{config.out} was not written" if config.out else "the rows above are complete")
        raise
    if passed_over:
        warn(passed_over_words(passed_over))
    if config.out is not None:
        say(f"wrote {config.out}" + (f", heatmaps in {config.heatmaps}" if config.heatmaps else ""))
    return 0


def _stream(
    recognizer: "Recognizer", config: Predict, pictures: Iterable[Path], thresholds: "NDArray[np.float64]", columns: list[int]
) -> Iterator["PicturePrediction"]:
    from taglens.inference.heatmap_files import HeatmapFolder, save_heatmaps
    from taglens.inference.predictor import predict_pictures
    from taglens.metrics.threshold import shown_columns

    def skip(path: Path, error: PictureError) -> None:
        warn(f"left out: {error}")

    maps = config.heatmaps is not None
    stream = predict_pictures(
        recognizer,
        pictures,
        batch=config.batch,
        maps=maps,
        uncertainty=config.uncertainty,
        on_bad=config.on_bad_image,
        on_skip=skip,
    )
    if config.heatmaps is not None:
        folder = HeatmapFolder(config.heatmaps, recognizer.classes)

        def shown(probabilities: "NDArray[np.float32]") -> list[int]:
            return columns if config.classes else shown_columns(probabilities, thresholds)

        stream = save_heatmaps(stream, folder, shown, recognizer.backbone.transform)
    return progress(stream, "predicting")


def _of_columns(row: "PicturePrediction", columns: list[int]) -> "PicturePrediction":
    deviations = None if row.deviations is None else row.deviations[columns]
    return replace(row, probabilities=row.probabilities[columns], deviations=deviations)


def _columns(chosen: tuple[str, ...], classes: tuple[str, ...]) -> list[int]:
    for name in chosen:
        if name not in classes:
            raise unknown_name("class", name, classes)
    return [classes.index(name) for name in chosen or classes]


def _thresholds(recognizer: "Recognizer", config: Predict) -> "NDArray[np.float64]":
    import numpy as np

    threshold = config.threshold
    if config.precision is not None:
        threshold = guaranteed_threshold(guarantees_of_run(config.run, device_name(config.device)), config.precision)
    return np.broadcast_to(np.asarray(recognizer.thresholds if threshold is None else threshold, np.float64), len(recognizer.classes))

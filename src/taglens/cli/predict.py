"""``taglens predict RUN IMAGES...``: probabilities, tags and heatmaps of any pictures."""

import os.path
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import tyro

from taglens.cli.bulk import require_bulk_options, run_bulk
from taglens.cli.console import progress, say, warn
from taglens.cli.options import Device, OnBadImage, Run, device_name, require_free, require_run
from taglens.datasets.files import list_pictures
from taglens.errors import OutputError, PictureError, TagLensError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from taglens.inference.predictor import PicturePrediction
    from taglens.recognizer import Recognizer


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Write each picture's probability of every class, and heatmaps of where it was seen.

    Prints CSV unless --out names a file; pictures are read as they come, so a folder of any size will do. With --shards the output is a
    folder of Parquet files, RUN may be an exported .onnx file, IMAGES may also be tar archives (WebDataset), Parquet files with pictures
    in a column, and addresses such as s3://bucket/photos; an unreadable picture gets a row with the reason. Killed and started again,
    the same command goes on where it was.

        $ taglens predict runs/mine new-photos --out tags.csv --heatmaps heat
        $ taglens predict runs/mine new-photos --shards 1000 --out predictions
    """

    run: Run
    """Folder that `taglens train` made."""
    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES...")]
    """Pictures, folders (searched to the bottom) and globs in quotes."""
    out: Path | None = None
    """File to write; its suffix (.csv, .jsonl, .parquet) chooses the format."""
    format: Literal["csv", "tags", "jsonl", "parquet"] | None = None
    """csv: a probability column for each class; tags: image and tags such as dog|beach, readable as DATA again."""
    force: bool = False
    """Replace the file if it is there."""
    heatmaps: Path | None = None
    """Folder for pictures of where each tag was seen: the tags of a picture, or its most probable class if it has none."""
    classes: tuple[str, ...] = ()
    """Only these classes; their heatmaps are written whatever their probability."""
    threshold: float | None = None
    """A class is a tag where its probability is at least this; none: the run's own thresholds."""
    on_bad_image: OnBadImage = "error"
    """Stop at an unreadable picture, or leave it out and say so."""
    batch: int = 32
    """Pictures encoded together."""
    device: Device = "auto"
    """Where to compute."""
    shards: int | None = None
    """Write a folder of Parquet files with this many pictures each (an archive, or a row group of a Parquet file, stays whole)."""
    engine: Literal["local", "ray"] = "local"
    """With --shards: this process alone, or Ray's workers on one machine or many."""
    workers: int = 1
    """With --engine ray: how many workers."""
    threads: int | None = None
    """With --shards: cores that one batch may use; none: all, or one for each of Ray's workers."""

    def __post_init__(self) -> None:
        if not self.images:
            raise TagLensError("no picture given; name pictures, folders or globs behind the run")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise TagLensError(f"--threshold must lie between 0 and 1, came {self.threshold}")
        if self.format == "parquet" and self.out is None:
            raise OutputError("parquet cannot be printed; pass --out FILE")
        require_bulk_options(self)


def run(config: Predict) -> int:
    """Predict and write."""
    if config.shards is not None:
        return run_bulk(config)
    require_run(config.run)
    if config.out is not None:
        require_free(config.out, force=config.force)
    pictures = list_pictures(config.images)
    pictures = chain([next(pictures)], pictures)  # the first one now: a wrong name is to be said at once, before anything is printed
    from taglens.inference.writers import form_of, write_predictions
    from taglens.recognizer import Recognizer

    recognizer = Recognizer.load(config.run, device=device_name(config.device))
    places = _places(config.classes, recognizer.classes)
    thresholds = _thresholds(recognizer, config.threshold)
    names = [recognizer.classes[place] for place in places]
    form = config.format or (form_of(config.out) if config.out else "csv")
    rows = _only(_stream(recognizer, config, pictures, thresholds, places), places)
    if form == "tags" and config.out is not None:  # a table, so its names are relative to where it lies
        home = config.out.parent.resolve()
        rows = (replace(row, path=Path(os.path.relpath(row.path, home))) for row in rows)
    target: Path | IO[bytes] = config.out or sys.stdout.buffer
    try:
        write_predictions(rows, names, thresholds[places], target, form, force=config.force)
    except KeyboardInterrupt as interruption:
        interruption.add_note(f"{config.out} was not written" if config.out else "the rows above are complete")
        raise
    if config.out is not None:
        say(f"wrote {config.out}" + (f", heatmaps in {config.heatmaps}" if config.heatmaps else ""))
    return 0


def _stream(
    recognizer: "Recognizer", config: Predict, pictures: Iterable[Path], thresholds: "NDArray[np.float64]", places: list[int]
) -> Iterator["PicturePrediction"]:
    from taglens.inference.heatmap_files import HeatmapFolder, save_heatmaps
    from taglens.inference.predictor import predict_pictures

    def skip(path: Path, error: PictureError) -> None:
        warn(f"left out: {error}")

    maps = config.heatmaps is not None
    stream = predict_pictures(recognizer, pictures, batch=config.batch, maps=maps, on_bad=config.on_bad_image, on_skip=skip)
    if config.heatmaps is not None:
        folder = HeatmapFolder(config.heatmaps, recognizer.classes)
        shown = _Shown(thresholds, places if config.classes else None)
        stream = save_heatmaps(stream, folder, shown, recognizer.backbone.transform)
    return progress(stream, "predicting")


@dataclass(frozen=True)
class _Shown:
    """Chooses the classes whose heatmaps are written."""

    thresholds: "NDArray[np.float64]"
    places: list[int] | None

    def __call__(self, probabilities: "NDArray[np.float32]") -> list[int]:
        if self.places is not None:
            return self.places
        from taglens.metrics.threshold import tag_places

        return tag_places(probabilities, self.thresholds) or [int(probabilities.argmax())]


def _only(rows: Iterable["PicturePrediction"], places: list[int]) -> Iterator["PicturePrediction"]:
    return (replace(row, probabilities=row.probabilities[places]) for row in rows)


def _places(chosen: tuple[str, ...], classes: tuple[str, ...]) -> list[int]:
    for name in chosen:
        if name not in classes:
            raise unknown_name("class", name, classes)
    return [classes.index(name) for name in chosen or classes]


def _thresholds(recognizer: "Recognizer", threshold: float | None) -> "NDArray[np.float64]":
    import numpy as np

    return np.broadcast_to(np.asarray(recognizer.thresholds if threshold is None else threshold, np.float64), len(recognizer.classes))

"""Features of many pictures: taken from the store where they are, computed and stored where they are not."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from taglens.backbones.backbone import Backbone
from taglens.datasets.pictures import OnBadImage
from taglens.errors import OutputError, TagLensError, unknown_name
from taglens.features.digests import DigestMemory, Read
from taglens.features.in_memory import MemoryStore
from taglens.features.location import DESCRIPTION, features_folder
from taglens.features.pipeline import Chunk, PictureFile, WorkerPlan, run_pipeline
from taglens.features.store import FeatureStore, Key
from taglens.labels.table import LabelTable
from taglens.outputs import read_object, require_space
from taglens.shapes import Features

logger = logging.getLogger(__name__)

MEMORY = "pictures.sqlite"


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """Features of a list of pictures, in its order, without those that were skipped."""

    store: FeatureStore | MemoryStore
    rows: NDArray[np.int64]
    """(picture, view) row in the store."""
    kept: NDArray[np.int64]
    """Which of the pictures asked for these are."""
    skipped: list[tuple[Path, str]]
    """Pictures that cannot be used, with the reason."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def views(self) -> int:
        """Views of each picture."""
        return int(self.rows.shape[1])

    def gather(
        self, index: NDArray[np.int64] | Sequence[int], views: NDArray[np.int64] | int = 0, device: torch.device | str = "cpu"
    ) -> Features:
        """Return the features of these pictures, counted among the kept ones.

        Args:
            index: (batch,) positions in this list.
            views: one view for all, or one for each.
            device: where to put them.
        """
        return self.store.gather(self.rows[np.asarray(index, dtype=np.int64), views], device)


def open_store(backbone: Backbone, cache: Path | None = None) -> FeatureStore:
    """Return the store of this backbone, transform, precision and map in a cache folder (default: the user's)."""
    rows, columns = backbone.grid()
    # plain maps are older than the choice: their stores stay where they are
    other = "" if backbone.map == "plain" else f"-{backbone.map}"
    folder = features_folder(cache) / f"{backbone.fingerprint[:16]}-{backbone.transform.key}-{backbone.precision}{other}"
    description = {
        "backbone": backbone.spec,
        "transform": backbone.transform.to_json(),
        "precision": backbone.precision,
        "map": backbone.map,
    }
    return FeatureStore.open(folder, positions=rows * columns, channels=backbone.channels, description=description)


def extract_features(
    pictures: LabelTable | Sequence[Path | str],
    backbone: Backbone,
    *,
    store: FeatureStore | Path | None = None,
    batch: int | None = None,
    views: int = 1,
    progress: bool = True,
    on_bad: OnBadImage = "error",
    workers: int | None = None,
) -> StoredFeatures:
    """Return the pictures' features, computing only what the store lacks.

    Pictures are found by content: a moved or renamed file is not computed again. Interrupted work stays in the store.

    Args:
        pictures: a table, or paths.
        backbone: the frozen encoder, on the device to use.
        store: a store, or the cache folder to open one in; None for the user's cache.
        batch: pictures per encoder pass; None for a size that suits the device.
        views: 1 for the pictures as they are, 2 with mirror images, more with seeded crops.
        progress: show a progress bar.
        on_bad: raise an error for a picture that cannot be read, or skip it.
        workers: threads; None for one per core.

    Raises:
        PictureError: a picture cannot be read and ``on_bad`` is ``error``; what was finished before stays.
        OutputError: not enough disk, or the store holds another of a ViT's maps.
        TagLensError: an option is out of range.
    """
    if on_bad not in get_args(OnBadImage):
        raise unknown_name("choice for bad pictures", on_bad, get_args(OnBadImage))
    if views < 1 or (batch is not None and batch < 1) or (workers is not None and workers < 1):
        raise TagLensError(f"views, batch and workers must be at least 1, came {views}, {batch} and {workers}")
    paths = [pictures.path(row) for row in range(len(pictures))] if isinstance(pictures, LabelTable) else [Path(path) for path in pictures]
    opened = _same_map(store, backbone) if isinstance(store, FeatureStore) else open_store(backbone, store)
    digests, reasons = _complete(
        paths, backbone, opened, views, WorkerPlan.for_machine(backbone.device, batch, workers), progress=progress, strict=on_bad == "error"
    )
    kept = np.array([number for number, path in enumerate(paths) if path not in reasons], dtype=np.int64)
    rows = opened.rows(Key(digests[paths[number]], view) for number in kept for view in range(views)).reshape(-1, views)
    return StoredFeatures(opened, rows, kept, [(path, reasons[path]) for path in dict.fromkeys(paths) if path in reasons])


def _same_map(store: FeatureStore, backbone: Backbone) -> FeatureStore:
    """Return the store; OutputError if it holds another map than the backbone gives. Maps of all kinds have the same shape."""
    path = store.folder / DESCRIPTION
    held = read_object(path, kind=OutputError, damaged=f"delete the folder {store.folder}, it is only a cache").get("map", "plain")
    if held != backbone.map:
        raise OutputError(f"{store.folder} holds the map {held!r}, and this backbone gives {backbone.map!r}; open its own with open_store")
    return store


def _complete(
    paths: Sequence[Path], backbone: Backbone, store: FeatureStore, views: int, plan: WorkerPlan, *, progress: bool, strict: bool
) -> tuple[dict[Path, bytes], dict[Path, str]]:
    """Bring every picture's features into the store; return the pictures' hashes and the reasons of those left out."""
    # The memory of hashes lies beside the stores and serves all of them.
    memory = DigestMemory(store.folder.parent / MEMORY)
    unique = list(dict.fromkeys(paths))
    digests = {path: digest for path, digest in zip(unique, memory.lookup(unique), strict=True) if digest is not None}
    if not _missing_files(unique, digests, store, views):
        return digests, {}
    reasons: dict[Path, str] = {}
    with store.writing(), progress_bar(progress) as bar:
        files = _missing_files(unique, digests, store, views)
        fresh = _likely_new(files, memory, store, views)
        require_space(store.folder, fresh * views * store.row_bytes, f"the features of {fresh:,} pictures")
        task = bar.add_task("reading pictures", total=len(files), rate="")
        with closing(run_pipeline(files, backbone, store.missing, plan)) as chunks, _remembering(memory) as reads:
            for chunk in chunks:
                store.append([key for done in chunk.pictures for key in done.keys], chunk.values)
                good = [done for done in chunk.pictures if done.error is None]
                digests.update({done.file.path: done.digest for done in good})
                reads.extend(Read(done.file.path, done.stamp, done.digest) for done in good)
                _note_bad(chunk, reasons, strict=strict)
                _advance(bar, task, len(chunk.pictures))
    if reasons:
        logger.warning("%d of %d pictures cannot be used and are left out", len(reasons), len(unique))
    return digests, reasons


def _missing_files(paths: Sequence[Path], digests: dict[Path, bytes], store: FeatureStore, views: int) -> list[PictureFile]:
    """Return the files that must be read: those of unknown content and those with a view missing."""
    return [
        PictureFile(path, views)
        for path in paths
        if path not in digests or store.missing(Key(digests[path], view) for view in range(views))
    ]


def _likely_new(files: Sequence[PictureFile], memory: DigestMemory, store: FeatureStore, views: int) -> int:
    """Count the files whose features are not there, unless their content is what it was: a restored folder has new stamps only."""
    paths = [file.path for file in files]
    last = {path: digest for path, digest in zip(paths, memory.last(paths), strict=True) if digest is not None}
    return len(_missing_files(paths, last, store, views))


@contextmanager
def _remembering(memory: DigestMemory) -> Iterator[list[Read]]:
    """Collect the files that were read; they are remembered at the end, however it comes."""
    reads: list[Read] = []
    try:
        yield reads
    except KeyboardInterrupt as interruption:
        interruption.add_note("the pictures that were read are kept; the same command goes on from there")
        raise
    finally:
        memory.add(reads)


def _note_bad(chunk: Chunk, reasons: dict[Path, str], *, strict: bool) -> None:
    for done in chunk.pictures:
        if done.error is not None and strict:
            raise done.error
        if done.error is not None:
            reasons[done.file.path] = str(done.error)


@contextmanager
def progress_bar(shown: bool) -> Iterator[Progress]:
    """Show how far pictures are read, on a terminal; tasks have a field ``rate``."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    # Standard output belongs to results; a log file needs no bar.
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        yield bar


def _advance(bar: Progress, task: TaskID, count: int) -> None:
    bar.advance(task, count)
    bar.update(task, rate=f"{bar.tasks[task].speed or 0:.0f} pictures/s")

"""Read, decode and encode pictures on all cores at once.

Every worker thread takes a chunk of pictures through all steps. On a CPU each worker also encodes its chunk, with its share of the
cores: decoding and encoding then never wait for each other. On a GPU the workers take turns at it.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from taglens.backbones.backbone import Backbone
from taglens.datasets.transforms import picture_view
from taglens.errors import PictureError
from taglens.features.digests import Stamp, content_digest, stamp_of
from taglens.features.store import Key
from taglens.parallel import cores

MOST_WORKERS = 16
BATCH_CPU, BATCH_GPU = 16, 64
"""Sixteen pictures keep a small tower's maps in a core's cache: measured fastest of 8, 16, 32 and 64."""
TURNS_ON_GPU = 2
LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class PictureFile:
    """One picture file to be read."""

    path: Path
    views: int


@dataclass(frozen=True)
class EncodedFile:
    """One picture file that was read."""

    file: PictureFile
    stamp: Stamp | None
    digest: bytes = b""
    keys: tuple[Key, ...] = ()
    """Views that were encoded; those in the store already are left out."""
    error: PictureError | None = None


@dataclass(frozen=True)
class Chunk:
    """Pictures that went through together."""

    pictures: list[EncodedFile]
    values: NDArray[np.float16]
    """(row, 1 + position, channel): one row for each key of the pictures, in order."""


@dataclass(frozen=True)
class WorkerPlan:
    """Worker threads and the cores each may use for one encoder pass."""

    workers: int
    threads: int
    turns: int
    batch: int

    @classmethod
    def for_machine(cls, device: torch.device, batch: int | None = None, workers: int | None = None) -> "WorkerPlan":
        """Return the plan for this machine: one worker per core, at most 16."""
        workers = workers or min(cores(), MOST_WORKERS)
        if device.type == "cpu":
            return cls(workers, max(1, cores() // workers), workers, batch or BATCH_CPU)
        return cls(workers, 1, TURNS_ON_GPU, batch or BATCH_GPU)


def run_pipeline(
    files: Sequence[PictureFile], backbone: Backbone, known: Callable[[Iterable[Key]], list[Key]], plan: WorkerPlan
) -> Generator[Chunk, None, None]:
    """Yield the files' chunks in order; closing the iterator stops the work.

    Args:
        files: picture files with the number of views wanted.
        backbone: encodes them.
        known: returns those of some keys that are still missing in the store.
        plan: how many hands.
    """
    turns = threading.Semaphore(plan.turns)
    before = torch.get_num_threads()

    def work(part: Sequence[PictureFile]) -> Chunk:
        pixels: list[NDArray[np.uint8]] = []
        pictures = [_read(file, backbone, known, pixels) for file in part]
        return Chunk(pictures, encode_pixels(pixels, backbone, turns, plan.batch))

    pool = ThreadPoolExecutor(plan.workers, thread_name_prefix="taglens", initializer=torch.set_num_threads, initargs=(plan.threads,))
    waiting: deque[Future[Chunk]] = deque()
    views = max((file.views for file in files), default=1)
    size = max(1, plan.batch // views)
    parts = iter([files[start : start + size] for start in range(0, len(files), size)])
    try:
        for part in islice(parts, 2 * plan.workers):
            waiting.append(pool.submit(work, part))
        while waiting:
            yield waiting.popleft().result()
            for part in islice(parts, 1):
                waiting.append(pool.submit(work, part))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def _read(
    file: PictureFile, backbone: Backbone, known: Callable[[Iterable[Key]], list[Key]], pixels: list[NDArray[np.uint8]]
) -> EncodedFile:
    """Read and decode a file; the pixels of its missing views are appended to ``pixels``."""
    stamp = stamp_of(file.path)
    try:
        content = _content(file.path)
        digest = content_digest(content)
        missing = known(Key(digest, view) for view in range(file.views))
        if missing:
            picture = backbone.transform.open(content, name=str(file.path))
            pixels.extend([np.asarray(backbone.transform.resized(picture_view(picture, key.view, digest))) for key in missing])
        return EncodedFile(file, stamp, digest, tuple(missing))
    except PictureError as error:
        return EncodedFile(file, stamp, error=error)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path}: picture not found; check the name and the images folder (--images)") from error
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); check the file and its rights") from error


def encode_pixels(pixels: list[NDArray[np.uint8]], backbone: Backbone, turns: threading.Semaphore, batch: int) -> NDArray[np.float16]:
    """Return (row, 1 + position, channel), the pooled vector first, of pictures that were resized; ``turns`` limits who encodes."""
    if not pixels:
        return np.empty((0, 0, 0), dtype=np.float16)
    stacked = torch.from_numpy(np.stack(pixels))
    rows = []
    with torch.inference_mode():
        for part in torch.split(stacked, batch):
            ready = part.pin_memory() if backbone.device.type == "cuda" else part
            with turns:
                features = backbone.features(backbone.normalise(ready))
                both = torch.cat([features.pooled[:, None], features.map], dim=1).clamp_(-LARGEST_HALF, LARGEST_HALF)
                rows.append(both.half().cpu().numpy())
    return rows[0] if len(rows) == 1 else np.concatenate(rows)

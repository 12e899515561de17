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
from taglens.errors import PictureError
from taglens.features.digests import Stamp, content_digest, stamp_of
from taglens.features.store import Key
from taglens.features.views import picture_view
from taglens.parallel import cores

MOST_WORKERS = 16
BATCH_CPU, BATCH_GPU = 16, 64
"""Sixteen pictures keep a small tower's maps in a core's cache: measured fastest of 8, 16, 32 and 64."""
TURNS_ON_GPU = 2
LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class Job:
    """One picture file to be read."""

    path: Path
    views: int


@dataclass(frozen=True)
class Done:
    """One picture file that was read."""

    job: Job
    stamp: Stamp | None
    digest: bytes = b""
    keys: tuple[Key, ...] = ()
    """Views that were encoded; those in the store already are left out."""
    error: PictureError | None = None


@dataclass(frozen=True)
class Chunk:
    """Pictures that went through together."""

    pictures: list[Done]
    values: NDArray[np.float16]
    """(row, 1 + position, channel): one row for each key of the pictures, in order."""


@dataclass(frozen=True)
class Crew:
    """Worker threads and the cores each may use for one encoder pass."""

    workers: int
    threads: int
    turns: int
    batch: int

    @classmethod
    def for_machine(cls, device: torch.device, batch: int | None = None, workers: int | None = None) -> "Crew":
        """Return the crew for this machine: one worker per core, at most 16."""
        workers = workers or min(cores(), MOST_WORKERS)
        if device.type == "cpu":
            return cls(workers, max(1, cores() // workers), workers, batch or BATCH_CPU)
        return cls(workers, 1, TURNS_ON_GPU, batch or BATCH_GPU)


def run_pipeline(
    jobs: Sequence[Job], backbone: Backbone, known: Callable[[Iterable[Key]], list[Key]], crew: Crew
) -> Generator[Chunk, None, None]:
    """Yield the jobs' chunks in order; closing the iterator stops the work.

    Args:
        jobs: picture files with the number of views wanted.
        backbone: encodes them.
        known: returns those of some keys that are still missing in the store.
        crew: how many hands.
    """
    turns = threading.Semaphore(crew.turns)
    before = torch.get_num_threads()

    def work(part: Sequence[Job]) -> Chunk:
        pixels: list[NDArray[np.uint8]] = []
        pictures = [_read(job, backbone, known, pixels) for job in part]
        return Chunk(pictures, _encode(pixels, backbone, turns, crew.batch))

    pool = ThreadPoolExecutor(crew.workers, thread_name_prefix="taglens", initializer=torch.set_num_threads, initargs=(crew.threads,))
    waiting: deque[Future[Chunk]] = deque()
    views = max((job.views for job in jobs), default=1)
    size = max(1, crew.batch // views)
    parts = iter([jobs[start : start + size] for start in range(0, len(jobs), size)])
    try:
        for part in islice(parts, 2 * crew.workers):
            waiting.append(pool.submit(work, part))
        while waiting:
            yield waiting.popleft().result()
            for part in islice(parts, 1):
                waiting.append(pool.submit(work, part))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def _read(job: Job, backbone: Backbone, known: Callable[[Iterable[Key]], list[Key]], pixels: list[NDArray[np.uint8]]) -> Done:
    """Read and decode a file; the pixels of its missing views are appended to ``pixels``."""
    stamp = stamp_of(job.path)
    try:
        content = _content(job.path)
        digest = content_digest(content)
        missing = known(Key(digest, view) for view in range(job.views))
        if missing:
            picture = backbone.transform.open(content, name=str(job.path))
            pixels.extend([np.asarray(backbone.transform.resized(picture_view(picture, key.view, digest))) for key in missing])
        return Done(job, stamp, digest, tuple(missing))
    except PictureError as error:
        return Done(job, stamp, error=error)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path}: picture not found; check the name and the images folder (--images)") from error
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); check the file and its rights") from error


def _encode(pixels: list[NDArray[np.uint8]], backbone: Backbone, turns: threading.Semaphore, batch: int) -> NDArray[np.float16]:
    """Return (row, 1 + position, channel), the pooled vector first."""
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

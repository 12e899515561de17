"""What the files of pictures say beside their pixels: a hash of their content, and when they were taken."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from taglens.datasets.pictures import taken_at
from taglens.errors import PictureError
from taglens.labels.grouping import time_in_name

Found = TypeVar("Found")
_AT_ONCE = 1024


def content_hashes(paths: Sequence[Path], threads: int = 4) -> Iterator[bytes]:
    """Yield a hash of the content of each file.

    Raises:
        PictureError: a file that is missing or cannot be read.
    """
    yield from _each(_content_hash, paths, threads)


def capture_times(paths: Sequence[Path], threads: int = 4) -> Iterator[float | None]:
    """Yield when each picture was taken, in seconds, by its EXIF data or else its name; None where neither says.

    Raises:
        PictureError: a file that is missing, empty or not a picture.
    """
    yield from _each(_capture_time, paths, threads)


def _each(work: Callable[[Path], Found], paths: Sequence[Path], threads: int) -> Iterator[Found]:
    with ThreadPoolExecutor(threads) as pool:
        left = iter(paths)
        while part := list(islice(left, _AT_ONCE)):  # in parts: a stop is not kept waiting for a million pictures
            yield from pool.map(work, part)


def _content_hash(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except FileNotFoundError as error:
        raise PictureError(f"{path}: picture not found; check the name and the images folder (--images)") from error
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); check the file and its rights") from error


def _capture_time(path: Path) -> float | None:
    taken = taken_at(path)
    return time_in_name(path.name) if taken is None else taken

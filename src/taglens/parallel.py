"""What the machine gives this process: its cores, its memory, and pictures decoded ahead on them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from taglens.errors import PictureError

Source = TypeVar("Source")
Number = TypeVar("Number", bound=np.generic)
CONTAINER = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container may use."""


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_here() -> int | None:
    """Return the bytes of memory that this process may use; None where the system does not say it."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):
        return None
    for path in CONTAINER:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no container, or one without a limit
            continue
    return min(found)


def decode_ahead(
    sources: Iterable[Source], decode: Callable[[Source], NDArray[Number]], *, ahead: int, threads: int | None = None
) -> Iterator[tuple[Source, NDArray[Number] | PictureError]]:
    """Yield each source (a path, or a file's content) with its decoded picture, or with the error, in their order.

    Args:
        sources: read lazily; never more than ``ahead`` of them are decoded and not yet taken.
        decode: opens one picture; its PictureError is handed on, any other error is raised.
        ahead: how many pictures may wait in memory.
        threads: default one for each processor, at most 16.
    """
    left = iter(sources)
    waiting: deque[tuple[Source, Future[NDArray[Number]]]] = deque()
    pool = ThreadPoolExecutor(threads or min(16, cores()), thread_name_prefix="decode")
    try:
        waiting.extend((source, pool.submit(decode, source)) for source in islice(left, max(1, ahead)))
        while waiting:
            source, future = waiting.popleft()
            yield source, _picture_or_error(future)
            waiting.extend((following, pool.submit(decode, following)) for following in islice(left, 1))
    finally:
        # An interruption must not decode what nobody will read; nor wait, since the last owner of this generator may let go of it
        # in one of the pool's own threads.
        pool.shutdown(wait=False, cancel_futures=True)


def readable(
    decoded: Iterable[tuple[Source, NDArray[Number] | PictureError]], skip: Callable[[Source, PictureError], None] | None = None
) -> Iterator[tuple[Source, NDArray[Number]]]:
    """Yield what :func:`decode_ahead` could decode; tell ``skip`` of the others.

    Raises:
        PictureError: a picture cannot be read, and there is no ``skip``.
    """
    for source, picture in decoded:
        if not isinstance(picture, PictureError):
            yield source, picture
        elif skip is None:
            raise picture
        else:
            skip(source, picture)


def _picture_or_error(future: "Future[NDArray[Number]]") -> NDArray[Number] | PictureError:
    try:
        return future.result()
    except PictureError as error:
        return error

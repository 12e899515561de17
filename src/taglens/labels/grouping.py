"""Which pictures belong together, so that no division parts them: by a name, a folder, or because they were taken one after the other.

Every rule gives links, pairs of pictures; those that a chain of links connects are one group.
"""

import posixpath
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TableError, TagLensError

Link = tuple[int, int]
"""Two pictures that belong together."""
_TIME = re.compile(r"(?<!\d)((?:19|20)\d{6})[_-]?(\d{6})(\d{3})?(?!\d)")
"""Date and time in the names that cameras and phones give: IMG_20240131_235959, PXL_20240131_235959123."""
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
_LARGEST_RUN = 0.5
"""Share of all pictures from which consecutive numbers are the count of a collection, not bursts."""


def linked(count: int, links: Iterable[Link]) -> NDArray[np.int64]:
    """Return the number of the group of each of ``count`` pictures, from 0, in the order of their first pictures."""
    parents = list(range(count))

    def root(picture: int) -> int:
        while parents[picture] != picture:
            parents[picture] = parents[parents[picture]]
            picture = parents[picture]
        return picture

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parents[second] = first
    roots = [root(picture) for picture in range(count)]
    numbers = {found: number for number, found in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[found] for found in roots], dtype=np.int64)


def with_same(keys: Iterable[Hashable | None]) -> Iterator[Link]:
    """Yield the links of pictures with the same key; those without one stand alone."""
    first: dict[Hashable, int] = {}
    for picture, key in enumerate(keys):
        if key is not None and (earlier := first.setdefault(key, picture)) != picture:
            yield earlier, picture


def folder_keys(names: Sequence[str]) -> list[str]:
    """Return the folder of each picture.

    Raises:
        TableError: all lie in one.
    """
    found = [_posix(name).rpartition("/")[0] for name in names]
    if len(set(found)) < 2:
        raise TableError(
            f"--by folder: all {len(names):,} pictures lie in one folder, {found[0] or '.' if found else '.'!r}; group them otherwise"
        )
    return found


def pattern_keys(names: Sequence[str], pattern: str) -> list[str | None]:
    """Return what ``pattern`` finds in each name: its brackets' contents if it has any, else all of it; None where it finds nothing.

    Raises:
        TagLensError: no regular expression, or none that finds anything.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise TagLensError(f"--by name:{pattern}: not a regular expression ({error}); expected such as name:'patient(\\d+)'") from error
    matches = [compiled.search(_posix(name)) for name in names]
    if not any(matches):
        shown = ", ".join(map(repr, names[:3]))
        raise TagLensError(f"--by name:{pattern}: found in none of the {len(names):,} names such as {shown}")
    # The length of each piece keeps ("a", "bc") and ("ab", "c") apart.
    return [None if found is None else repr(found.groups() or found[0]) for found in matches]


def time_in_name(name: str) -> float | None:
    """Return the seconds of the date and time that a file's name holds; None without one.

    >>> time_in_name("a/IMG_20240131_235959.jpg") is not None, time_in_name("20249999_000000.jpg")
    (True, None)
    """
    found = _TIME.search(posixpath.basename(_posix(name)))
    if found is None:
        return None
    try:
        taken = datetime.strptime(found[1] + found[2], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return (taken - datetime(1970, 1, 1)).total_seconds() + int(found[3] or 0) / 1000


def burst_links(names: Sequence[str], times: Sequence[float | None], gap: float) -> list[Link]:
    """Return the links of pictures in one folder that follow each other.

    Those with a time, in seconds: taken at most ``gap`` after the one before. Those without: numbered one after the other, such as
    clip_007.jpg and clip_008.jpg, with the same name around the last number.

    Raises:
        TableError: numbers that run through most of the pictures, which says nothing of bursts.
    """
    timed: dict[str, list[tuple[float, str, int]]] = {}
    numbered: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for picture, (name, time) in enumerate(zip(names, times, strict=True)):
        folder, _, own = _posix(name).rpartition("/")
        if time is not None:
            timed.setdefault(folder, []).append((time, own, picture))
        elif (parts := _NUMBERED.fullmatch(own.rpartition(".")[0] or own)) is not None:
            numbered.setdefault((f"{folder}/{parts[1]}", parts[3]), []).append((int(parts[2]), picture))
    links = [link for found in timed.values() for link in _in_order([(time, picture) for time, _, picture in sorted(found)], gap)]
    by_number = [link for found in numbered.values() for link in _in_order(sorted(found), 1)]
    longest = int(np.bincount(linked(len(names), by_number)).max()) if names else 0
    if longest > max(2, _LARGEST_RUN * len(names)):
        raise TableError(
            f"--by burst: {longest:,} of the {len(names):,} pictures are numbered one after the other and say no time: the numbers count "
            "the collection, not bursts; group otherwise: by folder, near-duplicates, a column, or name:REGEX"
        )
    return links + by_number


def _in_order(found: Sequence[tuple[float, int]], gap: float) -> Iterator[Link]:
    for (before, one), (after, other) in pairwise(found):
        if after - before <= gap:
            yield one, other


def _posix(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/"))

"""Finding pictures on disk from files, folders and globs, one after the other, and counting what lies beside them."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from taglens.errors import PictureError

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2", ".ppm", ".pgm",
     ".tga")
)  # fmt: skip
"""In small letters."""


def list_pictures(paths: Iterable[Path | str], passed_over: Counter[str] | None = None) -> Iterator[Path]:
    """Yield the pictures that ``paths`` (files, folders, globs such as ``photos/**/*.jpg``) mean, in that order.

    A folder gives every file in it and below whose suffix is a picture's, sorted within each folder; it is walked while the
    pictures are used, so a million of them need no memory. Linked folders come behind the others, each folder once. A file that is named
    is taken whatever its suffix. ``passed_over`` counts the other files by suffix, "" for none; hidden ones are not looked at.

    Raises:
        PictureError: a path that does not exist, or a folder or glob without any picture.
    """
    counted: Counter[str] = Counter() if passed_over is None else passed_over
    for path in map(Path, paths):
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _some(_walk(path, counted), f"{path}: no picture in the folder; expected files such as .jpg or .png", counted)
        elif glob.has_magic(str(path)):
            yield from _some(_matches(path, counted), f"{path}: no picture matches; check the pattern, in quotes", counted)
        else:
            raise PictureError(f"{path}: not found; expected a picture, a folder or a glob such as 'photos/*.jpg'")


def is_picture_name(name: str) -> bool:
    """Tell whether a file looks like a picture by its suffix, and is not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def passed_over_words(counted: Counter[str]) -> str:
    """Return what people read about files that are no pictures by their suffix; "" for none.

    >>> passed_over_words(Counter({".txt": 1200, "": 1}))
    'passed over as no pictures by their suffix: 1,200 .txt, 1 without one'
    """
    shown = [f"{number:,} {suffix or 'without one'}" for suffix, number in counted.most_common(8)]
    more = sum(counted.values()) - sum(number for _, number in counted.most_common(8))
    rest = [f"{more:,} others"] if more else []
    return f"passed over as no pictures by their suffix: {', '.join(shown + rest)}" if shown else ""


def _walk(folder: Path, counted: Counter[str]) -> Iterator[Path]:
    """Walk the folder itself first, then what is linked in it: a folder keeps its own name where both ways lead to it."""
    seen: set[str] = set()
    above = os.path.realpath(folder)
    waiting = [folder]
    while waiting:
        start = waiting.pop(0)
        real = os.path.realpath(start)
        if real in seen or (start != folder and (above + os.sep).startswith(real.rstrip(os.sep) + os.sep)):
            continue  # seen, or a link to where the walk came from
        for inner, folders, names in os.walk(start):
            here = os.path.realpath(inner)
            if here in seen:
                folders.clear()
                continue
            seen.add(here)
            shown = sorted(name for name in folders if not name.startswith("."))
            links = {name for name in shown if os.path.islink(os.path.join(inner, name))}
            waiting += [Path(inner, name) for name in shown if name in links]
            folders[:] = [name for name in shown if name not in links]
            yield from (Path(inner, name) for name in _pictures(names, counted))


def _pictures(names: Iterable[str], counted: Counter[str]) -> Iterator[str]:
    for name in sorted(names):
        if is_picture_name(name):
            yield name
        elif not name.startswith("."):
            counted[os.path.splitext(name)[1].lower()] += 1


def _matches(pattern: Path, counted: Counter[str]) -> Iterator[Path]:
    for name in sorted(glob.iglob(str(pattern), recursive=True)):
        if os.path.isfile(name) and any(_pictures([os.path.basename(name)], counted)):
            yield Path(name)


def _some(pictures: Iterator[Path], message: str, counted: Counter[str]) -> Iterator[Path]:
    empty = True
    for picture in pictures:
        empty = False
        yield picture
    if empty:
        words = passed_over_words(counted)
        raise PictureError(message + (f" ({words})" if words else ""))

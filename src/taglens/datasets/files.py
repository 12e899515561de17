"""Finding pictures on disk from files, folders and globs, one after the other."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from taglens.errors import PictureError

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm"))


def list_pictures(paths: Iterable[Path | str]) -> Iterator[Path]:
    """Yield the pictures that ``paths`` (files, folders, globs such as ``photos/**/*.jpg``) mean, in that order.

    A folder gives every file in it and below whose suffix is a picture's, sorted within each folder; it is walked while the
    pictures are used, so a million of them need no memory. A file that is named is taken whatever its suffix.

    Raises:
        PictureError: a path that does not exist, or a folder or glob without any picture.
    """
    for path in map(Path, paths):
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _some(_walk(path), f"{path}: no picture in the folder; expected files such as .jpg or .png")
        elif glob.has_magic(str(path)):
            yield from _some(_matches(path), f"{path}: no picture matches; check the pattern, in quotes")
        else:
            raise PictureError(f"{path}: not found; expected a picture, a folder or a glob such as 'photos/*.jpg'")


def is_picture_name(name: str) -> bool:
    """Tell whether a file looks like a picture by its suffix, and is not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _walk(folder: Path) -> Iterator[Path]:
    for inner, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(filter(is_picture_name, names)):
            yield Path(inner, name)


def _matches(pattern: Path) -> Iterator[Path]:
    found = sorted(glob.iglob(str(pattern), recursive=True))
    yield from (Path(name) for name in found if is_picture_name(os.path.basename(name)) and os.path.isfile(name))


def _some(pictures: Iterator[Path], message: str) -> Iterator[Path]:
    empty = True
    for picture in pictures:
        empty = False
        yield picture
    if empty:
        raise PictureError(message)

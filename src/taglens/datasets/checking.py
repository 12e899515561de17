"""Whether the pictures of a table are there and can be opened."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from taglens.datasets.pictures import open_picture
from taglens.errors import PictureError
from taglens.labels.inspection import Problem
from taglens.labels.table import LabelTable

_SIZE_OF_OPENING = 64


def picture_problems(
    table: LabelTable, rows: Sequence[int] | None, *, open_each: bool = False, threads: int = 4
) -> Iterator[Problem | None]:
    """Yield for every picture what is wrong: it is missing or, with ``open_each``, cannot be opened; ``rows`` are the rows in the file."""

    def reason(image: int) -> str | None:
        return _reason(table.path(image), open_each)

    with ThreadPoolExecutor(threads) as pool:  # decoding and the file system both let other threads run
        images = iter(range(len(table)))
        while part := list(islice(images, 1024)):  # in parts: a stop is not kept waiting for a million pictures
            for image, found in zip(part, pool.map(reason, part), strict=True):
                yield None if found is None else Problem(found, None if rows is None else int(rows[image]), "image")


def _reason(path: Path, open_each: bool) -> str | None:
    try:
        if open_each:
            open_picture(path, at_least=_SIZE_OF_OPENING)
        elif not path.is_file():
            return f"{path}: picture not found; check the name and the images folder (--images)"
        elif not path.stat().st_size:
            raise PictureError(f"{path}: the file is empty (zero bytes); copy it again or remove it")
    except PictureError as error:
        return str(error)
    return None


def why_missing(table: LabelTable, sample: int = 200) -> str | None:
    """Return the folder that holds missing pictures, with the option that names it; None if none does."""
    if table.root is None or not table.root.is_dir():
        return None
    names = table.images[:sample]
    folders = [folder for folder in islice(sorted(table.root.iterdir()), 100) if folder.is_dir()]
    hits = Counter({folder: sum((folder / name).is_file() for name in names) for folder in folders})
    for folder, found in hits.most_common(1):
        if found:
            return f"pictures are in {folder}; add --images {folder}"
    return None

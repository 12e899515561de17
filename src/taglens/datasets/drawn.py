"""Drawn scenes as a data set: ``scenes:2000`` draws them once into the cache, ``scenes:FOLDER`` reads a folder of them."""

import os
import shutil
import tempfile
from pathlib import Path

import platformdirs

from taglens.errors import TableError
from taglens.labels.table import LabelTable

_TABLE = "labels.csv"


def read_scenes(root: str) -> LabelTable:
    """Read the scenes in the folder ``root``, or the first ``root`` drawn ones if it is a number; both have a train and a test split.

    Raises:
        TableError: a number below 2, or a folder without labels.csv.
    """
    if root.isdecimal():
        if int(root) < 2:
            raise TableError(f"scenes:{root}: at least 2 scenes are needed, one to train and one to test")
        return _drawn_once(int(root))
    table = Path(root) / _TABLE
    if not table.is_file():
        raise TableError(f"scenes:{root}: no {_TABLE} in it; expected a number of scenes to draw or a folder written by write_scenes")
    return LabelTable.read(table)


def _drawn_once(count: int) -> LabelTable:
    """Draw into a folder beside the final one and rename it, so that a stopped drawing is never taken for a whole one."""
    from taglens.datasets.scenes import write_scenes  # drawing code is loaded only where scenes are asked for

    folder = _scene_folder() / f"{count}"
    if not (folder / _TABLE).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{count}.", dir=folder.parent))
        try:
            write_scenes(fresh, count, 0)
            _rename(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return LabelTable.read(folder / _TABLE)


def _rename(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        if not (folder / _TABLE).is_file():  # otherwise another process drew the same scenes meanwhile
            raise


def _scene_folder() -> Path:
    place = os.environ.get("TAGLENS_CACHE")
    return (Path(place) if place else Path(platformdirs.user_cache_dir("taglens"))) / "scenes"

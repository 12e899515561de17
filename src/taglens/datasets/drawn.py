"""Drawn scenes as a data set: ``scenes:2000`` draws them once into the cache, ``scenes:FOLDER`` reads a folder of them."""

import os
import shutil
from pathlib import Path

import platformdirs

from taglens.errors import OutputError, TableError
from taglens.labels.table import LabelTable


def read_scenes(root: str) -> LabelTable:
    """Read the scenes in the folder ``root``, or the first ``root`` drawn ones if it is a number; both have a train and a test split.

    Raises:
        TableError: fewer than 2 scenes, or a folder without labels.csv.
    """
    if root.isdecimal():
        if int(root) < 2:
            raise TableError(f"scenes:{root}: at least 2 scenes are needed, one to train and one to test")
        return _drawn_once(int(root))
    table = Path(root) / "labels.csv"
    if not table.is_file():
        raise TableError(f"scenes:{root}: no labels.csv in it; expected a number of scenes to draw or a folder written by write_scenes")
    return LabelTable.read(table)


def _drawn_once(count: int) -> LabelTable:
    from taglens.datasets.scenes import write_scenes  # the drawing code is loaded only where scenes are asked for

    place = os.environ.get("TAGLENS_CACHE")
    folder = (Path(place) if place else Path(platformdirs.user_cache_dir("taglens"))) / "scenes" / str(count)
    try:
        return write_scenes(folder, count)
    except OutputError:
        if not (folder / "scenes.json").is_file():
            raise
        shutil.rmtree(folder)  # drawn by another version of TagLens; the folder is the cache's own
        return write_scenes(folder, count)

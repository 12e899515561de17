"""Drawn scenes as a data set: deterministic pictures with named objects, for the demo, the tests and ``tiny``."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from taglens.datasets.pictures import Box
from taglens.datasets.scenes.compose import draw_scene
from taglens.datasets.scenes.objects.catalogue import SCENE_CLASSES
from taglens.errors import OutputError, TableError
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_folder, read_json, require_space, write_json

LARGEST_COUNT = 1_000_000
_BYTES_EACH = 30_000
_VERSION = 1  # raise it when a seed gives another picture, so that old folders are not taken for new ones


def scene_seed(seed: int, row: int) -> int:
    """Return the seed of the scene in a row of the data set of ``seed``; rows of different data sets never share one."""
    return seed * LARGEST_COUNT + row


def write_scenes(folder: Path, count: int, seed: int = 0, test_share: float = 1 / 3) -> LabelTable:
    """Draw ``count`` scenes into ``folder`` (``pictures/*.jpg`` and ``labels.csv``) and return their table.

    Every label is known; the last ``test_share`` of the rows is the split ``test``, the others are ``train``. The folder
    appears complete or not at all; one that holds the same scenes already is used as it is.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
        ValueError: a count outside 1..1,000,000 or a share outside 0..1.
    """
    if not 1 <= count <= LARGEST_COUNT or not 0 <= test_share <= 1:
        raise ValueError(f"expected 1..{LARGEST_COUNT} scenes and a test share of 0..1, came {count} and {test_share}")
    folder = Path(folder)
    facts = {"scenes": count, "seed": seed, "test_share": test_share, "version": _VERSION}
    if not _holds(folder, facts):
        require_space(folder, count * _BYTES_EACH, f"{count} drawn scenes")
        _write_folder(folder, facts)
    return LabelTable.read(folder / "labels.csv")


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


def scene_boxes(table: LabelTable) -> dict[str, list[Box]]:
    """Return the boxes of the pictures of a table of scenes, which are drawn again: the same seed gives the same objects."""
    assert table.root is not None
    seed = read_json(table.root / "scenes.json")["seed"]
    found = {}
    for image in table.images:
        scene = draw_scene(scene_seed(seed, int(Path(image).stem)))
        width, height = scene.picture.size
        found[image] = [
            Box(name, left / width, top / height, right / width, bottom / height)
            for name, boxes in scene.boxes.items()
            for left, top, right, bottom in boxes
        ]
    return found


def _holds(folder: Path, facts: dict[str, Any]) -> bool:
    """Return whether the folder has exactly these scenes; refuse a folder with anything else."""
    record = folder / "scenes.json"
    if record.is_file():
        try:
            found = read_json(record)
        except ValueError:
            found = None
        if found == facts:
            return True
        raise OutputError(f"{folder} holds other drawn scenes ({found}), expected {facts}; choose another folder or delete it")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and holds no drawn scenes (no scenes.json); choose another folder")
    return False


def _write_folder(folder: Path, facts: dict[str, Any]) -> None:
    try:
        with atomic_folder(folder) as temporary:
            _draw_all(temporary, facts).write(temporary / "labels.csv")
            write_json(temporary / "scenes.json", facts)
    except OutputError:
        if not _holds(folder, facts):  # else another process was quicker with the same scenes
            raise


def _draw_all(folder: Path, facts: dict[str, Any]) -> LabelTable:
    (folder / "pictures").mkdir()
    count = facts["scenes"]
    names = [f"pictures/{row:06d}.jpg" for row in range(count)]
    values = np.zeros((count, len(SCENE_CLASSES)), dtype=np.int8)
    for row, name in enumerate(names):
        scene = draw_scene(scene_seed(facts["seed"], row))
        values[row] = [label in scene.classes for label in SCENE_CLASSES]
        scene.picture.save(folder / name, quality=92, subsampling=0)
    tests = round(count * facts["test_share"])
    splits = ("train",) * (count - tests) + ("test",) * tests
    return LabelTable(images=tuple(names), classes=SCENE_CLASSES, labels=PartialLabels(values), splits=splits, root=folder)


def _drawn_once(count: int) -> LabelTable:
    cache = os.environ.get("TAGLENS_CACHE") or platformdirs.user_cache_dir("taglens")
    folder = Path(cache) / "scenes" / str(count)
    try:
        return write_scenes(folder, count)
    except OutputError:
        if not (folder / "scenes.json").is_file():
            raise
        shutil.rmtree(folder)  # drawn by another version of TagLens; the folder is the cache's own
        return write_scenes(folder, count)

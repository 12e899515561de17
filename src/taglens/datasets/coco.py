"""COCO's instances JSON. Pure functions from files to a LabelTable.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taglens.datasets.pictures import Box
from taglens.errors import TableError
from taglens.labels.states import POSITIVE, PartialLabels
from taglens.labels.table import LabelTable


@dataclass(frozen=True)
class _Instances:
    """What one or several instances files of a split say together."""

    pictures: list[dict[str, Any]]
    """The "images" lists, one after the other: their order is the row order of published masks."""
    annotations: list[dict[str, Any]]
    categories: dict[int, str]
    """Category id -> name, by id."""


def read_coco(root: Path, year: int, split: str, annotated_only: bool = False) -> LabelTable:
    """Read ``annotations/instances_<split><year>.json`` below ``root``, such as split ``train`` of 2014.

    Without that file, all files ``*instances_<split><year>.json`` are read together (parts of COCO). A class is positive where the
    picture has any annotation of it, a crowd included, and a known negative elsewhere. ``annotated_only`` leaves out pictures
    without any annotation, as DualCoOp, ASL and SCPNet do; HCP and TaI-DPT keep them. The table's warnings say how many these are.

    Raises:
        TableError: no such file, or one that is not an instances file.
    """
    root = Path(root)
    folder = _picture_folder(root, f"{split}{year}")
    return _table(_read(_instances_files(root, f"{split}{year}")), folder, f"coco{year} {split}", split, annotated_only)


def read_coco_file(path: Path, images: Path, annotated_only: bool = False) -> LabelTable:
    """Read one instances file whose pictures lie in the folder ``images``; see :func:`read_coco`."""
    return _table(_read([path]), images, path.name, None, annotated_only)


def is_coco_file(path: Path) -> bool:
    """Tell whether a JSON file is an object, as COCO's are, and not a list, as our own tables are."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(256).lstrip("\ufeff \t\r\n").startswith("{")


def coco_boxes(root: Path, year: int, split: str) -> dict[str, list[Box]]:
    """Return the boxes of every picture of a split that has any, by file name; crowds are left out, they outline no object.

    Raises:
        TableError: no such file, or one that is not an instances file.
    """
    instances = _read(_instances_files(Path(root), f"{split}{year}"))
    pictures = {picture["id"]: picture for picture in instances.pictures}
    boxes: dict[str, list[Box]] = {}
    for annotation in instances.annotations:
        picture = pictures.get(annotation["image_id"])
        if picture is None or annotation.get("iscrowd", 0):
            continue
        try:
            left, top, width, height = annotation["bbox"]
            wide, high, name = picture["width"], picture["height"], instances.categories[annotation["category_id"]]
            box = Box(name, left / wide, top / high, (left + width) / wide, (top + height) / high)
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:
            what = f"annotation {annotation.get('id')} of {picture['file_name']}"
            raise TableError(f"{root}: {what} has no usable box ({error!r}); restore the official file") from error
        boxes.setdefault(picture["file_name"], []).append(box)
    return boxes


def _instances_files(root: Path, part: str) -> list[Path]:
    folder = root / "annotations"
    official = folder / f"instances_{part}.json"
    if official.is_file():
        return [official]
    found = sorted(folder.glob(f"*instances_{part}.json"))
    if not found:
        known = ", ".join(sorted(file.name for file in folder.glob("*.json"))) or "no JSON file is there"
        raise TableError(f"{official}: not found; expected COCO's annotations folder with that file, came: {known}")
    return found


def _picture_folder(root: Path, part: str) -> Path:
    folders = [root / part, root / "images" / part, root / "images"]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _read(paths: Sequence[Path]) -> _Instances:
    pictures: dict[int, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    categories: dict[int, str] = {}
    for path in paths:
        content = _load(path)
        for category in content["categories"]:
            if categories.setdefault(category["id"], category["name"]) != category["name"]:
                raise TableError(
                    f"{path}: category {category['id']} is {category['name']!r} here and {categories[category['id']]!r} before"
                )
        for picture in content["images"]:
            if pictures.setdefault(picture["id"], picture)["file_name"] != picture["file_name"]:
                raise TableError(f"{path}: picture id {picture['id']} names two files; read the files one by one")
        annotations += content["annotations"]
    return _Instances(list(pictures.values()), annotations, dict(sorted(categories.items())))


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(f"{path}: not readable as JSON ({error}); restore the official file") from error
    needed = {"images": {"id", "file_name"}, "annotations": {"image_id", "category_id"}, "categories": {"id", "name"}}
    for part, fields in needed.items():
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) and fields <= entry.keys() for entry in entries):
            raise TableError(f"{path}: not an instances file of COCO: expected a list {part!r} of objects with {', '.join(sorted(fields))}")
        for field in sorted(fields):
            kinds = {type(entry[field]) for entry in entries}
            if kinds not in ({str}, set()) and (field in ("file_name", "name") or kinds != {int}):
                raise TableError(f"{path}: {field!r} of {part!r} must be {'a name' if 'name' in field else 'a number'} in every entry")
    return content  # type: ignore[no-any-return]


def _table(instances: _Instances, folder: Path, name: str, split: str | None, annotated_only: bool) -> LabelTable:
    row = {picture["id"]: number for number, picture in enumerate(instances.pictures)}
    column = {identity: number for number, identity in enumerate(instances.categories)}
    values = np.zeros((len(row), len(column)), dtype=np.int8)
    for annotation in instances.annotations:
        if annotation["category_id"] not in column or annotation["image_id"] not in row:
            raise TableError(f"{name}: annotation {annotation.get('id')} names a picture or category that the file does not list")
        values[row[annotation["image_id"]], column[annotation["category_id"]]] = POSITIVE
    annotated: np.ndarray = np.any(values, axis=1)
    table = LabelTable(
        images=tuple(picture["file_name"] for picture in instances.pictures),
        classes=tuple(instances.categories.values()),
        labels=PartialLabels(values),
        splits=None if split is None else (split,) * len(row),
        root=folder,
        warnings=_note(name, annotated, annotated_only),
    )
    return table.rows(annotated) if annotated_only else table


def _note(name: str, annotated: np.ndarray, annotated_only: bool) -> tuple[str, ...]:
    bare = int(np.count_nonzero(~annotated))
    if not bare:
        return ()
    if annotated_only:
        return (f"{name}: {len(annotated) - bare:,} pictures; {bare:,} without annotations are left out",)
    return (f"{name}: {len(annotated):,} pictures; {bare:,} of them without annotations, all their labels negative",)

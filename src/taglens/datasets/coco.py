"""COCO's instances JSON. Pure functions from files to a LabelTable.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from taglens.datasets.coco_marks import with_marks
from taglens.datasets.official import json_content
from taglens.datasets.pictures import Box
from taglens.encoded import file_encoding
from taglens.errors import TableError
from taglens.labels.left_out import left_out_of
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

Identity: TypeAlias = int | str


@dataclass(frozen=True)
class Instances:
    """What one or several instances files of a split say together."""

    pictures: list[dict[str, Any]]
    """The "images" lists, one after the other: their order is the row order of published masks."""
    annotations: list[dict[str, Any]]
    categories: dict[Identity, str]
    """Category id -> name, by id."""
    groups: tuple[str, ...] = ()
    """Categories that only group others (Roboflow's first one); they are left out."""
    frequencies: tuple[str, ...] = ()
    """How frequent each category is, where the file says it (LVIS): r, c or f."""


def read_coco(root: Path, year: int, split: str, annotated_only: bool = False) -> LabelTable:
    """Read ``annotations/instances_<split><year>.json`` below ``root``, such as split ``train`` of 2014.

    Without that file, all files ``*instances_<split><year>.json`` are read together (parts of COCO). A class is positive where the
    picture has any annotation of it, a crowd included, and a known negative elsewhere. Pictures that list ``neg_category_ids`` make
    the negatives federated, as LVIS has them: only these are absent, all else was not checked. Entries of one picture under several ids
    are put together. ``annotated_only`` leaves out pictures without any annotation, as DualCoOp, ASL and SCPNet do; HCP and TaI-DPT keep
    them. The table's warnings say how many these are.

    Raises:
        TableError: no such file, or one that is not an instances file.
    """
    root = Path(root)
    folder = _picture_folder(root, f"{split}{year}")
    return instances_table(read_instances(_instances_files(root, f"{split}{year}")), folder, f"coco{year} {split}", split, annotated_only)


def read_coco_file(path: Path, images: Path, annotated_only: bool = False, encoding: str | None = None) -> LabelTable:
    """Read one instances file whose pictures lie in the folder ``images``; see :func:`read_coco`."""
    return instances_table(read_instances([path], encoding), images, path.name, None, annotated_only)


def is_coco_file(path: Path, encoding: str | None = None) -> bool:
    """Tell whether a JSON file is an object that starts as COCO's do, and not a list or another object."""
    with path.open(encoding=file_encoding(path, encoding), errors="replace") as file:
        first = re.match(r'[\ufeff\s]*\{\s*"(\w*)"\s*:', file.read(256))
    return first is not None and first[1] in ("images", "annotations", "categories", "info", "licenses", "type")


def coco_boxes(root: Path, year: int, split: str) -> dict[str, list[Box]]:
    """Return the boxes of every picture of a split that has any, by file name; crowds are left out, they outline no object.

    Raises:
        TableError: no such file, or one that is not an instances file.
    """
    return boxes_of(read_instances(_instances_files(Path(root), f"{split}{year}")), root)


def boxes_of(instances: Instances, where: Path | str) -> dict[str, list[Box]]:
    """Return the boxes of every picture that has any, by file name; crowds are left out.

    Raises:
        TableError: a box is missing or no four numbers; ``where`` names the data in the message.
    """
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
            raise TableError(f"{where}: {what} has no usable box ({error!r}); restore the official file") from error
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


def read_instances(paths: Sequence[Path], encoding: str | None = None) -> Instances:
    """Read instances files of one split as one.

    Raises:
        TableError: a file that is not an instances file, or two that contradict each other.
    """
    pictures: dict[Identity, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    categories: dict[Identity, str] = {}
    parents: set[str] = set()
    frequencies: dict[Identity, str] = {}
    for path in paths:
        content = _load(path, encoding)
        frequencies |= {category["id"]: str(category["frequency"]) for category in content["categories"] if "frequency" in category}
        for category in content["categories"]:
            if category.get("supercategory") != category["name"]:
                parents.add(str(category.get("supercategory")))
            if categories.setdefault(category["id"], category["name"]) != category["name"]:
                raise TableError(
                    f"{path}: category {category['id']} is {category['name']!r} here and {categories[category['id']]!r} before"
                )
        for picture in content["images"]:
            if pictures.setdefault(picture["id"], picture)["file_name"] != picture["file_name"]:
                raise TableError(f"{path}: picture id {picture['id']} names two files ({pictures[picture['id']]['file_name']}, "
                                 f"{picture['file_name']}); give each picture an id of its own")  # fmt: skip
        annotations += content["annotations"]
    used = {annotation["category_id"] for annotation in annotations}
    groups = {identity: name for identity, name in categories.items() if name in parents and identity not in used}
    ordered = sorted((entry for entry in categories.items() if entry[0] not in groups), key=lambda entry: (str(type(entry[0])), entry[0]))
    return Instances(list(pictures.values()), annotations, dict(ordered), tuple(groups.values()), tuple(frequencies.values()))


def _load(path: Path, encoding: str | None) -> dict[str, Any]:
    content = json_content(path, encoding)
    needed = {"images": {"id", "file_name"}, "annotations": {"image_id", "category_id"}, "categories": {"id", "name"}}
    for part, fields in needed.items():
        entries = content.get(part) if isinstance(content, dict) else None
        for entry in entries if part == "images" and isinstance(entries, list) else ():
            if isinstance(entry, dict) and "file_name" not in entry and isinstance(entry.get("coco_url"), str):
                entry["file_name"] = "/".join(entry["coco_url"].split("/")[-2:])  # LVIS: train2017/000000391895.jpg
        if not isinstance(entries, list) or not all(isinstance(entry, dict) and fields <= entry.keys() for entry in entries):
            raise TableError(f"{path}: not an instances file of COCO: expected a list {part!r} of objects with {', '.join(sorted(fields))}")
        for number, entry in enumerate(entries, start=1):
            for field in sorted(fields):
                entry[field] = _checked(entry[field], field, f"{path}, {part} {number}")
    return content  # type: ignore[no-any-return]


def _checked(value: Any, field: str, where: str) -> Identity:
    """Return a name as it is, and an id as a number where it is one: tools write 3, 3.0 and "3" for the same."""
    if field in ("file_name", "name"):
        if not isinstance(value, str):
            raise TableError(f"{where}: {field!r} must be a name, came {value!r}")
        return value
    return _identity(value, f"{where}: {field!r}")


def _identity(value: Any, where: str) -> Identity:
    if isinstance(value, str) and value:
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 and str(int(value)) == value else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TableError(f"{where} must be a number or a text, came {value!r}")


def instances_table(instances: Instances, folder: Path, name: str, split: str | None, annotated_only: bool) -> LabelTable:
    """Return the table of ``instances`` whose pictures lie in ``folder``; ``name`` stands for them in messages. See :func:`read_coco`.

    Raises:
        TableError: not one annotation, or one of a picture or category that is not listed.
    """
    federated = any("neg_category_ids" in picture for picture in instances.pictures)
    if instances.pictures and instances.categories and not instances.annotations and not federated:
        raise TableError(
            f"{name}: {len(instances.pictures):,} pictures and {len(instances.categories):,} categories but not one annotation; COCO holds "
            "objects, and an export of picture tags to it (CVAT) loses them: export the tags as a table, or as JSON of Label Studio"
        )
    rows = {picture["file_name"]: number for number, picture in enumerate({p["file_name"]: p for p in instances.pictures}.values())}
    row = {picture["id"]: rows[picture["file_name"]] for picture in instances.pictures}
    column = {identity: number for number, identity in enumerate(instances.categories)}
    present = np.zeros((len(rows), len(column)), dtype=bool)
    for annotation in instances.annotations:
        if annotation["category_id"] not in column or annotation["image_id"] not in row:
            raise TableError(f"{name}: annotation {annotation.get('id')} names a picture or category that the file does not list")
        present[row[annotation["image_id"]], column[annotation["category_id"]]] = True
    absent, notes = _absent(instances, row, column, present, name)
    values = np.where(present, POSITIVE, np.where(absent, NEGATIVE, UNKNOWN)).astype(np.int8)
    values[present & absent] = UNKNOWN
    annotated: np.ndarray = np.any(present, axis=1)
    left_out = left_out_of({"categories that only group others": len(instances.groups)})
    table = LabelTable(
        images=tuple(rows),
        classes=tuple(instances.categories.values()),
        labels=PartialLabels(values),
        splits=None if split is None else (split,) * len(rows),
        root=folder,
        warnings=(*_note(name, annotated, annotated_only, federated=bool(np.any(~present & ~absent))), *notes, *_said(instances, name)),
        left_out=left_out,
    )
    table = with_marks(table, instances.pictures, name)
    return table.rows(annotated) if annotated_only else table


def _absent(
    instances: Instances, row: dict[Identity, int], column: dict[Identity, int], present: np.ndarray, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return where a class is known to be absent, (image, label): everywhere else, or where the negatives are federated as listed."""
    if not any("neg_category_ids" in picture for picture in instances.pictures):
        return ~present, ()
    absent = np.zeros_like(present)
    for picture in instances.pictures:
        listed = picture.get("neg_category_ids") or []
        where = f"{name}: 'neg_category_ids' of {picture['file_name']}"
        if not isinstance(listed, list):
            raise TableError(f"{where}: expected a list of category ids, came {str(listed)[:40]}")
        for identity in (_identity(entry, where) for entry in listed):
            if identity not in column:
                raise TableError(f"{where} names the category {identity!r}, which the file does not list")
            absent[row[picture["id"]], column[identity]] = True
    note = f"{name}: negatives are federated: {int(absent.sum()):,} labels are known absent, what is not listed was not checked"
    clash = int(np.count_nonzero(present & absent))
    return absent, (note, *([f"{name}: {clash:,} labels are annotated and listed as absent; taken as not checked"] * bool(clash)))


def _said(instances: Instances, name: str) -> tuple[str, ...]:
    """Say which pictures come under several ids, and which categories are left out."""
    said = []
    ids: dict[str, list[Identity]] = {}
    for picture in instances.pictures:
        ids.setdefault(picture["file_name"], []).append(picture["id"])
    twice = {file: found for file, found in ids.items() if len(found) > 1}
    if twice:
        shown = ", ".join(f"{file} (ids {', '.join(map(str, found))})" for file, found in list(twice.items())[:5])
        said.append(
            f"{name}: {len(twice):,} pictures under several ids, such as {shown}; put together: a class is present that is annotated under "
            "any of them"
        )
        said += _differing(instances, twice, name)
    if instances.groups:
        shown = ", ".join(map(repr, instances.groups))
        said.append(f"{name}: left out: {len(instances.groups)} categories that only group others and are never annotated ({shown})")
    return tuple(said)


def _differing(instances: Instances, twice: dict[str, list[Identity]], name: str) -> list[str]:
    """Say in which pictures the entries under several ids do not agree."""
    found: dict[Identity, set[Identity]] = {}
    for annotation in instances.annotations:
        found.setdefault(annotation["image_id"], set()).add(annotation["category_id"])
    lines = []
    for file, ids in twice.items():
        sets = [found.get(identity, set()) for identity in ids]
        some = sets[0].union(*sets[1:]) - sets[0].intersection(*sets[1:])
        if some:
            shown = ", ".join(sorted(instances.categories[identity] for identity in some))
            lines.append(f"{name}: {file}: only some of its ids have {shown}")
    rest = len(lines) - 10
    return lines[:10] + [f"{name}: and {rest:,} more pictures whose ids differ"] * (rest > 0)


def _note(name: str, annotated: np.ndarray, annotated_only: bool, federated: bool) -> tuple[str, ...]:
    bare = int(np.count_nonzero(~annotated))
    if not bare:
        return ()
    if annotated_only:
        return (f"{name}: {len(annotated) - bare:,} pictures; {bare:,} without annotations are left out",)
    negative = "their labels negative or not checked" if federated else "all their labels negative"
    return (f"{name}: {len(annotated):,} pictures; {bare:,} of them without annotations, {negative}",)

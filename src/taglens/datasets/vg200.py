"""Visual Genome 200 in the lists of HCP-MLR-PL. Pure functions from files to a LabelTable.

``train_list_500.txt`` and ``test_list_500.txt`` name the pictures, ``vg_category_200_labels_index.json`` gives each the numbers of its
classes. The 200 names are in none of these files: write them into ``classes.txt``, one a line in the order of the numbers. That a class
that is not listed is absent is the field's reading: in Visual Genome nobody mentioned it, which says little.
"""

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from taglens.datasets.official import files_below, find_file, json_content, merge, picture_folder, said, text_lines
from taglens.errors import TableError, unknown_name
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

Absent: TypeAlias = Literal["negative", "unknown"]
"""What a class becomes that a weakly labelled data set does not list."""
ABSENT = {"negative": NEGATIVE, "unknown": UNKNOWN}
NUMBER = 200
_FOLDERS = ("VG_100K", "VG_100K_2")


def read_vg200(root: Path, split: str, absent: Absent = "negative", images: Path | None = None) -> LabelTable:
    """Read the pictures of ``<split>_list_500.txt`` (train or test), in its order: published masks go by it.

    A listed class is present; any other is what ``absent`` says. Pictures lie in ``VG_100K`` and ``VG_100K_2``, merged or not.

    Raises:
        TableError: a missing or damaged file, a class number outside 0..199, or names that are not 200.
    """
    if absent not in ABSENT:
        raise unknown_name("treatment of classes that are not listed", absent, ABSENT)
    root, where = Path(root), f"vg200 {split}"
    folders = [root, root / "data" / "vg", root / "vg"]
    names = [line for _, line in text_lines(find_file(folders, [f"{split}_list_500.txt"], f"{split} list of VG-200"))]
    path = find_file(folders, ["vg_category_200_labels_index.json"], "classes of the pictures of VG-200")
    listed = _listed(path)
    values = np.full((len(names), NUMBER), ABSENT[absent], np.int8)
    bare = 0
    for row, name in enumerate(names):
        if name not in listed:
            values[row], bare = UNKNOWN, bare + 1
            continue
        values[row, _numbers(listed[name], path, name)] = POSITIVE
    merged = merge(names, values, where)
    labels = PartialLabels(merged.values)
    pictures = picture_folder(images, *[root for folder in _FOLDERS if (root / folder).is_dir()], root)
    placed, notes = _placed(merged.images, pictures, where)
    classes, naming = _classes(folders, where)
    notes += [f"{where}: {bare:,} pictures have no entry in {path.name}; all their classes are unknown"] * bool(bare)
    policy = f"not listed is {absent}, test pictures included (nobody mentioned it: a weak label)"
    return LabelTable(
        images=placed,
        classes=classes,
        labels=labels,
        splits=(split,) * len(placed),
        root=pictures,
        warnings=(said(where, policy, labels), *naming, *merged.notes, *notes),
    )


def _listed(path: Path) -> dict[str, object]:
    content = json_content(path)
    if not isinstance(content, dict):
        raise TableError(f"{path}: expected an object of picture names and lists of class numbers; restore the official file")
    return content


def _numbers(numbers: object, path: Path, name: str) -> list[int]:
    if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number < NUMBER for number in numbers):
        raise TableError(f"{path}, {name!r}: expected a list of class numbers in 0..{NUMBER - 1}, came {str(numbers)[:60]}")
    return numbers


def _classes(folders: list[Path], where: str) -> tuple[tuple[str, ...], list[str]]:
    path = next((folder / "classes.txt" for folder in folders if (folder / "classes.txt").is_file()), None)
    if path is None:
        mend = f"write their names into {folders[0] / 'classes.txt'}"
        note = f"{where}: the official files do not name the classes, so they are called by number; {mend}"
        return tuple(f"class {number}" for number in range(NUMBER)), [note]
    names = tuple(line for _, line in text_lines(path))
    if len(names) != NUMBER:
        raise TableError(f"{path}: expected {NUMBER} names, one a line in the order of the class numbers, came {len(names)}")
    return names, []


def _placed(names: tuple[str, ...], pictures: Path, where: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the names with the folder that each picture is in, and how many are in none."""
    inside = {folder: files_below(pictures / folder) for folder in _FOLDERS if (pictures / folder).is_dir()}
    if not inside:
        return names, []
    first = next(iter(inside))
    placed = tuple(f"{next((folder for folder, there in inside.items() if name in there), first)}/{name}" for name in names)
    gone = sum(all(name not in there for there in inside.values()) for name in names)
    note = (
        f"{where}: {gone:,} pictures are in none of {', '.join(str(pictures / folder) for folder in _FOLDERS)}; the set needs both folders"
    )
    return placed, [note] * bool(gone)

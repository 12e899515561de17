"""A folder for each class, as torchvision's ImageFolder and Keras read them: ``photos/cat/1.jpg``, ``photos/train/dog/2.jpg``.

A picture's folder says one thing that it shows, and nothing of the others: they were not checked, unless the user says they are absent.
Source: documentation of torchvision, "ImageFolder" (the class is the first folder, whatever lies between it and the picture).
"""

from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np

from taglens.datasets.files import list_pictures, passed_over_words
from taglens.datasets.official import said
from taglens.errors import TableError
from taglens.labels.files.roles import TEST_WORDS, TRAIN_WORDS, VALID_WORDS
from taglens.labels.left_out import left_out_of
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable


def read_class_folders(root: Path, absent: Literal["negative", "unknown"] = "unknown") -> LabelTable:
    """Read the pictures below ``root``, each of the class that its first folder is called; folders train, val and test are splits.

    ``absent`` is what the other classes of a picture are.

    Raises:
        TableError: no such folder, or no picture in a folder of it.
        PictureError: not one picture at all.
    """
    root = Path(root)
    if not root.is_dir():
        raise TableError(f"{root}: not a folder; expected one with a folder for each class, such as {root}/cat/1.jpg")
    passed_over: Counter[str] = Counter()
    names = [path.relative_to(root).as_posix() for path in list_pictures([root], passed_over)]
    parts = [name.split("/") for name in names]
    tops = {part[0] for part in parts if len(part) > 1}
    in_splits = bool(tops) and all(top.lower() in (*TRAIN_WORDS, *VALID_WORDS, *TEST_WORDS) for top in tops)
    depth = 1 + in_splits
    kept = [row for row, part in enumerate(parts) if len(part) > depth]
    if not kept:
        raise TableError(f"{root}: {len(names):,} pictures, but none in the folder of a class; expected such as {root}/cat/1.jpg")
    classes = sorted({parts[row][depth - 1] for row in kept})
    column = {name: number for number, name in enumerate(classes)}
    values = np.full((len(kept), len(classes)), NEGATIVE if absent == "negative" else UNKNOWN, np.int8)
    values[np.arange(len(kept)), [column[parts[row][depth - 1]] for row in kept]] = POSITIVE
    labels = PartialLabels(values)
    policy = "a picture shows the class of its folder, the others " + ("are absent" if absent == "negative" else "were not checked")
    deeper = [names[row] for row in kept if len(parts[row]) > depth + 1]
    nested = (
        f"{root}: {len(deeper):,} pictures lie in further folders, such as {deeper[0]!r}: the first one is their class" if deeper else ""
    )
    return LabelTable(
        images=tuple(names[row] for row in kept),
        classes=tuple(classes),
        labels=labels,
        splits=tuple(parts[row][0] for row in kept) if in_splits else None,
        root=root,
        warnings=tuple(filter(None, (said(f"folders of {root}", policy, labels), nested, passed_over_words(passed_over)))),
        left_out=left_out_of(
            {
                "pictures in the folder of no class": len(names) - len(kept),
                "folders without any picture": len(_bare(root, in_splits, {tuple(part[:depth]) for part in parts})),
            }
        ),
    )


def _bare(root: Path, in_splits: bool, filled: set[tuple[str, ...]]) -> list[Path]:
    """Return the folders where a class's would be that hold no picture; hidden ones are not looked at."""
    places = [root / place for place in sorted({part[0] for part in filled})] if in_splits else [root]
    found = [inner for place in places if place.is_dir() for inner in sorted(place.iterdir()) if inner.is_dir() and inner.name[0] != "."]
    return [inner for inner in found if inner.relative_to(root).parts not in filled]


def class_folders_hint(root: Path) -> str:
    """Return what is said of a folder whose pictures may lie in a folder for each class; "" where there are none."""
    names = [inner.name for inner in sorted(root.iterdir()) if inner.is_dir() and not inner.name.startswith(".")]
    shown = ", ".join(map(repr, names[:4])) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
    return f"; if its folders ({shown}) are classes: folders:{root}" if names else ""

"""A table as COCO's instances JSON with federated negatives, as LVIS has them.

A class that is present is an annotation whose box is the whole picture, since nothing outlines its objects: each is listed in
``not_exhaustive_category_ids``. One that is absent is in ``neg_category_ids``; what is in neither was not checked. ``taglens_split`` and
``taglens_labels`` of a picture keep what COCO has no place for; other programs leave them alone.
Source: the format of COCO, "Object Detection", and of LVIS v1.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from taglens.datasets.pictures import picture_size
from taglens.labels.files.label_studio import served_folder
from taglens.labels.files.marks import ENTRY, SPLIT, marks_of
from taglens.labels.joining import seen_from
from taglens.labels.table import LabelTable
from taglens.outputs import atomic_path


def write_coco(table: LabelTable, path: Path, *, force: bool = False) -> Path | None:
    """Write ``table`` to ``path``; the pictures' names count from the folder that is returned, the table's where it holds them all.

    Raises:
        OutputError: ``path`` exists and ``force`` is false, or cannot be written.
        PictureError: a picture is missing or cannot be opened: COCO says how large each is.
    """
    folder = served_folder(table)
    table = table if folder is None else seen_from(table, folder)
    images = [_image(table, row) for row in range(len(table))]
    content = {
        "info": {"description": "TagLens: tags of whole pictures; negatives are federated as in LVIS"},
        "images": images,
        "annotations": list(_annotations(table, images)),
        "categories": [{"id": number, "name": name, "supercategory": name} for number, name in enumerate(table.classes, start=1)],
    }
    with atomic_path(path, force=force) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False), "utf-8")
    return folder


def _image(table: LabelTable, row: int) -> dict[str, Any]:
    width, height = picture_size(table.path(row))
    image: dict[str, Any] = {
        "id": row + 1,
        "file_name": table.images[row],
        "width": width,
        "height": height,
        "neg_category_ids": _ids(table.labels.negative[row]),
        "not_exhaustive_category_ids": _ids(table.labels.positive[row]),
    }
    if table.splits is not None:
        image[SPLIT] = table.splits[row]
    marks = marks_of(table, row)
    return image | ({ENTRY: marks} if marks else {})


def _ids(chosen: np.ndarray) -> list[int]:
    return [int(column) + 1 for column in np.flatnonzero(chosen)]


def _annotations(table: LabelTable, images: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, (row, column) in enumerate(np.argwhere(table.labels.positive), start=1):
        width, height = images[row]["width"], images[row]["height"]
        yield {
            "id": number,
            "image_id": int(row) + 1,
            "category_id": int(column) + 1,
            "bbox": [0, 0, width, height],
            "area": width * height,
            "segmentation": [],
            "iscrowd": 0,
        }

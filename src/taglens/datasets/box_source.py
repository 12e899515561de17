"""The boxes of public data sets, for measuring whether a model looks at the right place."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from taglens.datasets.boxes import Box
from taglens.datasets.coco import coco_boxes
from taglens.datasets.voc import voc_boxes, voc_folder
from taglens.labels.table import LabelTable
from taglens.outputs import read_json

Boxes = Mapping[str, Sequence[Box]]
"""Picture as the table calls it -> its boxes."""


def read_boxes(data: str, table: LabelTable) -> Boxes:
    """Return the boxes of the pictures of ``table``, read from ``data`` before; nothing where the data have none.

    Raises:
        TagLensError: annotations are there but cannot be read.
    """
    name, _, root = data.partition(":")
    return READERS[name](root, table) if name in READERS else {}


def _voc(year: int, root: str, table: LabelTable) -> Boxes:
    if not (voc_folder(Path(root), year) / "Annotations").is_dir():
        return {}
    return voc_boxes(Path(root), year, table.images)


def _coco(year: int, root: str, table: LabelTable) -> Boxes:
    boxes: dict[str, Sequence[Box]] = {}
    for split in table.split_names:
        boxes |= coco_boxes(Path(root), year, split)
    return boxes


def _scenes(root: str, table: LabelTable) -> Boxes:
    """Draw the scenes again: the same seed gives the same objects at the same places."""
    from taglens.datasets.scenes import draw_scene, scene_seed  # the drawing code is loaded only where scenes are asked for

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


READERS: Mapping[str, Callable[[str, LabelTable], Boxes]] = {
    "voc2007": partial(_voc, 2007),
    "voc2012": partial(_voc, 2012),
    "coco2014": partial(_coco, 2014),
    "coco2017": partial(_coco, 2017),
    "scenes": _scenes,
}
"""Name of a data set -> the function that reads the boxes of a table's pictures."""

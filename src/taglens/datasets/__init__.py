"""Pictures and data sets: what the user names becomes a table of labels; a picture becomes the numbers a backbone takes.

Pure readers of VOC, COCO, own tables and drawn scenes. Knows labels and files; nothing of models, and PyTorch is not needed.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.datasets.files import list_pictures
    from taglens.datasets.pictures import Box, OnBadImage, open_picture
    from taglens.datasets.source import DataOptions, Part, examine_data, read_boxes, read_data
    from taglens.datasets.transforms import PictureTransform

__all__ = [
    "Box",
    "DataOptions",
    "OnBadImage",
    "Part",
    "PictureTransform",
    "examine_data",
    "list_pictures",
    "open_picture",
    "read_boxes",
    "read_data",
]

__getattr__, __dir__ = lazy_face(
    "taglens.datasets",
    {
        "list_pictures": "taglens.datasets.files",
        **dict.fromkeys(("Box", "OnBadImage", "open_picture"), "taglens.datasets.pictures"),
        **dict.fromkeys(("DataOptions", "Part", "examine_data", "read_boxes", "read_data"), "taglens.datasets.source"),
        "PictureTransform": "taglens.datasets.transforms",
    },
)

"""Tables for other tools: Hugging Face's image folders, COCO, FiftyOne with a model's heatmaps, keywords for photo programs.

What these tools write back is read by ``labels.files``. Knows tables, pictures and recognisers; nothing of how they were trained.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.convert.coco import write_coco
    from taglens.convert.fiftyone import write_fiftyone
    from taglens.convert.image_folder import write_image_folder
    from taglens.convert.keywords import write_keywords

__all__ = ["write_coco", "write_fiftyone", "write_image_folder", "write_keywords"]

__getattr__, __dir__ = lazy_face(
    "taglens.convert",
    {
        "write_coco": "taglens.convert.coco",
        "write_fiftyone": "taglens.convert.fiftyone",
        "write_image_folder": "taglens.convert.image_folder",
        "write_keywords": "taglens.convert.keywords",
    },
)

"""Drawn scenes: pictures that follow from a seed, with named objects, their boxes and a caption; no download, every label known.

For the demo, the tests and the pre-training of ``tiny``. Knows how to draw and to write a table; nothing of who reads it.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.datasets.scenes.compose import Scene, draw_scene
    from taglens.datasets.scenes.dataset import read_scenes, scene_boxes, scene_seed, write_scenes
    from taglens.datasets.scenes.objects.catalogue import SCENE_CLASSES

__all__ = ["SCENE_CLASSES", "Scene", "draw_scene", "read_scenes", "scene_boxes", "scene_seed", "write_scenes"]

__getattr__, __dir__ = lazy_face(
    "taglens.datasets.scenes",
    {
        **dict.fromkeys(("Scene", "draw_scene"), "taglens.datasets.scenes.compose"),
        **dict.fromkeys(("read_scenes", "scene_boxes", "scene_seed", "write_scenes"), "taglens.datasets.scenes.dataset"),
        "SCENE_CLASSES": "taglens.datasets.scenes.objects.catalogue",
    },
)

"""The objects of drawn scenes: a function for each that draws it with a brush, and the catalogue of all of them.

Each draws in its own frame and knows the brush only, not the scene around it.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.datasets.scenes.objects.catalogue import OBJECTS, SCENE_CLASSES, ObjectKind

__all__ = ["OBJECTS", "SCENE_CLASSES", "ObjectKind"]

__getattr__, __dir__ = lazy_face(
    "taglens.datasets.scenes.objects",
    {
        **dict.fromkeys(("OBJECTS", "SCENE_CLASSES", "ObjectKind"), "taglens.datasets.scenes.objects.catalogue"),
    },
)

"""Frozen vision-language models of open_clip: pictures to dense maps, texts to vectors, both in one joint space.

Nothing here is trained. This is the only room that knows open_clip and timm; it knows no labels, methods or runs.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.backbones.backbone import Backbone
    from taglens.backbones.choices import MapChoice, Precision
    from taglens.backbones.openclip import load_backbone
    from taglens.backbones.text import TextEncoder

__all__ = ["Backbone", "MapChoice", "Precision", "TextEncoder", "load_backbone"]

__getattr__, __dir__ = lazy_face(
    "taglens.backbones",
    {
        "Backbone": "taglens.backbones.backbone",
        "load_backbone": "taglens.backbones.openclip",
        "MapChoice": "taglens.backbones.choices",
        "Precision": "taglens.backbones.choices",
        "TextEncoder": "taglens.backbones.text",
    },
)

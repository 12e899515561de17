"""Semantic decoupling: each class attends to its own positions of the feature map.

One definition, and kernels that compute the same scores with less memory: in blocks for the CPU, fused for the GPU, unrolled for export.
Knows tensors and their shapes; nothing of backbones, methods or classes' names.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.decoupling.kernels import KERNELS, score_kernel
    from taglens.decoupling.layer import Decoupled, SemanticDecoupling

__all__ = ["KERNELS", "Decoupled", "SemanticDecoupling", "score_kernel"]

__getattr__, __dir__ = lazy_face(
    "taglens.decoupling",
    {
        **dict.fromkeys(("KERNELS", "score_kernel"), "taglens.decoupling.kernels"),
        **dict.fromkeys(("Decoupled", "SemanticDecoupling"), "taglens.decoupling.layer"),
    },
)

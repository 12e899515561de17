"""A trained recogniser as one ONNX file with its model card, checked against PyTorch before it appears under its name.

The only room that writes ONNX; reading such a file is the matter of ``runtime``, which needs none of this.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.export.onnx_file import Exported, export_onnx
    from taglens.export.options import ExportOptions
    from taglens.export.parity import Parity

__all__ = ["ExportOptions", "Exported", "Parity", "export_onnx"]

__getattr__, __dir__ = lazy_face(
    "taglens.export",
    {
        "ExportOptions": "taglens.export.options",
        "Exported": "taglens.export.onnx_file",
        "Parity": "taglens.export.parity",
        "export_onnx": "taglens.export.onnx_file",
    },
)

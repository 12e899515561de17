"""How a recogniser becomes a file. Nothing heavy is imported: the command line takes this class as its options."""

from dataclasses import dataclass
from typing import Literal

FilePrecision = Literal["float32", "fp16", "int8"]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How a recogniser becomes a file."""

    precision: FilePrecision = "float32"
    """float32; fp16: half the size, computed in float32; int8: a half to a third of the size, for CPUs. Look at the printed difference."""
    heatmaps: bool = True
    """The file also says where each class was seen; --no-heatmaps leaves that out."""
    force: bool = False
    """Replace the file if it is there."""

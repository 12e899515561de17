"""What is known of which picture: tables, three-state labels, masks, names, provenance, and the files that hold them.

A foreign code or format is translated here and nowhere else; unknown is never negative.
Knows nothing of pictures' content, of models or of PyTorch.
"""

import taglens.labels.files.frames  # noqa: F401  (lends LabelTable its ways from and to frames)
from taglens.labels.files.tables import examine_table, read_table, write_table
from taglens.labels.hiding import SETTINGS, hide, keep_known
from taglens.labels.origins import Origin
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

__all__ = [
    "NEGATIVE",
    "POSITIVE",
    "SETTINGS",
    "UNKNOWN",
    "LabelTable",
    "Origin",
    "PartialLabels",
    "examine_table",
    "hide",
    "keep_known",
    "read_table",
    "write_table",
]

"""What a class is called in a prompt, and bringing two class lists together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from taglens.errors import TableError, unknown_name
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

PROMPT_NAMES: Mapping[str, str] = {
    # VOC's official names are glued or British; CLIP was trained on captions.
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "tvmonitor": "tv monitor",
    # COCO
    "hair drier": "hair dryer",
    "tv": "television",
}
"""Class name -> the words for it in a prompt; the user's own table goes first."""


def prompt_names(classes: Sequence[str], overrides: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the words for every class: from ``overrides``, else PROMPT_NAMES, else the name with underscores turned into spaces.

    Raises:
        TagLensError: ``overrides`` names a class that is not in ``classes``.
        TableError: an override is blank.
    """
    chosen = overrides or {}
    for name, words in chosen.items():
        if name not in classes:
            raise unknown_name("class in the prompt names", name, classes)
        if not words.strip():
            raise TableError(f"the prompt name of class {name!r} is blank; write the words that describe it")
    return tuple(chosen[name].strip() if name in chosen else PROMPT_NAMES.get(name, name.replace("_", " ")) for name in classes)


def align_classes(table: LabelTable, classes: Sequence[str], owner: str = "the run") -> LabelTable:
    """Return ``table`` with its classes in the order of ``classes``.

    Raises:
        TableError: the two lists name different classes; both differences are listed.
    """
    if table.classes == tuple(classes):
        return table
    missing = [name for name in classes if name not in table.classes]
    extra = [name for name in table.classes if name not in classes]
    if missing or extra:
        parts = [f"not in the data: {_some(missing)}"] * bool(missing) + [f"not in {owner}: {_some(extra)}"] * bool(extra)
        raise TableError(f"the classes of {owner} and of the data differ ({'; '.join(parts)}); rename, add or remove columns of the table")
    order = np.array([table.classes.index(name) for name in classes])
    return replace(
        table,
        classes=tuple(classes),
        labels=PartialLabels(table.labels.values[:, order]),
        origin_index=None if table.origin_index is None else table.origin_index[:, order],
        probabilities=None if table.probabilities is None else table.probabilities[:, order],
    )


def _some(names: Sequence[str], most: int = 10) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest

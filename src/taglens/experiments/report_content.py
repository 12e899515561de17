"""What a report of one run shows: values only, no layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.inference.heatmap import WHOLE, Box
from taglens.labels.states import UNKNOWN, Counts
from taglens.metrics import Evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class GalleryItem:
    """One class in one picture; items of the same picture follow each other and share the picture object."""

    picture: Image.Image
    class_name: str
    probability: float
    """What the trained method says, 0..1."""
    truth: int = UNKNOWN
    """POSITIVE, NEGATIVE or UNKNOWN."""
    ours: NDArray[np.float32]
    """Attention of the class, (row, column), sum 1."""
    baseline: NDArray[np.float32]
    """CLIP's own similarity map of the class, (row, column), sum 1."""
    box: Box = WHOLE
    """The part of the picture that the maps cover."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """Everything on the page."""

    title: str
    settings: Mapping[str, Any]
    """What was trained on what, in the order shown: "Data": "voc2012, 1767 pictures", "Known labels": "10 %"."""
    classes: Sequence[str]
    counts: Counts
    """Positive, negative and unknown training labels of each class, (label,) each."""
    history: Sequence[Mapping[str, float]] = ()
    """One row for each epoch: ``epoch`` and the curves by name; names with "loss" and with "mAP" get a plot each."""
    best_epoch: int | None = None
    evaluations: Mapping[str, Evaluation]
    """By method on the same split; the first is the trained method, the second what it is compared with."""
    gallery: Sequence[GalleryItem] = ()
    notes: Sequence[str] = field(default=())
    """Warnings that a reader of the numbers must know."""

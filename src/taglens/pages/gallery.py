"""The gallery of a report: pictures and heatmaps small enough to live inside the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.inference.heatmap import WHOLE, overlay
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.metrics.attention import Edges

_LONGEST = 360
_TRUTH = {POSITIVE: "present", NEGATIVE: "absent"}


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
    box: Edges = WHOLE
    """The part of the picture that the maps cover."""


@dataclass(frozen=True)
class GalleryRow:
    """One class of a picture, ready for the page."""

    class_name: str
    percent: str
    truth: str
    """present, absent or not checked."""
    ours: str
    """Heatmap as a data URI."""
    baseline: str


@dataclass(frozen=True)
class GalleryCard:
    """One picture with its classes."""

    picture: str
    """Data URI."""
    rows: Sequence[GalleryRow]


def gallery_cards(items: Sequence[GalleryItem]) -> list[GalleryCard]:
    """Return one card for each run of items that share a picture."""
    return [_card(list(group)) for _, group in groupby(items, key=lambda item: id(item.picture))]


def data_uri(picture: Image.Image) -> str:
    """Return a JPEG of the picture as the text of an address."""
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=84, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _card(items: Sequence[GalleryItem]) -> GalleryCard:
    small = items[0].picture.convert("RGB")
    small.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    return GalleryCard(data_uri(small), [_row(item) for item in items])


def _row(item: GalleryItem) -> GalleryRow:
    ours, baseline = (data_uri(overlay(item.picture, heat, longest=_LONGEST, box=item.box)) for heat in (item.ours, item.baseline))
    return GalleryRow(item.class_name, f"{100 * item.probability:.0f} %", _TRUTH.get(item.truth, "not checked"), ours, baseline)

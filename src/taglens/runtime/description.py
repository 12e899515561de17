"""What an exported file says of itself: classes, thresholds and preprocessing, as JSON in its metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from taglens.datasets.transforms import PictureTransform
from taglens.errors import RunError
from taglens.schema import Check, integer, items, maybe, number, one_of, record, require, shown, text

KEY = "taglens"
"""Metadata entry of the description."""
CARD_KEY = "taglens.card"
"""Metadata entry of the model card (Markdown)."""
FORMAT = 1
LARGEST = 64 * 2**20
"""Signs of the description."""
LARGEST_SIDE = 4096
"""Pixels of a picture's side, as the model sees it."""
_THREE = items(number(-1000, 1000), 3, 3)
_TRANSFORM: dict[str, Check] = {
    "size": integer(1, LARGEST_SIDE),
    "mean": _THREE,
    "std": items(number(1e-6, 1000), 3, 3),
    "interpolation": one_of("bicubic", "bilinear"),
    "resize": one_of("squash", "shortest"),
}
_FIELDS: dict[str, Check] = {
    "classes": items(text(10_000), 1, different=True),
    "thresholds": items(number(0, 1), 1),
    "transform": record(_TRANSFORM, _TRANSFORM),
    "heatmaps": one_of("attention", "similarity", None),
    "precision": one_of("float32", "fp16", "int8"),
    "calibration": maybe(record({}, others=True)),
    "guarantees": maybe(record({"confidence": number(0, 1)}, others=True)),
    "origin": record(dict.fromkeys(("method", "backbone", "fingerprint", "map", "taglens"), text()), others=True),
}
DESCRIPTION = record(_FIELDS, ("classes", "thresholds", "transform", "heatmaps", "precision"))
"""What the metadata must say; a file may come from a stranger."""


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """Everything beside the graph that a prediction needs, and where the graph came from.

    The graph takes ``pictures`` (batch, 3, size, size), made by ``transform``, and returns ``probabilities`` (batch, label) and, unless
    ``heatmaps`` is None, ``heatmaps`` (batch, label, row, column), each summing to 1.
    """

    classes: tuple[str, ...]
    """Names of the probabilities."""
    thresholds: tuple[float, ...]
    """A class is a tag where its probability is at least this."""
    transform: PictureTransform
    """How a picture becomes the graph's input."""
    heatmaps: Literal["attention", "similarity"] | None
    """The method's own attention, CLIP's similarity map for methods that look at the whole picture only, or none in the file."""
    precision: Literal["float32", "fp16", "int8"]
    """Number format of the inner products; inputs and outputs are float32 always."""
    calibration: Mapping[str, Any] | None = None
    """How probabilities were calibrated, folded into the graph; None: they are the method's own."""
    guarantees: Mapping[str, Any] | None = None
    """Thresholds by guaranteed precision of the tags of new pictures; None: not found for the run."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Method, backbone, fingerprint of its weights, its dense map, and versions."""

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata entries of the file."""
        facts = {"format": FORMAT} | asdict(self) | {"transform": self.transform.to_json()}
        return {KEY: json.dumps(facts, ensure_ascii=False, allow_nan=False)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str) -> "ModelDescription":
        """Read what :meth:`to_metadata` wrote into the file called ``name``.

        Raises:
            RunError: the entry is missing, damaged or of a newer format.
        """
        try:
            facts = _read(metadata[KEY])
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise RunError(
                f"{name}: an ONNX file without TagLens' description ({error}); expected one made by: taglens export RUN"
            ) from error
        found = facts.pop("format", None)
        if found != FORMAT:
            raise RunError(f"{name}: format {shown(found)}, this version reads {FORMAT}; install the version of TagLens that exported it")
        require(facts, DESCRIPTION, kind=RunError, name=f"{name}: metadata {KEY!r}", advice="export the run again")
        if len(facts["classes"]) != len(facts["thresholds"]):
            raise RunError(f"{name}: {len(facts['classes'])} classes and {len(facts['thresholds'])} thresholds; export the run again")
        transform = PictureTransform.from_json(facts.pop("transform"))
        return cls(classes=tuple(facts.pop("classes")), thresholds=tuple(facts.pop("thresholds")), transform=transform, **facts)


def _read(content: str) -> dict[str, Any]:
    if len(content) > LARGEST:
        raise ValueError(f"{len(content):,} signs, at most {LARGEST:,} are read")
    facts = json.loads(content, parse_constant=_no_constant)
    if not isinstance(facts, dict):
        raise TypeError(f"expected an object, came {shown(facts)}")
    return facts


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")

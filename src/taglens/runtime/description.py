"""What an exported file says of itself: classes, thresholds and preprocessing, as JSON in its metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from taglens.datasets.transforms import PictureTransform
from taglens.errors import RunError

KEY = "taglens"
"""Metadata entry of the description."""
CARD_KEY = "taglens.card"
"""Metadata entry of the model card (Markdown)."""
FORMAT = 1


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
            facts = json.loads(metadata[KEY])
            found = facts.pop("format")
            if found != FORMAT:
                raise RunError(f"{name}: format {found!r}, this version reads {FORMAT}; install the version of TagLens that exported it")
            transform = PictureTransform.from_json(facts.pop("transform"))
            made = cls(classes=tuple(facts.pop("classes")), thresholds=tuple(facts.pop("thresholds")), transform=transform, **facts)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise RunError(
                f"{name}: an ONNX file without TagLens' description ({error}); expected one made by: taglens export RUN"
            ) from error
        if len(made.classes) != len(made.thresholds):
            raise RunError(f"{name}: {len(made.classes)} classes and {len(made.thresholds)} thresholds; export the run again")
        return made

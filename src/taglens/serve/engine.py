"""A run folder or an exported file behind one interface."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.transforms import PictureTransform
from taglens.errors import TagLensError
from taglens.runtime import ModelOutput, OnnxPredictor


class Engine(Protocol):
    """What the server needs of a model."""

    card: str
    """The model card, Markdown; empty if there is none."""
    thresholds: NDArray[np.float64]
    """A class is a tag where its probability is at least this, (label,)."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the probabilities."""

    @property
    def has_heatmaps(self) -> bool:
        """Whether :meth:`run` can return heatmaps."""

    @property
    def transform(self) -> PictureTransform:
        """How a picture becomes the model's input."""

    def run(self, pictures: NDArray[np.float32], *, heatmaps: bool = False) -> ModelOutput:
        """Return probabilities, and heatmaps if asked for, of (batch, 3, size, size)."""


@runtime_checkable
class NameScorer(Protocol):
    """A model that kept its text encoder."""

    def score_names(self, pictures: NDArray[np.float32], names: Sequence[str]) -> ModelOutput:
        """Score names it was not trained on, (batch, name)."""


def load_engine(path: Path) -> Engine:
    """Load an exported file, or a run folder (which needs torch, and keeps its text encoder for further class names).

    Raises:
        TagLensError: neither of them, damaged, or torch is not installed.
    """
    if path.suffix.lower() == ".onnx" or path.is_file():
        return OnnxPredictor.load(path)
    try:
        from taglens.serve.engine_torch import TorchEngine
    except ImportError as error:
        raise TagLensError(
            f"{path}: a run folder needs torch ({error}); export it (taglens export RUN) and serve the .onnx file"
        ) from error
    return TorchEngine.load(path)

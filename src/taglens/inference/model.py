"""A run folder or an exported file behind one interface: pictures as arrays in, probabilities out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.transforms import PictureTransform
from taglens.errors import RunError, TagLensError

if TYPE_CHECKING:
    from taglens.runtime.predictor import ModelOutput


class PictureModel(Protocol):
    """A loaded model: a run (:class:`taglens.inference.model_torch.TorchModel`) or an exported file (``OnnxPredictor``)."""

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

    def run(self, pictures: NDArray[np.float32], *, heatmaps: bool = False) -> "ModelOutput":
        """Return probabilities, and heatmaps if asked for, of (batch, 3, size, size)."""


@runtime_checkable
class NameScorer(Protocol):
    """A model that kept its text encoder."""

    def score_names(self, pictures: NDArray[np.float32], names: Sequence[str]) -> "ModelOutput":
        """Score names it was not trained on, (batch, name)."""


def load_model(path: Path, *, device: str = "auto", threads: int | None = None, text: bool = False) -> PictureModel:
    """Load an exported file (needs no torch) or a run folder (needs no ONNX Runtime).

    Args:
        path: the model.
        device: where a run folder computes, ``auto``: CUDA or MPS where there is one; an exported file computes on the CPU.
        threads: cores that one batch may use; None: all.
        text: keep a run's text encoder, so that the model is a :class:`NameScorer`.

    Raises:
        TagLensError: it is neither, damaged, or what it needs is not installed.
    """
    if _is_exported(path):
        from taglens.runtime.predictor import OnnxPredictor

        return OnnxPredictor.load(path, threads=threads)
    try:
        from taglens.inference.model_torch import TorchModel
    except ImportError as error:
        raise TagLensError(f"{path}: a run folder needs torch ({error}); export it (taglens export RUN) and use the .onnx file") from error
    return TorchModel.load(path, device=device, threads=threads, text=text)


def model_hash(path: Path) -> str:
    """Return what tells this model from every other.

    Raises:
        RunError: there is no model.
    """
    file = path if _is_exported(path) else path / "weights.safetensors"
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{file}: {error.strerror}; expected a run folder (taglens train) or an .onnx file (taglens export)") from error


def _is_exported(path: Path) -> bool:
    return path.suffix.lower() == ".onnx" or path.is_file()

"""A run folder or an exported file behind one interface."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.transforms import PictureTransform
from taglens.errors import RunError, TagLensError
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
        from taglens.inference.model_torch import TorchEngine
    except ImportError as error:
        raise TagLensError(
            f"{path}: a run folder needs torch ({error}); export it (taglens export RUN) and serve the .onnx file"
        ) from error
    return TorchEngine.load(path)


@dataclass(frozen=True)
class BulkModel:
    """A loaded model."""

    classes: tuple[str, ...]
    transform: PictureTransform
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """From pictures (batch, 3, size, size) to probabilities (batch, label)."""


def load_model(path: Path, device: str = "cpu", threads: int | None = None) -> BulkModel:
    """Load an exported file (needs no torch) or a run folder.

    Args:
        path: the model.
        device: where a run folder computes; an exported file computes on the CPU.
        threads: cores that one batch may use; None: all.

    Raises:
        RunError: it is neither, or damaged.
    """
    return _load_onnx(path, threads) if path.suffix == ".onnx" else _load_run(path, device, threads)


def model_hash(path: Path) -> str:
    """Return what tells this model from every other.

    Raises:
        RunError: there is no model.
    """
    file = path if path.suffix == ".onnx" else path / "weights.safetensors"
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{file}: {error.strerror}; expected a run folder (taglens train) or an .onnx file (taglens export)") from error


def _load_onnx(path: Path, threads: int | None) -> BulkModel:
    from taglens.runtime import OnnxPredictor

    predictor = OnnxPredictor.load(path, threads=threads)
    return BulkModel(predictor.classes, predictor.transform, lambda pixels: predictor.run(pixels).probabilities)


def _load_run(path: Path, device: str, threads: int | None) -> BulkModel:
    import torch

    from taglens.recognizer import Recognizer

    if threads is not None:
        torch.set_num_threads(threads)
    recognizer = Recognizer.load(path, device=device)

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            features = recognizer.backbone.features(torch.from_numpy(pixels).to(device))
            return recognizer.probabilities(features).cpu().numpy()

    return BulkModel(recognizer.classes, recognizer.backbone.transform, run)

"""A run folder as a model, if wanted with its text encoder for class names it was not trained on."""

import copy
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from taglens.backbones.device import best_device
from taglens.datasets.transforms import PictureTransform
from taglens.prompts.templates import ensemble
from taglens.recognizer import Recognizer
from taglens.runtime import ModelOutput


class TorchModel:
    """See :class:`taglens.inference.model.PictureModel`."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.card, self.thresholds = "", recognizer.thresholds
        self._vectors = lru_cache(maxsize=256)(self._encode)

    @classmethod
    def load(cls, run: Path, *, device: str = "auto", threads: int | None = None, text: bool = False) -> "TorchModel":
        """Read a run folder; see :func:`taglens.inference.model.load_model`."""
        if threads is not None:
            torch.set_num_threads(threads)
        if device == "auto":
            device = best_device()
        return cls(Recognizer.load(run, device=device, text=text))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the probabilities."""
        return self._recognizer.classes

    @property
    def has_heatmaps(self) -> bool:
        """Whether :meth:`run` can return heatmaps: yes."""
        return True

    @property
    def transform(self) -> PictureTransform:
        """How a picture becomes the model's input."""
        return self._recognizer.backbone.transform

    @torch.inference_mode()
    def run(self, pictures: NDArray[np.float32], *, heatmaps: bool = False) -> ModelOutput:
        """Return probabilities, and the method's attention or else CLIP's similarity maps."""
        backbone = self._recognizer.backbone
        features = backbone.features(torch.from_numpy(pictures).to(backbone.device))
        if not heatmaps:
            return ModelOutput(self._recognizer.probabilities(features).cpu().numpy(), None)
        found = self._recognizer.scores(features)
        return ModelOutput(found.probabilities.cpu().numpy(), self._grid(found.baseline if found.attention is None else found.attention))

    @torch.inference_mode()
    def score_names(self, pictures: NDArray[np.float32], names: Sequence[str]) -> ModelOutput:
        """Score further class names by CLIP alone.

        The score is the sigmoid of how many standard deviations a name's cosine lies above the mean of the trained classes on the same
        picture: it ranks names within a picture, and is no calibrated probability. The heatmap is CLIP's similarity map.
        """
        backbone = self._recognizer.backbone
        features = backbone.features(torch.from_numpy(pictures).to(backbone.device))
        vectors = torch.cat([self._vectors(name) for name in names])
        pooled = functional.normalize(features.pooled, dim=-1)
        own, trained = pooled @ vectors.T, pooled @ self._recognizer.text_vectors.T
        spread = trained.std(1, keepdim=True, correction=0).clamp(min=1e-3)
        score = torch.sigmoid((own - trained.mean(1, keepdim=True)) / spread)
        other = copy.copy(self._recognizer)
        other.text_vectors = vectors
        return ModelOutput(score.cpu().numpy(), self._grid(other.scores(features).baseline))

    def _encode(self, name: str) -> Tensor:
        return ensemble(self._recognizer.backbone.texts().encode_texts, [name])

    def _grid(self, maps: Tensor) -> NDArray[np.float32]:
        shaped: NDArray[np.float32] = maps.cpu().numpy().reshape(*maps.shape[:2], *self._recognizer.backbone.grid())
        return shaped

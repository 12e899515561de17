"""A frozen vision-language model: pictures to dense maps, texts to vectors, in one joint space."""

from typing import get_args

import torch
from torch import Tensor, nn

from taglens.backbones.choices import MapChoice, Precision
from taglens.backbones.dense import dense_function
from taglens.backbones.text import TextEncoder
from taglens.backbones.vit_maps import chosen_map
from taglens.datasets.transforms import PictureTransform
from taglens.errors import BackboneError, unknown_name
from taglens.shapes import Features, Pictures


def best_precision(device: torch.device) -> Precision:
    """Return bfloat16 for a GPU that multiplies it natively, float32 for anything else: on a CPU it must be reproducible."""
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"


class Backbone(nn.Module):
    """Image tower, text tower and what belongs to them; frozen and in evaluation mode.

    Args:
        visual: an image tower of open_clip.
        text: its text encoder; None if the backbone was loaded for pictures only.
        spec: the name it was loaded by.
        fingerprint: hash of configuration and weights.
        channels: channels of the joint space.
        transform: how a picture becomes this tower's input.
        logit_scale: the factor on cosines that the model was trained with (100 for CLIP).
        logit_bias: the bias added to it (0 but for SigLIP).
        precision: number format of the tower's inner products; auto: what suits the device. Features are float32 always.
        map: which of a ViT's dense maps; auto: what suits the tower.

    Raises:
        BackboneError: the image tower is of no known family, or has no such map.
    """

    def __init__(
        self,
        visual: nn.Module,
        text: TextEncoder | None,
        *,
        spec: str,
        fingerprint: str,
        channels: int,
        transform: PictureTransform,
        logit_scale: float,
        logit_bias: float = 0.0,
        precision: Precision = "auto",
        map: MapChoice = "auto",
    ) -> None:
        super().__init__()
        if precision not in get_args(Precision):
            raise unknown_name("precision", precision, get_args(Precision))
        self.map: MapChoice = chosen_map(visual, map)
        """The dense map that ``features`` gives; never ``auto``."""
        self._dense = dense_function(visual, self.map)
        # Convolutions run fastest on channels-last memory; a transformer's patch embedding does not mind.
        self.visual = visual.to(memory_format=torch.channels_last)
        self.text = text
        self.spec = spec
        self.fingerprint = fingerprint
        self.channels = channels
        self.transform = transform
        self.logit_scale = logit_scale
        self.logit_bias = logit_bias
        self._precision: Precision = precision
        self.register_buffer("_mean", torch.tensor(transform.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(transform.std).view(1, 3, 1, 1), persistent=False)
        self._grids: dict[tuple[int, int], tuple[int, int]] = {}
        self.requires_grad_(False)
        self.eval()

    _mean: Tensor
    _std: Tensor

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.visual.parameters()).device

    @property
    def precision(self) -> Precision:
        """Number format of the tower's inner products on the present device; never ``auto``."""
        return best_precision(self.device) if self._precision == "auto" else self._precision

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: batch statistics and dropout of a frozen tower never change."""
        return super().train(False)

    def normalise(self, pixels: Tensor) -> Pictures:
        """Return what ``transform`` makes of resized pictures: the same numbers, made on this backbone's device.

        Args:
            pixels: (batch, height, width, 3) of 8 bits, as ``transform.resized`` gives them; a quarter of the bytes to move.
        """
        pictures = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float()
        return pictures.div_(255).sub_(self._mean).div_(self._std)

    def features(self, pictures: Pictures, pooled: bool = True) -> Features:
        """Return the dense map and the pooled embedding, in the joint space, float32, not normalised.

        Args:
            pictures: (batch, 3, height, width), normalised by ``transform``.
            pooled: False leaves the tower's pooling out; ``Features.pooled`` is then (batch, 0).

        Raises:
            BackboneError: the pictures have another shape, or a size that the tower does not take.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3:
            raise BackboneError(f"pictures must be (batch, 3, height, width), came {tuple(pictures.shape)}")
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            dense = self._dense(self.visual, pictures, pooled)
        return Features(dense.map.float(), dense.pooled.float())

    forward = features

    def grid(self, height: int | None = None, width: int | None = None) -> tuple[int, int]:
        """Return rows and columns of the map for a picture size (default: the transform's)."""
        size = (height or self.transform.size, width or height or self.transform.size)
        if size not in self._grids:
            blank = torch.zeros(1, 3, *size, device=self.device)
            with torch.inference_mode(), self._autocast():
                self._grids[size] = self._dense(self.visual, blank, False).grid
        return self._grids[size]

    def _autocast(self) -> torch.autocast:
        dtype = getattr(torch, self.precision)
        return torch.autocast(self.device.type, dtype=dtype if dtype != torch.float32 else torch.bfloat16, enabled=dtype != torch.float32)

    def texts(self) -> TextEncoder:
        """Return the text encoder.

        Raises:
            BackboneError: the backbone was loaded for pictures only.
        """
        if self.text is None:
            raise BackboneError(f"backbone {self.spec!r} was loaded without its text tower; load it with text=True")
        return self.text

"""From a picture to the numbers a backbone takes: resize, scale to 0..1, normalise; the same bits on every call.

And augmented views of a picture, the same on every machine and in every run.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from taglens.datasets.pictures import MAX_PIXELS, open_picture
from taglens.errors import TagLensError, unknown_name

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_RESIZES = ("squash", "shortest")
DECODING = 2
"""Counts the changes of what :func:`taglens.datasets.pictures.open_picture` makes of the same file; 2: grey pictures by what they hold."""
LEAST_DECODED = 2
"""A JPEG is decoded at no less than so many times the size that is wanted."""
PLAIN, FLIPPED = 0, 1
SMALLEST_SHARE = 0.6
"""Crops keep at least this share of the picture: objects whose tags are known should stay in."""


@dataclass(frozen=True)
class PictureTransform:
    """Resize an RGB picture to ``size`` x ``size`` pixels and normalise: (value / 255 - mean) / std.

    ``squash`` ignores the aspect (the field's way for multi-label data); ``shortest`` scales the shorter side to ``size`` and cuts
    the centre out, with the rounding of torchvision's Resize and CenterCrop, so that models meet the picture they were trained on.

    Raises:
        TagLensError: a size below 1, means or deviations that are not three, a deviation of 0, an unknown name.
    """

    size: int
    """Side of the result in pixels."""
    mean: tuple[float, float, float]
    """Mean of red, green and blue, of values in 0..1."""
    std: tuple[float, float, float]
    """Standard deviation of red, green and blue, of values in 0..1."""
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    """How pixels are resampled; both smooth before they shrink."""
    resize: Literal["squash", "shortest"] = "squash"
    """What happens to the aspect."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        if self.size < 1:
            raise TagLensError(f"the picture size must be at least 1 pixel, came {self.size}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise TagLensError(f"mean and std must be three numbers, std above 0, came {self.mean} and {self.std}")
        if self.interpolation not in _FILTERS:
            raise unknown_name("interpolation", self.interpolation, _FILTERS)
        if self.resize not in _RESIZES:
            raise unknown_name("resize", self.resize, _RESIZES)

    def open(self, source: Path | str | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Image.Image:
        """Open a picture for this transform, everywhere in the same way: see :func:`taglens.datasets.pictures.open_picture`.

        A JPEG of more than four times ``size`` is decoded at a half, a quarter or an eighth of its size, never below twice ``size``: a
        photo of 12 megapixels is read four to eight times as fast for 224 pixels, and the result differs by 0.2 of 255 levels on average.
        """
        return open_picture(source, max_pixels=max_pixels, name=name, at_least=LEAST_DECODED * self.size)

    def __call__(self, picture: Image.Image) -> NDArray[np.float32]:
        """Return (3, size, size) float32 in C order for an RGB picture of any size."""
        return self.normalised(np.asarray(self.resized(picture)))

    def normalised(self, resized: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (3, size, size) float32 in C order for the pixels (size, size, 3) of what :meth:`resized` returns."""
        pixels = np.array(resized.transpose(2, 0, 1), dtype=np.float32, order="C")
        # In this order and in float32, as torchvision does it: the numbers agree to the last bit.
        pixels /= np.float32(255)
        pixels -= np.array(self.mean, dtype=np.float32)[:, None, None]
        pixels /= np.array(self.std, dtype=np.float32)[:, None, None]
        return pixels

    def resized(self, picture: Image.Image) -> Image.Image:
        """Return the part of the picture that the backbone sees, size x size, as a picture."""
        if picture.mode != "RGB":
            raise TagLensError(f"expected an RGB picture, came {picture.mode}; open it with taglens.datasets.pictures.open_picture")
        if self.resize == "squash":
            return picture.resize((self.size, self.size), _FILTERS[self.interpolation])
        width, height = picture.size
        short = min(width, height)
        scaled = (int(self.size * width / short), int(self.size * height / short))
        left, top = (round((side - self.size) / 2) for side in scaled)
        return picture.resize(scaled, _FILTERS[self.interpolation]).crop((left, top, left + self.size, top + self.size))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PictureTransform":
        """Return the transform that :meth:`to_json` described."""
        try:
            return cls(**value)
        except TypeError as error:
            raise TagLensError(f"not the description of a picture transform ({error}), came {dict(value)}") from error

    @property
    def key(self) -> str:
        """A name for caches: equal where a picture gives equal pixels, readable, safe in file names."""
        facts = self.to_json() | {"least_decoded": LEAST_DECODED, "decoding": DECODING}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return f"{self.resize}{self.size}{self.interpolation}-{digest[:12]}"


def picture_view(picture: Image.Image, view: int, digest: bytes) -> Image.Image:
    """Return view number ``view``: 0 the picture, 1 its mirror image, 2 and more crops seeded by content and number.

    Args:
        picture: an RGB picture.
        view: number of the view.
        digest: hash of the picture's content; equal contents give equal crops.
    """
    if view == PLAIN:
        return picture
    if view == FLIPPED:
        return ImageOps.mirror(picture)
    random = np.random.default_rng([view, *digest])
    width, height = picture.size
    share, aspect = random.uniform(SMALLEST_SHARE, 1.0), math.exp(random.uniform(-0.25, 0.25))
    crop_width = min(width, max(1, round(width * math.sqrt(share * aspect))))
    crop_height = min(height, max(1, round(height * math.sqrt(share / aspect))))
    left, top = random.integers(0, width - crop_width + 1), random.integers(0, height - crop_height + 1)
    crop = picture.crop((int(left), int(top), int(left) + crop_width, int(top) + crop_height))
    return ImageOps.mirror(crop) if random.random() < 0.5 else crop

"""Where a class was seen, painted over the picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taglens.datasets.transforms import PictureTransform
from taglens.metrics.attention import Edges

WHOLE: Edges = (0.0, 0.0, 1.0, 1.0)

# Nine colours of even perceptual steps, dark violet to light yellow (sampled from matplotlib's "inferno", CC0).
_COLOURS = np.array(
    [
        [0, 0, 4],
        [31, 12, 72],
        [85, 15, 109],
        [136, 34, 106],
        [186, 54, 85],
        [227, 89, 51],
        [249, 140, 10],
        [249, 201, 50],
        [252, 255, 164],
    ],
    np.float32,
)


def overlay(picture: Image.Image, attention: NDArray[Any], *, longest: int = 1024, box: Edges = WHOLE) -> Image.Image:
    """Paint a class's attention over its picture: the more attention, the brighter the colour and the less picture below.

    Args:
        picture: RGB, any size.
        attention: (row, column), sum 1.
        longest: the result's longer side; smaller pictures keep their size.
        box: the part of the picture that the map covers, see :func:`seen_box`.
    """
    ground = picture.convert("RGB")
    ground.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    heat = _spread(intensity(attention), ground.size, box)[..., None]
    opacity = 0.85 * np.sqrt(heat)
    mixed = (1 - opacity) * np.asarray(ground, np.float32) + opacity * colours(heat[..., 0])
    return Image.fromarray(np.clip(mixed + 0.5, 0, 255).astype(np.uint8))


def seen_box(picture: Image.Image, transform: PictureTransform) -> Edges:
    """Return the part of ``picture`` that the backbone sees: all of it if squashed, else the square in the middle."""
    return seen_of(picture.size, transform)


def seen_of(size: tuple[int, int], transform: PictureTransform) -> Edges:
    """Return what :func:`seen_box` does, for a picture of this width and height."""
    if transform.resize == "squash":
        return WHOLE
    short = min(size)
    across, down = ((1 - short / side) / 2 for side in size)
    return across, down, 1 - across, 1 - down


def intensity(attention: NDArray[Any]) -> NDArray[np.float32]:
    """Scale attention to 0..1: nothing at or below the even share 1/positions, 1 at the maximum.

    A map that peaks at less than twice the even share stays faint instead of being blown up to full colour.

    Args:
        attention: (row, column), sum 1.
    """
    weights = np.asarray(attention, np.float32)
    even = 1 / weights.size
    scaled: NDArray[np.float32] = np.clip((weights - even) / np.float32(max(float(weights.max()) - even, even)), 0, 1)
    return scaled


def colours(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the red, green and blue (0..255) of values within 0..1; (..., 3)."""
    steps = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(values, steps, channel) for channel in _COLOURS.T], axis=-1).astype(np.float32)


def _spread(heat: NDArray[np.float32], size: tuple[int, int], box: Edges) -> NDArray[np.float32]:
    """Enlarge (row, column) smoothly to the box within a picture of ``size`` (width, height)."""
    width, height = size
    left, top, right, bottom = round(box[0] * width), round(box[1] * height), round(box[2] * width), round(box[3] * height)
    large = Image.fromarray(heat).resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BICUBIC)
    whole = np.zeros((height, width), np.float32)
    whole[top : top + large.height, left : left + large.width] = np.clip(np.asarray(large), 0, 1)[: height - top, : width - left]
    return whole

"""Augmented views of a picture, the same on every machine and in every run."""

import math

import numpy as np
from PIL import Image, ImageOps

PLAIN, FLIPPED = 0, 1
SMALLEST_SHARE = 0.6
"""Crops keep at least this share of the picture: objects whose tags are known should stay in."""


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

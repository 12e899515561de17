"""Patterns laid over drawn shapes, so that a class is not one flat colour."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image

from taglens.datasets.scenes_brush import Brush, Colour, Point, shade

_SIDE = 640


@cache
def tiles() -> tuple[Image.Image, ...]:
    """Return the patterns as ``L`` pictures: stripes, dots, checks, bricks and grain."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE]
    grain = np.random.RandomState(1).random_sample((_SIDE, _SIDE))
    masks = [
        (x + y) % 22 < 8,
        x % 18 < 6,
        y % 16 < 5,
        (x % 22 - 11) ** 2 + (y % 22 - 11) ** 2 < 26,
        (x // 14 + y // 14) % 2 == 0,
        (y % 14 < 3) | ((x + 14 * (y // 14 % 2)) % 28 < 3),
        grain < 0.25,
    ]
    return tuple(Image.fromarray((mask * 200).astype(np.uint8)) for mask in masks)


def patterned(brush: Brush, points: Sequence[Point], fill: Colour, share: float = 0.45) -> None:
    """Fill a polygon; a ``share`` of the time lay a pattern over it in a shade of the same colour."""
    brush.shape(points, fill)
    if brush.random.random() < share:
        brush.pattern(points, shade(fill, brush.random.choice([0.6, 0.75, 1.5])), brush.random.choice(tiles()))

"""A brush that draws shapes inside one object's own frame: turned, mirrored, scaled; and the patterns it lays over them."""

import colorsys
import math
import random
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

_CIRCLE = tuple((math.cos(math.tau * step / 28), math.sin(math.tau * step / 28)) for step in range(28))
INK: Colour = (36, 32, 44)
_TILE_SIDE = 640


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the RGB colour (0..255) of a hue (taken modulo 1), saturation and value in 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def shade(colour: Colour, factor: float) -> Colour:
    """Return a darker (``factor`` below 1) or lighter (above 1) version of a colour."""
    if factor <= 1:
        return round(colour[0] * factor), round(colour[1] * factor), round(colour[2] * factor)
    share = min(factor - 1, 1.0)
    return tuple(round(part + (255 - part) * share) for part in colour)  # type: ignore[return-value]


class Brush:
    """Draws on a canvas in coordinates of one object: (0, 0) is the top left of its frame, (1, 1) the bottom right.

    ``random`` is the scene's own generator, so that a scene depends on its seed only. ``extent`` collects the canvas
    pixels (x0, y0, x1, y1) that were touched.
    """

    def __init__(
        self, canvas: Image.Image, generator: random.Random, centre: Point, size: Point, angle: float, mirror: bool, line: int
    ) -> None:
        self.canvas = canvas
        self.random = generator
        self.centre = centre
        self.size = size
        self.line = line
        self.draw = ImageDraw.Draw(canvas)
        self._cosine, self._sine = math.cos(angle), math.sin(angle)
        self._mirror = -1.0 if mirror else 1.0
        self.extent = [math.inf, math.inf, -math.inf, -math.inf]

    def paint(self, *hues: float, spread: float = 0.04, saturation: float = 0.75, value: float = 0.85) -> Colour:
        """Return a random colour near one of ``hues`` (any hue if none is given)."""
        pick = self.random.choice(hues) + self.random.uniform(-spread, spread) if hues else self.random.random()
        return hsv(pick, saturation + self.random.uniform(-0.25, 0.25), value + self.random.uniform(-0.2, 0.15))

    def place(self, points: Sequence[Point]) -> list[Point]:
        """Return canvas positions of points in the object's frame, and remember what they cover."""
        placed = []
        for u, v in points:
            x, y = (u - 0.5) * self.size[0] * self._mirror, (v - 0.5) * self.size[1]
            placed.append((self.centre[0] + x * self._cosine - y * self._sine, self.centre[1] + x * self._sine + y * self._cosine))
        across, down = [x for x, _ in placed], [y for _, y in placed]
        low, high = (min(across), min(down)), (max(across), max(down))
        self.extent = [min(self.extent[0], low[0]), min(self.extent[1], low[1]), max(self.extent[2], high[0]), max(self.extent[3], high[1])]
        return placed

    def shape(self, points: Sequence[Point], fill: Colour, *, outline: bool = True) -> None:
        """Fill a polygon, with the scene's outline around it."""
        placed = self.place(points)
        self.draw.polygon(placed, fill=fill)
        if outline and self.line:
            self.draw.line([*placed, placed[0], placed[1]], fill=INK, width=self.line, joint="curve")

    def oval(self, centre: Point, radii: Point, fill: Colour, *, outline: bool = True) -> None:
        """Fill an ellipse."""
        self.shape([(centre[0] + radii[0] * x, centre[1] + radii[1] * y) for x, y in _CIRCLE], fill, outline=outline)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour, *, outline: bool = True) -> None:
        """Fill a rectangle."""
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], fill, outline=outline)

    def stroke(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw a line whose width is a share of the object's smaller side."""
        self.draw.line(self.place(points), fill=colour, width=max(2, round(width * min(self.size))), joint="curve")

    def ring(self, centre: Point, radii: Point, colour: Colour, width: float) -> None:
        """Draw an unfilled ellipse."""
        points = [(centre[0] + radii[0] * x, centre[1] + radii[1] * y) for x, y in _CIRCLE]
        self.stroke([*points, points[0], points[1]], colour, width)

    def pattern(self, points: Sequence[Point], colour: Colour, tile: Image.Image) -> None:
        """Lay a pattern (an ``L`` picture of the canvas' size) in one colour over a polygon."""
        placed = self.place(points)
        left, top = int(min(x for x, _ in placed)), int(min(y for _, y in placed))
        right, bottom = int(max(x for x, _ in placed)) + 1, int(max(y for _, y in placed)) + 1
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in placed], fill=255)
        region = tile.crop((0, 0, right - left, bottom - top))
        self.canvas.paste(colour, (left, top, right, bottom), ImageChops.multiply(mask, region))


def arc(centre: Point, radii: Point, start: float, end: float, steps: int = 14) -> list[Point]:
    """Return points of an elliptic arc; angles in degrees, 0 to the right, growing downwards."""
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle)) for angle in angles]


@cache
def tiles() -> tuple[Image.Image, ...]:
    """Return the patterns as ``L`` pictures: stripes, dots, checks, bricks and grain."""
    y, x = np.mgrid[0:_TILE_SIDE, 0:_TILE_SIDE]
    grain = np.random.RandomState(1).random_sample((_TILE_SIDE, _TILE_SIDE))
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

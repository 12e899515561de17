"""Composes a drawn scene from a seed: a setting, several objects, clutter, a look."""

import random
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from PIL import Image

from taglens.datasets.scenes.brush import Brush
from taglens.datasets.scenes.captions import caption_of
from taglens.datasets.scenes.objects.catalogue import OBJECTS, SCENE_CLASSES
from taglens.datasets.scenes.settings import SETTING_SHARES, SETTINGS, SceneSetting

Pixels: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom edge."""
_OVERSAMPLING = 2
_LARGEST_OVERLAP = 0.35
_STRANGER = 0.12  # chance that an object does not belong to the setting


@dataclass(frozen=True)
class Scene:
    """A drawn picture and the truth about it."""

    picture: Image.Image
    classes: tuple[str, ...]
    """Names of the classes present, in the order of ``SCENE_CLASSES``."""
    boxes: dict[str, tuple[Pixels, ...]]
    """For each class present its objects' boxes (x0, y0, x1, y1), in pixels, inside the picture."""
    caption: str
    setting: str
    """Name of the setting (a key of ``SETTINGS``)."""


@dataclass(frozen=True)
class _Placement:
    name: str
    centre: tuple[float, float]
    size: tuple[float, float]
    depth: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        (x, y), (width, height) = self.centre, self.size
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def draw_scene(seed: int, size: int = 224) -> Scene:
    """Return the scene of a seed: the same seed and size give the same picture.

    Two to nine objects; a setting decides which of them meet (boats with fish), a few do not belong. Objects hide at
    most about a third of one another, reach over the border, and vary in size, colour, pattern and tilt.
    """
    generator = random.Random(seed)
    name = generator.choices(list(SETTING_SHARES), list(SETTING_SHARES.values()))[0]
    setting = SETTINGS[name]
    side = size * _OVERSAMPLING
    canvas = Image.new("RGB", (side, side))
    line = generator.choice([0, 0, 1, 2, 2, 3]) * side // 448
    backdrop = Brush(canvas, generator, (side / 2, side / 2), (side, side), 0.0, False, 0)
    horizon = generator.uniform(*setting.horizon)
    setting.paint(backdrop, horizon)
    _clutter(backdrop)
    found: dict[str, list[Pixels]] = {}
    for placement in sorted(_placements(generator, setting, horizon), key=lambda one: one.depth):
        box = _draw(canvas, generator, placement, line)
        if box:
            found.setdefault(placement.name, []).append(box)
    boxes = {name: tuple(found[name]) for name in SCENE_CLASSES if name in found}
    picture = _look(canvas, generator, size)
    caption = caption_of(tuple(boxes), setting.words, generator)
    return Scene(picture, tuple(boxes), boxes, caption, name)


def _clutter(brush: Brush) -> None:
    """Draw blots, sticks and discs that belong to no class."""
    for _ in range(brush.random.randint(1, 6)):
        x, y, reach = brush.random.random(), brush.random.random(), brush.random.uniform(0.015, 0.06)
        colour, kind = brush.paint(saturation=0.4, value=0.7), brush.random.random()
        if kind < 0.35:
            brush.oval((x, y), (reach, reach * brush.random.uniform(0.4, 1.0)), colour, outline=False)
        elif kind < 0.7:
            corners = [(x + brush.random.uniform(-reach, reach), y + brush.random.uniform(-reach, reach)) for _ in range(4)]
            brush.shape(corners, colour, outline=False)
        else:
            brush.stroke([(x, y), (x + 2 * reach, y + brush.random.uniform(-0.1, 0.1))], colour, 0.012)


def _placements(generator: random.Random, setting: SceneSetting, horizon: float) -> list[_Placement]:
    placed: list[_Placement] = []
    for _ in range(generator.choices(range(2, 10), [1, 2, 3, 4, 4, 3, 2, 1])[0]):
        known = setting.objects or dict.fromkeys(SCENE_CLASSES, 1.0)
        stranger = generator.random() < _STRANGER
        name = generator.choice(SCENE_CLASSES) if stranger else generator.choices(list(known), list(known.values()))[0]
        for _ in range(6):
            candidate = _place(generator, name, horizon, placed, free=not setting.objects)
            if all(_overlap(candidate.box, other.box) <= _LARGEST_OVERLAP for other in placed):
                placed.append(candidate)
                break
    return placed


def _place(generator: random.Random, name: str, horizon: float, placed: list[_Placement], *, free: bool) -> _Placement:
    kind = OBJECTS[name]
    scale = 0.6 * 2.3 ** generator.random()
    width, height = kind.width * scale * generator.uniform(0.88, 1.14), kind.height * scale
    x = generator.uniform(0.04, 0.96)
    if free:
        return _Placement(name, (x, generator.uniform(0.1, 0.9)), (width, height), generator.random())
    table = next((one for one in placed if one.name == "table"), None)
    if name == "cup" and table and generator.random() < 0.8:
        x = table.centre[0] + generator.uniform(-0.35, 0.35) * table.size[0]
        base = table.box[1] + 0.12 * table.size[1]
        return _Placement(name, (x, base - height / 2), (width, height), table.depth + 0.01)
    if kind.zone in ("sky", "wall"):
        y = generator.uniform(0.06, max(horizon - 0.3 * height, 0.1))
        return _Placement(name, (x, y), (width, height), y - 1)
    base = generator.uniform(horizon + 0.06, 1.04)
    nearness = 0.75 + 0.5 * (base - horizon) / (1.04 - horizon)
    width, height = width * nearness, height * nearness
    return _Placement(name, (x, base - height / 2), (width, height), base)


def _overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Return the shared area as a share of the smaller box."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return max(across, 0.0) * max(down, 0.0) / min(areas)


def _draw(canvas: Image.Image, generator: random.Random, placement: _Placement, line: int) -> Pixels | None:
    """Draw one object; return its box in the finished picture, None when less than a third of it is inside."""
    side, kind = canvas.width, OBJECTS[placement.name]
    x0, y0, x1, y1 = placement.box
    inside = max(min(x1, 1) - max(x0, 0), 0) * max(min(y1, 1) - max(y0, 0), 0)
    if inside < 0.5 * (x1 - x0) * (y1 - y0):
        return None
    centre = (placement.centre[0] * side, placement.centre[1] * side)
    size = (placement.size[0] * side, placement.size[1] * side)
    brush = Brush(canvas, generator, centre, size, generator.uniform(-kind.tilt, kind.tilt), generator.random() < 0.5, line)
    kind.draw(brush)
    left, top, right, bottom = (min(max(edge / _OVERSAMPLING, 0), side / _OVERSAMPLING) for edge in brush.extent)
    return int(left), int(top), round(right + 0.49), round(bottom + 0.49)


@cache
def _grain() -> np.ndarray:
    return np.random.RandomState(0).normal(0, 1, (1 << 18,)).astype(np.float32)


def _look(canvas: Image.Image, generator: random.Random, size: int) -> Image.Image:
    """Scale down, then vary saturation, contrast, tint and grain."""
    small = canvas.reduce(_OVERSAMPLING)
    keep = generator.choice([0.0, 0.45, 0.8, 1.0, 1.0, 1.0, 1.15])
    rows = []
    grey = (0.3, 0.59, 0.11)
    for channel in range(3):
        gain, lift = generator.uniform(0.85, 1.1), generator.uniform(-8, 14)
        mixed = [gain * ((1 - keep) * grey[other] + keep * (other == channel)) for other in range(3)]
        rows += [*mixed, lift]
    pixels = np.asarray(small.convert("RGB", tuple(rows)), dtype=np.float32)
    start = generator.randrange(1 << 16)
    count = size * size * 3
    grain = np.resize(_grain()[start:], count).reshape(pixels.shape) * generator.choice([0.0, 3.0, 6.0, 10.0])
    return Image.fromarray(np.clip(pixels + grain + 0.5, 0, 255).astype(np.uint8))
